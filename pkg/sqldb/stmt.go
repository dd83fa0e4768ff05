package sqldb

import (
	"context"
	"database/sql"
	"slices"

	"batchctl/pkg/record"
)

// Stmt is a prepared statement of a Conn. It belongs to the connection's cache and is not closed by its user; it is valid
// until 64 others have been prepared on the connection.
type Stmt struct {
	conn   *Conn
	sqlite *sqliteStmt // nil on a server, and for a script
	stmt   *sql.Stmt   // where sqlite is nil
	args   []any       // bound so far; unused where sqlite is not nil
}

// maxStatements bounds the prepared statements of a connection; the one used longest ago goes.
const maxStatements = 64

// statementCache holds the prepared statements of a connection by their text.
type statementCache struct {
	byQuery map[string]*Stmt
	order   []string // used longest ago first
}

// Prepare returns a statement that stays prepared on the connection, without values. Asking again for the same text costs
// nothing.
func (c *Conn) Prepare(ctx context.Context, query string) (*Stmt, error) {
	if ctx.Err() != nil {
		return nil, c.db.fail(ctx, ctx.Err())
	}
	if err := c.leaveAhead(ctx); err != nil {
		return nil, err
	}
	if s, ok := c.cache.byQuery[query]; ok {
		c.cache.touch(query)
		s.clear()
		return s, nil
	}
	s := &Stmt{conn: c}
	if err := s.prepare(ctx, query); err != nil {
		return nil, c.fail(ctx, err)
	}
	return s, c.fail(ctx, c.cache.add(query, s))
}

func (s *Stmt) prepare(ctx context.Context, query string) (err error) {
	if s.conn.sqlite != nil {
		err = s.conn.db.retryBusy(ctx, func() (err error) {
			s.sqlite, err = s.conn.sqlite.prepare(query)
			return err
		})
	}
	if err == nil && s.sqlite == nil {
		s.stmt, err = s.conn.conn.PrepareContext(ctx, query)
	}
	return err
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
	return oldest.close()
}

// close gives the statements up; the connection that they were prepared on is going, so errors mean nothing.
func (c *statementCache) close() {
	for _, s := range c.byQuery {
		_ = s.close()
	}
	c.byQuery, c.order = nil, nil
}

func (s *Stmt) close() error {
	if s.sqlite != nil {
		s.sqlite.close()
		return nil
	}
	return s.stmt.Close()
}

// clear takes off what is bound.
func (s *Stmt) clear() {
	if s.sqlite != nil {
		s.sqlite.clear()
		return
	}
	clear(s.args)
	s.args = s.args[:0]
}

// Bind gives the next placeholder a value, as Argument of the dialect does. The value is copied where it is not used before
// Run returns. What is wrong with it Run says.
func (s *Stmt) Bind(v record.Value) {
	if s.sqlite != nil {
		s.sqlite.bind(v)
		return
	}
	s.args = append(s.args, s.conn.db.dialect.Argument(v))
}

// BindText is Bind for a text.
func (s *Stmt) BindText(text string) {
	if s.sqlite != nil {
		s.sqlite.bindText(text)
		return
	}
	s.args = append(s.args, text)
}

// Fill runs fill, which binds values: many at once cost less than each for itself, because SQLite is locked once.
func (s *Stmt) Fill(fill func() error) error {
	if s.sqlite != nil {
		s.sqlite.conn.lock()
		defer s.sqlite.conn.unlock()
	}
	return fill()
}

// Run executes the statement with the values that are bound, takes them off, and returns the number of rows it affected.
func (s *Stmt) Run(ctx context.Context) (int64, error) {
	defer s.clear()
	if ctx.Err() != nil {
		return 0, s.conn.db.fail(ctx, ctx.Err())
	}
	if err := s.conn.leaveAhead(ctx); err != nil {
		return 0, err
	}
	var n int64
	err := s.conn.db.retryBusy(ctx, func() (err error) {
		if s.sqlite != nil {
			n, err = s.sqlite.exec(ctx)
			return err
		}
		n, err = affected(s.stmt.ExecContext(ctx, s.args...))
		return err
	})
	return n, s.conn.fail(ctx, err)
}

// Exec runs the statement with arguments and returns the number of rows it affected.
func (s *Stmt) Exec(ctx context.Context, args ...any) (int64, error) {
	s.clear()
	if s.sqlite == nil {
		s.args = append(s.args, args...)
		return s.Run(ctx)
	}
	for _, arg := range args {
		s.sqlite.bindArgument(arg)
	}
	return s.Run(ctx)
}
