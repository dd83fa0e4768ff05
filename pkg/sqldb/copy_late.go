package sqldb

import (
	"context"
	"math/rand/v2"
)

// lateCopy is a COPY that has all its rows and is not ended.
type lateCopy struct {
	writer *CopyWriter
	ended  func(error) error
}

// LeaveEnds allows CopyLast to leave the end of its COPY to the end of tx, which is to be CommitWith. Where the connection dies
// meanwhile the server may still be busy with the rows, have COMMIT before it, and hold nothing yet that would show it: what
// became of tx is known when AwaitEnd has returned, which is given the mark.
func (tx *Tx) LeaveEnds(ctx context.Context) (mark int64, err error) {
	c := tx.conn
	if !isPostgres(tx.Dialect()) {
		return 0, nil
	}
	if c.mark == 0 {
		mark := rand.Int64()
		if _, err := c.Exec(ctx, "select pg_advisory_lock($1)", mark); err != nil { // until the session ends, or returns to the pool
			return 0, err
		}
		c.mark = mark
	}
	tx.leavesEnds = true
	return c.mark, nil
}

// endMarked ends the session that has a mark, unless it is the one that asks, or belongs to a role that may not be touched.
const endMarked = `select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a using (pid)
	where l.locktype = 'advisory' and l.objsubid = 1 and l.classid::bigint << 32 | l.objid::bigint = $1
	and l.pid <> pg_backend_pid() and pg_has_role(a.usesysid, 'usage')`

// AwaitEnd ends the session with a mark where it was lost and is still there, and waits for that, up to LockTimeout: behind it what
// that session has not committed is undone.
func (tx *Tx) AwaitEnd(ctx context.Context, mark int64) error {
	if mark == 0 || mark == tx.conn.mark {
		return nil
	}
	if _, err := tx.Exec(ctx, endMarked, mark); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", mark)
	return err
}

// unmark gives the mark up.
func (c *Conn) unmark() {
	if c.mark != 0 && !c.broken {
		_, err := c.Exec(context.Background(), "select pg_advisory_unlock($1)", c.mark)
		c.broken = c.broken || err != nil
	}
}

// CopyLast is CopyIn for what is the last in tx before its end. The COPY may then be ended by CommitWith, with the message that
// ends tx, or by whatever else is done in tx. Its error is returned there, and nothing that comes behind it is done. ended
// is called in CopyLast or there: it is told how the COPY ended, and returns the error that is returned.
func (tx *Tx) CopyLast(ctx context.Context, load Load, feed func(w *CopyWriter) error, ended func(error) error) error {
	if !tx.leavesEnds || tx.depth > 0 {
		_, err := tx.CopyIn(ctx, load, feed)
		return ended(err)
	}
	_, err := tx.copyIn(ctx, load, feed, ended)
	if tx.conn.late != nil {
		return nil
	}
	return ended(err)
}

// TakesBinary reports whether rows are sent in binary.
func (tx *Tx) TakesBinary() bool { return tx.conn.plain }

// endLate ends a COPY that was left, where there is one.
func (c *Conn) endLate(ctx context.Context) error {
	late := c.late
	if late == nil {
		return nil
	}
	c.late = nil
	return late.ended(c.db.locate(c.insist(ctx, func(s *session) error {
		_, err := s.endCopy(late.writer)
		return err
	})))
}
