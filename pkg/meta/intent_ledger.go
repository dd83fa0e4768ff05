package meta

import (
	"context"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// IntentOptions say how an intent ledger deals with what it finds.
type IntentOptions struct {
	// Adopt takes the recorded chunks for committed where the server cannot be asked any more: it failed over, was put
	// back, or has forgotten.
	Adopt bool
	// Fresh is TargetOptions.Fresh.
	Fresh bool
	// Wait bounds how long a transaction of a process before this one is waited for; two minutes where 0.
	Wait time.Duration

	// TestAt, TestAnswer and TestUnhardened are for harnesses. TestAt is called at intent.saved (COMMIT is not sent),
	// intent.committed (nobody knows yet) and intent.settle (before the repository is told); TestAnswer is taken for the
	// server's, and TestUnhardened leaves the transaction's id out of the server's log: both lose or double rows.
	TestAt         func(point string) error
	TestAnswer     string
	TestUnhardened bool
}

// intentLedger keeps checkpoints in the job repository for rows in a PostgreSQL database. Before a transaction commits,
// its id and the checkpoint that it leads to are saved as an intent. Whoever comes after a crash asks the server by that
// id whether the transaction committed. An intent is saved under the claim's epoch, and a claim waits for the
// transaction of an open one, so a process that lost the step cannot commit, on whatever host it is.
type intentLedger struct {
	store   *Store
	table   *targetLedger // of the repository, for its claims
	db      *sqldb.DB     // the target
	options IntentOptions
	lanes[*intentLane]
}

// intentLane is one lane of a claimed step. One goroutine at a time commits it. The embedded at is the last checkpoint
// known to hold; the repository's row follows with the next intent.
type intentLane struct {
	targetLane
	saved  batch.Checkpoint // what the repository's row says
	server server           // where the claim found the target
	stale  bool             // saved and at are to be read again
}

// NewIntentLedger returns the ledger for checkpoint: intent. db is a PostgreSQL database, of which each lane uses two
// connections at a time. Close leaves store and db open.
func NewIntentLedger(store *Store, db *sqldb.DB, options IntentOptions) batch.Ledger {
	if options.Wait == 0 {
		options.Wait = settleTimeout
	}
	if options.TestAt == nil {
		options.TestAt = func(string) error { return nil }
	}
	return &intentLedger{
		store: store, db: db, options: options,
		table: &targetLedger{db: store.db, options: TargetOptions{Now: store.now, Fresh: options.Fresh}, intents: true},
	}
}

// Commit runs fn in a transaction of the target, saves the intent to commit it, and commits it.
func (l *intentLedger) Commit(ctx context.Context, key batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	lane, err := l.lane(key)
	if err != nil {
		return batch.Checkpoint{}, &undone{err}
	}
	lane.mutex.Lock()
	defer lane.mutex.Unlock()
	if err := l.refresh(ctx, lane); err != nil {
		return batch.Checkpoint{}, &undone{err}
	}
	i, sent, err := l.attempt(ctx, lane, fn)
	if err != nil && !sent {
		return i.checkpoint, &undone{err}
	}
	if err != nil {
		if err := l.settle(context.WithoutCancel(ctx), lane, i, err); err != nil {
			return i.checkpoint, err
		}
	}
	lane.at = i.checkpoint
	if lane.at.Phase == batch.Done {
		l.tell(context.WithoutCancel(ctx), lane) // no intent follows that would
	}
	return lane.at, nil
}

// attempt runs one transaction. Where it fails, sent reports whether the outcome has to be asked for; otherwise nothing
// of it holds.
func (l *intentLedger) attempt(ctx context.Context, lane *intentLane, fn func(batch.Tx) (batch.Checkpoint, error)) (i intent, sent bool, err error) {
	tx, err := lane.begin(ctx, l.db)
	if err != nil {
		return i, false, err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(ctx) // err is the reason, and a connection that cannot roll back is dropped
		}
	}()
	if i.transaction, i.server, err = begun(ctx, tx); err != nil {
		return i, false, err
	}
	if err := l.unchanged(lane.at.Ordinal, lane.server, i.server); err != nil {
		return i, false, err
	}
	hardened := l.harden(ctx)
	next, err := fn(tx)
	if failed := <-hardened; err == nil {
		err = failed
	}
	if err != nil {
		return i, false, err
	}
	i.checkpoint = following(lane.at, next)
	if err := l.intend(ctx, lane, i); err != nil {
		return i, false, err
	}
	err = tx.Commit(ctx)
	sent = sqldb.IsConnectionLost(err) || ctx.Err() != nil
	if err == nil {
		err, sent = l.options.TestAt("intent.committed"), true
	}
	return i, sent, err
}

// following returns next as the checkpoint of the commit behind at.
func following(at, next batch.Checkpoint) batch.Checkpoint {
	next.Epoch, next.Sequence = at.Epoch, at.Sequence+1
	if next.Phase == "" {
		next.Phase = batch.Running
	}
	return next
}

// intend saves an intent durably, and with it the last checkpoint that holds, if nobody has claimed the step since.
func (l *intentLedger) intend(ctx context.Context, lane *intentLane, i intent) error {
	err := l.store.write(ctx, func(tx *sqldb.Tx) error {
		if err := l.advance(ctx, tx, lane); err != nil {
			return err
		}
		return saveIntent(ctx, tx, lane.key, i)
	})
	if err != nil {
		lane.stale = true // what the repository has now is not known
		return err
	}
	lane.saved = lane.at
	return l.options.TestAt("intent.saved")
}

// advance brings the repository's row to the last checkpoint that holds.
func (l *intentLedger) advance(ctx context.Context, tx *sqldb.Tx, lane *intentLane) error {
	if err := l.store.guard(ctx, tx, lane.key.StepKey); err != nil {
		return err
	}
	swapped, err := swapTarget(ctx, tx, lane.key, lane.saved, lane.at, l.store.now())
	if err == nil && !swapped {
		err = fenced(lane.key)
	}
	return err
}

// tell brings the repository to what the target holds, where that is known. What cannot be saved is asked for by the
// next claim, so it is no error.
func (l *intentLedger) tell(ctx context.Context, lane *intentLane) {
	if lane.stale || lane.at.Sequence == lane.saved.Sequence || l.options.TestAt("intent.settle") != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	err := l.store.write(ctx, func(tx *sqldb.Tx) error { return l.advance(ctx, tx, lane) })
	if err == nil {
		lane.saved = lane.at
		return
	}
	lane.stale = true
}

// Close saves which of the last commits hold and gives the connections back.
func (l *intentLedger) Close() error {
	for lane := range l.all() {
		l.tell(context.Background(), lane)
	}
	return l.lanes.Close()
}
