package writers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// rereadOrder are the fields that dead letters are ordered by, and are told apart by within one step of an instance.
var rereadOrder = []string{"step", "lane", "ordinal", "job_execution_id"}

// rereadPage is how many rows are fetched with one query. None stays open between two, for the reader of the rows may
// write into the same file.
const rereadPage = 1000

// Reread implements batch.Rereader for tables of dead letters. A table that nothing was written into need not be there.
func (w *sqlTable) Reread(ctx context.Context, at batch.State, of map[string]record.Value) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		pages, err := w.pages(ctx, of)
		var state sqlState
		if len(at) > 0 && err == nil {
			err = json.Unmarshal(at, &state)
		}
		if fault.CodeOf(err) == sqldb.NoSuchTable && !state.Wrote {
			return
		}
		for more := true; more && err == nil; {
			if more, err = pages.next(ctx); err != nil {
				break
			}
			for i := range pages.rows.Len() {
				if !yield(pages.rows.Row(i), nil) {
					return
				}
			}
		}
		if err != nil {
			yield(record.Record{}, err)
		}
	}
}

// rereadPages fetches the rows of a table page by page, each behind the last row of the one before.
type rereadPages struct {
	db     *sqldb.DB
	text   string // of the query without what it is behind
	args   []any
	order  []string // columns
	at     []int    // where their fields stand in a row
	last   []any    // their values in the last row; nil before the first
	schema *record.Schema
	rows   record.Batch
}

func (w *sqlTable) pages(ctx context.Context, of map[string]record.Value) (*rereadPages, error) {
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return nil, err
	}
	columns, err := sqldb.Columns(ctx, db, w.conf.Table)
	if err != nil {
		return nil, err
	}
	p := &rereadPages{db: db}
	var fields []record.Field
	var outputs []string
	for _, f := range batch.LetterSchema().Fields() {
		name := w.conf.Columns.column(f.Name)
		column, ok := findSQLColumn(db.Dialect(), columns, name)
		switch {
		case name == "":
			continue
		case !ok:
			return nil, unknownSQLColumn(w.conf.Table, name, "field", columns)
		}
		quoted := db.Dialect().Quote(column.Name)
		if slices.Contains(rereadOrder, f.Name) {
			p.order, p.at = append(p.order, quoted), append(p.at, len(fields))
		}
		fields, outputs = append(fields, f), append(outputs, quoted)
	}
	if len(p.order) < len(rereadOrder) {
		return nil, fault.New(fault.Definition, "table %s cannot be read back: it does not keep all of %s", w.conf.Table, strings.Join(rereadOrder, ", ")).
			WithHint("write these fields too: leave columns out, or name them in it")
	}
	p.text = "select " + strings.Join(outputs, ", ") + " from " + db.Dialect().Quote(w.conf.Table)
	if err := p.narrow(w.conf, of); err != nil {
		return nil, err
	}
	p.schema, err = record.NewSchema(fields...)
	return p, err
}

// narrow adds the condition that fields have values.
func (p *rereadPages) narrow(conf *sqlConf, of map[string]record.Value) error {
	word := " where "
	for _, f := range batch.LetterSchema().Fields() {
		v, wanted := of[f.Name]
		column := conf.Columns.column(f.Name)
		if !wanted || column == "" {
			continue
		}
		p.args = append(p.args, rereadArg(v))
		p.text += word + p.db.Dialect().Quote(column) + " = " + p.db.Dialect().Placeholder(len(p.args))
		word = " and "
	}
	if word == " where " {
		p.text += " where 1 = 1"
	}
	return nil
}

func rereadArg(v record.Value) any {
	if v.Kind() == record.Int {
		return v.Int()
	}
	return v.String()
}

// next fetches the next page and reports whether another one may follow.
func (p *rereadPages) next(ctx context.Context) (more bool, err error) {
	text, args := p.text, slices.Clone(p.args)
	if p.last != nil {
		marks := make([]string, len(p.last))
		for i, v := range p.last {
			args = append(args, v)
			marks[i] = p.db.Dialect().Placeholder(len(args))
		}
		text += " and (" + strings.Join(p.order, ", ") + ") > (" + strings.Join(marks, ", ") + ")"
	}
	text += fmt.Sprintf(" order by %s limit %d", strings.Join(p.order, ", "), rereadPage)
	cursor, err := sqldb.OpenCursor(ctx, p.db, text, args...)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	p.rows.Reset()
	p.rows.SetSchema(p.schema)
	for cursor.Next() {
		if err := cursor.Scan(p.rows.Add(p.schema.Len(), 0), &p.rows.Arena); err != nil {
			return false, err
		}
	}
	if n := p.rows.Len(); n > 0 {
		p.last = nil
		for _, at := range p.at {
			p.last = append(p.last, rereadArg(p.rows.Row(n-1).At(at).Clone()))
		}
	}
	return p.rows.Len() == rereadPage, cursor.Err()
}
