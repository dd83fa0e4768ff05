package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"batchctl/pkg/fault"
)

// commit sends COMMIT. On PostgreSQL it is lib/pq's own, which alone sees that a server answers COMMIT in a failed
// transaction with ROLLBACK and no error. It is not cancelled with ctx, because a cancelled COMMIT is one of unknown
// outcome.
func (c *Conn) commit(ctx context.Context) error {
	if !isPostgres(c.db.dialect) {
		return c.command(context.WithoutCancel(ctx), "commit")
	}
	if err := c.leaveAhead(ctx); err != nil {
		return err
	}
	return c.insist(ctx, func(s *session) error { return s.pqConn.(driver.Tx).Commit() })
}

// insist does something on the session that is not cancelled with ctx; a server that does not answer is left some time
// after ctx has ended. PostgreSQL only. It costs less than a call with ctx, for which lib/pq begins a goroutine.
func (c *Conn) insist(ctx context.Context, do func(s *session) error) error {
	var err error
	rawErr := c.conn.Raw(func(dc any) error {
		s := dc.(*session)
		stop := context.AfterFunc(ctx, func() { s.link.setDeadline(time.Now().Add(answerGrace)) })
		err = do(s)
		c.broken = c.broken || !stop() // it has a deadline now
		return nil
	})
	if err = errors.Join(rawErr, err); err == nil {
		return nil
	}
	if IsConnectionLost(err) {
		c.broken = true
	}
	return Classify(err)
}

// say runs statements that are short and without rows.
func (c *Conn) say(ctx context.Context, statements string) error {
	if !isPostgres(c.db.dialect) || ctx.Err() != nil {
		_, err := c.Exec(ctx, statements)
		return err
	}
	err := c.insist(ctx, func(s *session) error {
		_, err := s.ExecContext(context.Background(), statements, nil)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return c.fail(ctx, err)
	}
	return c.db.locate(err)
}

// CommitWith runs a statement that is to change exactly one row, and ends tx; on PostgreSQL both are one message, the
// statement stays prepared, and the transaction that is expected next is begun with it, as is a COPY where tx began with
// one. changed is false where it was another number of rows: then tx is not committed. Errors are those of Commit, and the
// statement's: after any of them tx has to be rolled back. Arguments are texts, whole numbers and nil.
func (tx *Tx) CommitWith(ctx context.Context, query string, args ...any) (changed bool, err error) {
	if !isPostgres(tx.Dialect()) {
		stmt, err := tx.Prepare(ctx, query)
		if err != nil {
			return false, err
		}
		n, err := stmt.Exec(ctx, args...)
		if err != nil || n != 1 {
			return false, err
		}
		return true, tx.Commit(ctx)
	}
	c := tx.conn
	if c.broken {
		return false, Classify(driver.ErrBadConn)
	}
	load, err := c.loadToCheck(ctx)
	if err != nil {
		return false, err
	}
	late := c.late
	c.late = nil
	if late == nil {
		if err := c.leaveAhead(ctx); err != nil {
			return false, err
		}
	}
	copying := c.nextCopy(late)
	err = c.insist(ctx, func(s *session) (err error) {
		copying, err = s.commitWith(query, args, load, late, copying)
		c.broken = c.broken || err != nil && len(s.wire.early) > 0 || fault.CodeOf(err) == columnsChanged // its statement is of no use
		return err
	})
	switch {
	case late != nil && late.writer.err != nil:
		return false, late.ended(c.db.locate(err))
	case isNotOne(err):
		return false, nil
	case err != nil:
		return false, err
	}
	tx.ended, c.open = true, false
	tx.keepStages()
	c.markAhead(copying)
	return true, nil
}
