package sqldb

import (
	"context"
	"database/sql/driver"
	"io"
)

// rawRows is a result as it comes, past database/sql, which would lock, check and copy every value once more. lib/pq asks for
// it, and reads its first row, its end, and what else the server says; the other rows are taken off the wire where that
// can be done. The connection is held by whoever asked, so nobody else uses it meanwhile.
type rawRows struct {
	ctx   context.Context
	conn  *Conn
	wire  *wire
	rows  driver.Rows
	begun bool           // lib/pq has read the first row
	row   []driver.Value // that lib/pq has read
	sent  []byte         // the row as it was taken off the wire; nil where lib/pq has read it
	err   error
}

// holder returns the held connection that q is, or nil.
func holder(q Querier) *Conn {
	switch q := q.(type) {
	case *Conn:
		return q
	case *Tx:
		return q.conn
	}
	return nil
}

// plainArguments returns arguments as a driver takes them, up to the first that has to be converted.
func plainArguments(args []any) []driver.NamedValue {
	values := make([]driver.NamedValue, 0, len(args))
	for i, arg := range args {
		switch arg.(type) {
		case nil, string, int64, float64, bool, []byte:
			values = append(values, driver.NamedValue{Ordinal: i + 1, Value: arg})
		default:
			return values
		}
	}
	return values
}

// rawQuery runs a query. Its rows have to be closed before the connection is used again.
func (c *Conn) rawQuery(ctx context.Context, query string, args []driver.NamedValue) (*rawRows, error) {
	if ctx.Err() != nil {
		return nil, c.db.fail(ctx, ctx.Err())
	}
	if err := c.leaveAhead(ctx); err != nil {
		return nil, err
	}
	r := &rawRows{ctx: ctx, conn: c}
	rawErr := c.conn.Raw(func(dc any) error {
		s := dc.(*session)
		r.wire = s.wire
		r.rows, r.err = s.QueryContext(ctx, query, args)
		return nil
	})
	if r.err == nil {
		r.err = rawErr
	}
	if r.err != nil {
		return nil, c.fail(ctx, r.err)
	}
	r.row = make([]driver.Value, len(r.rows.Columns()))
	return r, nil
}

// Next moves to the next row.
func (r *rawRows) Next() bool {
	if r.err != nil {
		return false
	}
	if r.begun {
		if r.sent = r.wire.row(); r.sent != nil {
			return true
		}
	}
	r.begun = true
	r.err = r.rows.Next(r.row)
	return r.err == nil
}

// Fill hands out what Next has read.
func (r *rawRows) Fill(values []any) (sent []byte, err error) {
	if r.sent == nil {
		for i, v := range r.row {
			values[i] = v
		}
	}
	return r.sent, nil
}

// Err returns the error that ended the rows.
func (r *rawRows) Err() error {
	if r.err == nil || r.err == io.EOF { // not errors.Is: a lost connection may be an io.EOF deep down
		return nil
	}
	_ = r.conn.fail(r.ctx, r.err) // it notes whether the connection is lost
	return r.err
}

// Close reads what is left of the result, up to where the connection can be used again.
func (r *rawRows) Close() error {
	if r.rows == nil {
		return nil
	}
	err := r.rows.Close()
	r.rows = nil
	if r.err == nil {
		r.err = io.EOF
	}
	if err != nil {
		_ = r.conn.fail(r.ctx, err)
	}
	return err
}
