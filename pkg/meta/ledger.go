package meta

import (
	"context"
	"errors"
	"sync"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// TargetOptions say how a target's ledger deals with what another job repository left there.
type TargetOptions struct {
	// Adopt takes over rows that another repository committed, and goes on behind them.
	Adopt bool
	// Fresh forgets how far the step came, in whatever repository: it begins at nothing, whatever its rows in the target.
	// A step that is done in this repository stays done.
	Fresh bool
	// Now is the clock of what the table shows people; time.Now where nil.
	Now func() time.Time

	// TestOrder and TestBetween are for harnesses that look for lost and doubled rows, and prove with them that they would
	// find some. TestBetween is called between the two commits that TestOrder makes of one; nil does nothing.
	TestOrder   TestOrder
	TestBetween func() error
}

// targetLedger keeps checkpoints in the table batchctl_checkpoint of the database that a step writes to.
type targetLedger struct {
	db      *sqldb.DB
	options TargetOptions
	intents bool // the table is the one of a job repository, which has intents beside it
	lanes[*targetLane]
}

// targetLane is one lane of a claimed step. One goroutine at a time commits it.
type targetLane struct {
	mutex sync.Mutex
	key   batch.LaneKey
	at    batch.Checkpoint // the last one known to hold
	conn  *sqldb.Conn      // held between commits; nil until the first, and after it was lost
	mark  int64            // of the session that the last commit was sent on
}

// NewTargetLedger returns the ledger of a step whose rows go to db. Every lane holds a connection of its own, on which
// Commit hands out a *sqldb.Tx: rows and checkpoint commit together. Close gives the connections back and leaves db open.
func NewTargetLedger(db *sqldb.DB, options TargetOptions) batch.Ledger {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &targetLedger{db: db, options: options}
}

// Commit runs fn and saves the checkpoint that it returns in one transaction.
func (l *targetLedger) Commit(ctx context.Context, key batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	lane, err := l.lane(key)
	if err != nil {
		return batch.Checkpoint{}, &undone{err}
	}
	lane.mutex.Lock()
	defer lane.mutex.Unlock()
	next, sent, err := l.attempt(ctx, lane, fn)
	if err != nil {
		if !sent || fault.CodeOf(err) == sqldb.SyncFailed {
			return next, err
		}
		if next, err = l.settle(context.WithoutCancel(ctx), lane, next, err); err != nil {
			return next, err
		}
	}
	lane.at = next
	return next, nil
}

// attempt runs one transaction. Where it fails, sent reports whether the outcome has to be asked for; otherwise nothing
// of it holds, and the error says so.
func (l *targetLedger) attempt(ctx context.Context, lane *targetLane, fn func(batch.Tx) (batch.Checkpoint, error)) (next batch.Checkpoint, sent bool, err error) {
	tx, err := lane.begin(ctx, l.db)
	if err != nil {
		return next, false, &undone{err}
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(ctx) // err is the reason, and a connection that cannot roll back is dropped
		}
	}()
	if l.options.TestOrder == TestTogether {
		if lane.mark, err = tx.LeaveEnds(ctx); err != nil {
			return next, false, &undone{err}
		}
	}
	next, err = fn(tx)
	if err != nil {
		return next, false, &undone{err}
	}
	next.Epoch, next.Sequence = lane.at.Epoch, lane.at.Sequence+1
	if next.Phase == "" {
		next.Phase = batch.Running
	}
	if l.options.TestOrder != TestTogether {
		return next, true, l.commitApart(ctx, lane, tx, next, fn)
	}
	if next.Phase == batch.Running {
		return next, true, l.swapAndCommit(ctx, tx, lane, next)
	}
	err = l.swap(ctx, tx, lane, next)
	switch {
	case errors.Is(err, errNotSwapped):
		return next, true, err
	case err != nil:
		return next, false, &undone{err}
	}
	return next, true, tx.CommitDurable(ctx) // the last commits of a step wait for the disk also where others do not
}

// swapAndCommit ends the transaction with the checkpoint: both in one message where the database takes that, for a round
// trip costs as much as forty rows.
func (l *targetLedger) swapAndCommit(ctx context.Context, tx *sqldb.Tx, lane *targetLane, next batch.Checkpoint) error {
	args, err := swapArgs(lane.key, lane.at, next, l.options.Now())
	if err != nil {
		return err
	}
	swapped, err := tx.CommitWith(ctx, bind(tx.Dialect(), swapText), args...)
	if err == nil && !swapped {
		err = errNotSwapped
	}
	return err
}

// swap saves a checkpoint as the one that follows the lane's last.
func (l *targetLedger) swap(ctx context.Context, tx *sqldb.Tx, lane *targetLane, next batch.Checkpoint) error {
	swapped, err := swapTarget(ctx, tx, lane.key, lane.at, next, l.options.Now())
	if err == nil && !swapped {
		err = errNotSwapped
	}
	return err
}

// errNotSwapped means that the lane's row is not as this process left it.
var errNotSwapped = fault.New(fault.Internal, "the checkpoint in the target has changed")

// begin starts a transaction on the lane's connection, a new one where the old is lost.
func (lane *targetLane) begin(ctx context.Context, db *sqldb.DB) (*sqldb.Tx, error) {
	if lane.conn != nil && lane.conn.Lost() {
		_ = lane.close() // nothing on it is to be kept
	}
	if lane.conn == nil {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		lane.conn = conn
	}
	return lane.conn.Begin(ctx)
}

// close gives the connection back; what it still held is rolled back.
func (lane *targetLane) close() error {
	if lane.conn == nil {
		return nil
	}
	conn := lane.conn
	lane.conn = nil
	return conn.Close()
}

// Load returns where a lane stands in the target.
func (l *targetLedger) Load(ctx context.Context, key batch.LaneKey) (batch.Checkpoint, error) {
	lane, err := l.lane(key)
	if err != nil {
		return batch.Checkpoint{}, err
	}
	lane.mutex.Lock()
	defer lane.mutex.Unlock()
	at, err := l.ask(ctx, lane)
	if err == nil {
		lane.at = at
	}
	return at, err
}
