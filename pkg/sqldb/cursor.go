package sqldb

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Cursor reads the rows of a query as record values, streamed: memory does not grow with the result. It is used by one
// goroutine at a time.
type Cursor struct {
	rows    cursorRows
	columns []Column
	err     error // that ended the rows
	ctx     context.Context
}

// cursorRows are the rows of a result of one database.
type cursorRows interface {
	next() (found bool, err error)
	scan(into []record.Value, arena *record.Arena) error
	close() error
}

// OpenCursor runs a query and returns its rows. It asks the database for the types of the result first, then has
// PostgreSQL send as text what the driver would change. SQLite's values are taken as they are stored. The query must be
// one that can stand in brackets: a select, values, or with. The order of its rows is kept.
func OpenCursor(ctx context.Context, q Querier, query string, args ...any) (*Cursor, error) {
	columns, err := Describe(ctx, q, query, args...)
	if err != nil {
		return nil, err
	}
	c := &Cursor{ctx: ctx, columns: columns}
	if isPostgres(q.Dialect()) {
		c.rows, err = queryPostgres(ctx, q, columns, query, args)
	} else {
		c.rows, err = querySQLite(ctx, q, columns, query, args)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Describe returns the columns of a query's result without reading it: Name, Type and Kind. On SQLite the kind is that
// of the declared type, Absent for an expression. Two columns of one name are an error of class definition.
func Describe(ctx context.Context, q Querier, query string, args ...any) ([]Column, error) {
	rows, err := q.Query(ctx, "select * from ("+query+"\n) q limit 0", args...)
	if err != nil {
		return nil, err
	}
	types, err := rows.ColumnTypes()
	err = errors.Join(err, rows.Close())
	if err != nil {
		return nil, Classify(err)
	}
	columns, seen := make([]Column, len(types)), map[string]bool{}
	for i, t := range types {
		columns[i] = Column{Name: t.Name(), Type: t.DatabaseTypeName(), Kind: q.Dialect().Kind(t.DatabaseTypeName()), Nullable: true}
		if seen[t.Name()] || seen[beforeNumber(t.Name())] {
			return nil, fault.New(fault.Definition, "the query has two columns called %q", beforeNumber(t.Name())).
				WithHint("give one of them another name: select ... as other_name")
		}
		seen[t.Name()] = true
	}
	return columns, nil
}

// beforeNumber returns the name that SQLite made unique by adding a colon and a number, or the name as it is.
func beforeNumber(name string) string {
	at := strings.LastIndexByte(name, ':')
	if at < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[at+1:]); err != nil {
		return name
	}
	return name[:at]
}

// Columns returns the columns of the result: Name, Type and Kind.
func (c *Cursor) Columns() []Column { return c.columns }

// Next moves to the next row and reports whether there is one; afterwards Err says why not.
func (c *Cursor) Next() (found bool) {
	if c.err == nil {
		found, c.err = c.rows.next()
	}
	return found
}

// Scan fills into, which has one element for each column. Texts are the row's own, or lie in the arena. An error of class
// validation names the first column whose value is not of its kind: that element is absent, all others are filled. The
// cursor then goes on with the next row.
func (c *Cursor) Scan(into []record.Value, arena *record.Arena) error {
	return c.rows.scan(into, arena)
}

// Err returns the error that ended the rows, nil where they came to their end.
func (c *Cursor) Err() error { return c.classify(c.err) }

func (c *Cursor) classify(err error) error {
	if err != nil && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return Classify(err)
}

// Close ends the query, also in mid result.
func (c *Cursor) Close() error {
	err := c.rows.close()
	if c.ctx.Err() != nil {
		return nil // a cancelled query ends with an error that says nothing new
	}
	return Classify(err)
}
