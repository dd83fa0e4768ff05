package sqldb

import (
	"context"

	"batchctl/pkg/fault"
)

// HeldLock is a lock by name that one holder has at a time, on whatever host: until Release, or until its connection ends.
// The nil HeldLock holds nothing.
type HeldLock struct {
	conn *Conn
	name string
}

// HoldLock waits for a lock by name, up to LockTimeout, and takes it. On SQLite, whose users share a host, it is nil: files
// have locks of their own.
func (db *DB) HoldLock(ctx context.Context, name string) (*HeldLock, error) {
	if !isPostgres(db.dialect) {
		return nil, nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 0))", "batchctl "+name); err != nil {
		_ = conn.Close() // err says why
		return nil, err
	}
	return &HeldLock{conn, "batchctl " + name}, nil
}

// Still returns an error where the lock may be somebody else's by now.
func (l *HeldLock) Still(ctx context.Context) error {
	if l == nil {
		return nil
	}
	if _, err := l.conn.Exec(ctx, "select 1"); err != nil {
		return fault.Wrap(fault.ClassOf(err), err, "the lock was lost").WithCode(fault.CodeOf(err))
	}
	return nil
}

// Release gives the lock back. A connection that cannot is dropped, and the lock with it.
func (l *HeldLock) Release() error {
	if l == nil {
		return nil
	}
	if _, err := l.conn.Exec(context.Background(), "select pg_advisory_unlock(hashtextextended($1, 0))", l.name); err != nil {
		l.conn.broken = true
	}
	return l.conn.Close()
}
