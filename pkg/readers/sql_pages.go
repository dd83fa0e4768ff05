package readers

import (
	"context"

	"batchctl/pkg/record"
)

// sqlPages reads a query in short ones. A page is taken in as a whole, so that no statement stays open while its rows are
// worked on.
type sqlPages struct {
	rows record.Batch
	bad  map[int]error // rows that could not be read
	at   int           // the next row
	last bool          // the page is not full: nothing follows
}

// load reads the page behind the key.
func (p *sqlPages) load(ctx context.Context, r *sqlReader) error {
	limit := r.conf.Page
	if r.key.started {
		limit++
	}
	p.rows.Reset()
	p.bad, p.at = nil, 0
	cursor, err := r.query(ctx, r.conn, r.conf.Page)
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close() }()
	p.rows.SetSchema(r.schema)
	for {
		found, bad, err := scanSQL(cursor, r.row, &p.rows.Arena)
		if err != nil {
			return err
		}
		if !found {
			break
		}
		if bad != nil {
			if p.bad == nil {
				p.bad = map[int]error{}
			}
			p.bad[p.rows.Len()] = bad
		}
		copy(p.rows.Add(len(r.row), p.rows.Len()), r.row)
	}
	p.last = p.rows.Len() < limit
	return cursor.Close()
}

// next fills the reader's row from the page, or the page that follows; texts move into arena.
func (p *sqlPages) next(ctx context.Context, r *sqlReader, arena *record.Arena) (found bool, bad, err error) {
	if p.at == p.rows.Len() {
		if p.last {
			return false, nil, nil
		}
		if err := p.load(ctx, r); err != nil {
			return false, nil, err
		}
		if p.rows.Len() == 0 {
			return false, nil, nil
		}
	}
	for i, v := range p.rows.Row(p.at).Values {
		if v.Text() != "" {
			v = v.WithText(arena.CopyString(v.Text()))
		}
		r.row[i] = v
	}
	bad = p.bad[p.at]
	p.at++
	return true, bad, nil
}
