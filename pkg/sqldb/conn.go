package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// Conn is one held connection. It sends BEGIN, SAVEPOINT and COMMIT itself, because a COPY through the driver's own
// connection under an open sql.Tx blocks database/sql for ever when the server ends the session. A Conn is used by one
// goroutine at a time.
type Conn struct {
	db         *DB
	conn       *sql.Conn
	sqlite     *sqliteConn // nil on a server
	plain      bool        // messages of the session are not encrypted
	cache      statementCache
	stages     map[string]bool // staging tables that the session has
	copyBuffer []byte          // of CopyIn, kept for the next one
	ahead      ahead           // a transaction that nobody has asked for yet; PostgreSQL
	open       bool            // a transaction may be open
	first      bool            // nothing has been said in it
	lead       string          // the COPY that it began with; "" where it did not
	copying    begunCopy       // a COPY was begun in it ahead
	loaded     []*Load         // what was loaded in it in binary
	late       *lateCopy       // a COPY in it has all its rows, and is to be ended
	mark       int64           // by which the end of the session can be awaited; 0 where it has none
	broken     bool            // not to be used again
}

// maxStale bounds how many dead connections of the pool Conn tries; it keeps fewer.
const maxStale = 8

// Conn takes a connection out of the pool, or makes one. The caller closes it. It was alive a moment ago: connections
// that died in the pool, as all do when a server starts again, are dropped here.
func (db *DB) Conn(ctx context.Context) (*Conn, error) {
	for try := 0; ; try++ {
		conn, err := db.pool.Conn(ctx)
		if err != nil {
			return nil, db.fail(ctx, err)
		}
		c := &Conn{db: db, conn: conn, stages: map[string]bool{}}
		if !isPostgres(db.dialect) {
			// The handle lives as long as conn is held, and is used by one goroutine at a time, as database/sql wants it.
			return c, conn.Raw(func(dc any) error {
				c.sqlite = dc.(*sqliteConn)
				return nil
			})
		}
		err = c.fail(ctx, conn.PingContext(ctx))
		if err == nil {
			return c, conn.Raw(func(dc any) error {
				c.plain = dc.(*session).wire.plain
				return nil
			})
		}
		_ = c.Close() // err says why
		if ctx.Err() != nil || !IsConnectionLost(err) || try == maxStale {
			return nil, err
		}
	}
}

// DB returns the database that c belongs to.
func (c *Conn) DB() *DB { return c.db }

// Dialect returns what the database speaks.
func (c *Conn) Dialect() Dialect { return c.db.dialect }

// Exec runs one statement.
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if ctx.Err() != nil {
		return 0, c.db.fail(ctx, ctx.Err()) // lib/pq would send the statement all the same
	}
	if err := c.leaveAhead(ctx); err != nil {
		return 0, err
	}
	var result sql.Result
	err := c.db.retryBusy(ctx, func() (err error) {
		result, err = c.conn.ExecContext(ctx, query, args...)
		return err
	})
	return affected(result, c.fail(ctx, err))
}

// Query returns the rows of a statement; they have to be closed before the connection is used again.
func (c *Conn) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	if ctx.Err() != nil {
		return nil, c.db.fail(ctx, ctx.Err())
	}
	if err := c.leaveAhead(ctx); err != nil {
		return nil, err
	}
	var rows *Rows
	err := c.db.retryBusy(ctx, func() (err error) {
		rows, err = c.conn.QueryContext(ctx, query, args...)
		return err
	})
	return rows, c.fail(ctx, err)
}

// fail classifies an error and remembers whether the connection survived it: after a statement that was cancelled, also
// too late, nobody knows what the server still sends, so such a connection is never used again.
func (c *Conn) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil || IsConnectionLost(err) {
		c.broken = true
	}
	return c.db.fail(ctx, err)
}

// Lost reports whether the connection died, or was given up after a cancelled statement. Such a connection fails every
// call; close it and take another one.
func (c *Conn) Lost() bool {
	c.ahead.mutex.Lock()
	defer c.ahead.mutex.Unlock()
	return c.broken
}

// Close gives the connection back to the pool, or drops it where it is lost or where its transaction cannot be rolled
// back.
func (c *Conn) Close() error {
	_ = c.leaveAhead(context.Background()) // what is open is rolled back
	c.cache.close()
	if c.open && !c.broken {
		c.rollback(context.Background())
	}
	c.unmark()
	if c.broken {
		c.drop()
	}
	err := c.conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// drop makes the pool forget the connection.
func (c *Conn) drop() {
	_ = c.conn.Raw(func(any) error { return driver.ErrBadConn })
}
