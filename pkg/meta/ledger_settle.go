package meta

import (
	"bytes"
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// settleTimeout bounds how long the outcome of a commit is asked for: the transaction in question may hold its row for as
// long as the server takes to notice that its client is gone. reconnectTimeout bounds how long a server that cannot be
// reached is waited for.
const (
	settleTimeout    = 2 * time.Minute
	reconnectTimeout = 10 * time.Second
	reconnectPause   = 100 * time.Millisecond
)

// settle finds out what became of a commit whose answer never came, or of one whose row was not as expected. It returns
// the checkpoint that holds where it is the one that was to be saved.
func (l *targetLedger) settle(ctx context.Context, lane *targetLane, next batch.Checkpoint, reason error) (batch.Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	at, err := l.askPatiently(ctx, lane)
	switch {
	case errors.Is(err, batch.ErrFenced):
		return next, err
	case err != nil:
		return next, fault.Wrap(fault.ClassOf(reason), errors.Join(reason, err), "step %s, lane %d: whether the last commit holds is not known, and %s cannot be asked",
			lane.key.Step, lane.key.Lane, l.db.Name()).WithHint("nothing is lost: the restart asks again")
	case at.Sequence < next.Sequence:
		lane.at = at
		return next, &undone{reason}
	case at.Sequence == next.Sequence && at.Ordinal == next.Ordinal && bytes.Equal(at.Reader, next.Reader):
		return at, nil
	}
	return next, fault.New(fault.Internal, "step %s, lane %d stands at commit %d, record %d in the target, which this process did not write",
		lane.key.Step, lane.key.Lane, at.Sequence, at.Ordinal)
}

// askPatiently asks again while the row is locked, and for a while where the server cannot be reached: it may be
// starting again.
func (l *targetLedger) askPatiently(ctx context.Context, lane *targetLane) (batch.Checkpoint, error) {
	begun := time.Now()
	for {
		at, err := l.ask(ctx, lane)
		locked := fault.ClassOf(err) == fault.Transient && !sqldb.IsConnectionLost(err)
		away := sqldb.IsConnectionLost(err) && time.Since(begun) < reconnectTimeout
		if err == nil || ctx.Err() != nil || !locked && !away {
			return at, err
		}
		select {
		case <-time.After(reconnectPause):
		case <-ctx.Done():
		}
	}
}

// ask returns the row of a lane, on a new connection where the lane's own is lost. It ends a session that was lost and is
// still there, and waits for a transaction that holds the row, so that what it returns is final. A row of another epoch is
// ErrFenced.
func (l *targetLedger) ask(ctx context.Context, lane *targetLane) (at batch.Checkpoint, err error) {
	tx, err := lane.begin(ctx, l.db)
	if sqldb.IsConnectionLost(err) { // the pool may hold more of the connections that died
		_ = lane.close() // nothing on it is to be kept
		tx, err = lane.begin(ctx, l.db)
	}
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	if err := tx.AwaitEnd(ctx, lane.mark); err != nil {
		return at, err
	}
	row, err := lockTargetRow(ctx, tx, lane.key)
	if err != nil {
		return at, err
	}
	if row == nil || row.checkpoint.Epoch != lane.at.Epoch {
		return at, fenced(lane.key)
	}
	return row.checkpoint, nil
}
