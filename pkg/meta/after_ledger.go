package meta

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// afterLedger is a storeLedger for a database as target.
type afterLedger struct {
	*storeLedger
	db   *sqldb.DB
	conn *sqldb.Conn
}

// NewAfterLedger returns the ledger for checkpoint: metadata with a database as target: Commit runs its function in a
// transaction on db, commits it, and saves the checkpoint in the repository afterwards. A crash between the two repeats
// a chunk: at least once. fresh is TargetOptions.Fresh. Close leaves store and db open. Commit is called by one goroutine
// at a time.
func NewAfterLedger(store *Store, db *sqldb.DB, fresh bool) batch.Ledger {
	return &afterLedger{storeLedger: newStoreLedger(store, fresh), db: db}
}

// Commit runs fn in a transaction of the target, commits it, and then saves the checkpoint. After an error that does not
// wrap batch.ErrRolledBack the target may hold what the checkpoint does not cover.
func (l *afterLedger) Commit(ctx context.Context, lane batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	if err := l.stillMine(ctx, lane); err != nil {
		return batch.Checkpoint{}, err
	}
	c, err := l.commitRows(ctx, fn)
	if err != nil {
		return c, err
	}
	saved, err := l.save(ctx, lane, c)
	var rolledBack *undone
	if errors.As(err, &rolledBack) {
		return saved, fault.Wrap(fault.Environment, rolledBack.err, "the target committed a chunk whose checkpoint could not be saved").
			WithHint("a restart writes this chunk again")
	}
	return saved, err
}

// stillMine keeps a process that has lost the step from writing more than the chunk in hand.
func (l *afterLedger) stillMine(ctx context.Context, lane batch.LaneKey) error {
	at, err := l.position(lane)
	if err != nil {
		return &undone{err}
	}
	row, err := l.load(ctx, lane)
	if err != nil {
		return &undone{err}
	}
	if row.Epoch != at.Epoch {
		return fenced(lane)
	}
	return nil
}

func (l *afterLedger) commitRows(ctx context.Context, fn func(batch.Tx) (batch.Checkpoint, error)) (c batch.Checkpoint, err error) {
	tx, err := l.begin(ctx)
	if err != nil {
		return c, &undone{err}
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx)) // err is the reason, and a connection that cannot is dropped
		}
	}()
	if c, err = fn(tx); err != nil {
		return c, &undone{err}
	}
	// Durably, also where durability is relaxed: the repository must not know of rows that a power cut takes away.
	if err = tx.CommitDurable(ctx); err == nil {
		return c, nil
	}
	if sqldb.IsConnectionLost(err) || ctx.Err() != nil || fault.CodeOf(err) == sqldb.SyncFailed {
		return c, fault.Wrap(fault.ClassOf(err), err, "whether the target committed the last chunk is not known").
			WithHint("a restart writes this chunk again")
	}
	return c, &undone{err}
}

func (l *afterLedger) begin(ctx context.Context) (*sqldb.Tx, error) {
	if l.conn != nil && l.conn.Lost() {
		_ = l.conn.Close() // there is nothing left on it
		l.conn = nil
	}
	if l.conn == nil {
		conn, err := l.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		l.conn = conn
	}
	return l.conn.Begin(ctx)
}

// Close gives the connection to the target back.
func (l *afterLedger) Close() error {
	err := l.storeLedger.Close()
	if l.conn != nil {
		err = errors.Join(err, l.conn.Close())
		l.conn = nil
	}
	return err
}
