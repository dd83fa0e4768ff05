package sqldb

import (
	"context"
	"database/sql"
	"slices"
)

// Stmt is a prepared statement of a Conn. It belongs to the connection's cache and is not closed by its user; it is valid
// until 64 others have been prepared on the connection.
type Stmt struct {
	conn *Conn
	stmt *sql.Stmt
}

// maxStatements bounds the prepared statements of a connection; the one used longest ago goes.
const maxStatements = 64

// statementCache holds the prepared statements of a connection by their text.
type statementCache struct {
	byQuery map[string]*Stmt
	order   []string // used longest ago first
}

// Prepare returns a statement that stays prepared on the connection. Asking again for the same text costs nothing.
func (c *Conn) Prepare(ctx context.Context, query string) (*Stmt, error) {
	if s, ok := c.cache.byQuery[query]; ok {
		c.cache.touch(query)
		return s, nil
	}
	stmt, err := c.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.fail(ctx, err)
	}
	s := &Stmt{conn: c, stmt: stmt}
	return s, c.fail(ctx, c.cache.add(query, s))
}

func (c *statementCache) touch(query string) {
	if last := len(c.order) - 1; c.order[last] != query {
		i := slices.Index(c.order, query)
		c.order = append(slices.Delete(c.order, i, i+1), query)
	}
}

func (c *statementCache) add(query string, s *Stmt) error {
	if c.byQuery == nil {
		c.byQuery = map[string]*Stmt{}
	}
	c.byQuery[query] = s
	c.order = append(c.order, query)
	if len(c.order) <= maxStatements {
		return nil
	}
	oldest := c.byQuery[c.order[0]]
	delete(c.byQuery, c.order[0])
	c.order = slices.Delete(c.order, 0, 1)
	return oldest.stmt.Close()
}

// close gives the statements up; the connection that they were prepared on is going, so errors mean nothing.
func (c *statementCache) close() {
	for _, s := range c.byQuery {
		_ = s.stmt.Close()
	}
	c.byQuery, c.order = nil, nil
}

// Exec runs the statement and returns the number of rows it affected.
func (s *Stmt) Exec(ctx context.Context, args ...any) (int64, error) {
	if ctx.Err() != nil {
		return 0, s.conn.db.fail(ctx, ctx.Err())
	}
	var result sql.Result
	err := s.conn.db.retryBusy(ctx, func() (err error) {
		result, err = s.stmt.ExecContext(ctx, args...)
		return err
	})
	return affected(result, s.conn.fail(ctx, err))
}

// Query returns the rows of the statement; they have to be closed before the connection is used again.
func (s *Stmt) Query(ctx context.Context, args ...any) (*Rows, error) {
	if ctx.Err() != nil {
		return nil, s.conn.db.fail(ctx, ctx.Err())
	}
	var rows *Rows
	err := s.conn.db.retryBusy(ctx, func() (err error) {
		rows, err = s.stmt.QueryContext(ctx, args...)
		return err
	})
	return rows, s.conn.fail(ctx, err)
}
