package meta

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// Load returns where a lane stands, after asking what became of its last transaction.
func (l *intentLedger) Load(ctx context.Context, key batch.LaneKey) (batch.Checkpoint, error) {
	lane, err := l.lane(key)
	if err != nil {
		return batch.Checkpoint{}, err
	}
	lane.mutex.Lock()
	defer lane.mutex.Unlock()
	if err := l.load(ctx, lane); err != nil {
		return batch.Checkpoint{}, err
	}
	return lane.at, nil
}

// refresh loads a lane of which the repository may hold something else than this process believes.
func (l *intentLedger) refresh(ctx context.Context, lane *intentLane) error {
	if !lane.stale {
		return nil
	}
	before := lane.at.Sequence
	err := l.load(ctx, lane)
	if err == nil && lane.at.Sequence != before {
		err = fault.New(fault.Internal, "step %s, lane %d stands at commit %d, not %d", lane.key.Step, lane.key.Lane, lane.at.Sequence, before)
	}
	return err
}

// load reads a lane from the repository. Where a transaction may have committed behind it, the server is asked.
func (l *intentLedger) load(ctx context.Context, lane *intentLane) error {
	var row *checkpointRow
	var open map[int]intent
	err := l.store.read(ctx, func(q sqldb.Querier) error {
		rows, err := checkpoints(ctx, q, lane.key.StepKey)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].lane == lane.key.Lane {
				row = &rows[i]
			}
		}
		open, err = intents(ctx, q, lane.key.StepKey)
		return err
	})
	if err != nil {
		return err
	}
	if row == nil || row.checkpoint.Epoch != lane.at.Epoch {
		return fenced(lane.key)
	}
	at := row.checkpoint
	if i := open[lane.key.Lane]; i.checkpoint.Sequence == at.Sequence+1 {
		committed, err := l.outcome(ctx, i)
		if err != nil {
			return err
		}
		if committed {
			at = i.checkpoint
		}
	}
	lane.saved, lane.at, lane.stale = row.checkpoint, at, false
	return nil
}

// settle finds out what became of a COMMIT whose answer never came, and returns nil where it holds.
func (l *intentLedger) settle(ctx context.Context, lane *intentLane, i intent, reason error) error {
	committed, err := l.outcome(ctx, i)
	switch {
	case err != nil:
		lane.stale = true
		return fault.Wrap(fault.ClassOf(reason), errors.Join(reason, err), "step %s, lane %d: whether the last commit holds is not known, and %s cannot be asked",
			lane.key.Step, lane.key.Lane, l.db.Name()).WithHint("nothing is lost: the restart asks again")
	case !committed:
		return &undone{reason}
	}
	return nil
}

// outcome asks whether a transaction committed, until it has ended. It asks again for a while where the server cannot be
// reached: it may be starting again.
func (l *intentLedger) outcome(ctx context.Context, i intent) (committed bool, err error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.options.Wait+reconnectTimeout) // no question may take for ever, either
	defer cancel()
	for {
		status, err := l.status(ctx, i)
		away := sqldb.IsConnectionLost(err) && time.Since(begun) < reconnectTimeout
		switch {
		case status == "committed" || status == "aborted":
			return status == "committed", nil
		case status != "" && time.Since(begun) >= l.options.Wait:
			return false, l.stillOpen(i)
		case err != nil && !away:
			return false, err
		}
		select {
		case <-time.After(reconnectPause):
		case <-ctx.Done():
			return false, errors.Join(ctx.Err(), err)
		}
	}
}

// status is what the server says of a transaction: committed, aborted or in progress; "" with an error.
func (l *intentLedger) status(ctx context.Context, i intent) (status string, err error) {
	if l.options.TestAnswer != "" {
		return l.options.TestAnswer, nil
	}
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	now, err := askServer(ctx, conn)
	if err != nil {
		return "", err
	}
	if err := l.unchanged(i.checkpoint.Ordinal, i.server, now); err != nil {
		return "", err
	}
	_, err = one(ctx, conn, to(&status), "select coalesce(txid_status(?), '')", i.transaction)
	switch {
	case fault.CodeOf(err) == "22023": // the id is one that the server has yet to give out
		return "", l.moved(i.checkpoint.Ordinal, "was put back to an older state")
	case err != nil:
		return "", err
	case status == "":
		return "", l.forgotten(i)
	}
	return status, nil
}

func (l *intentLedger) forgotten(i intent) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "connection %s (%s) does not know any more whether transaction %d, which wrote the records up to %d, was committed",
		l.db.Name(), l.db.Location(), i.transaction, i.checkpoint.Ordinal).WithCode("transaction_forgotten").WithHint(lookFirst)
}

// stillOpen is the error of a transaction that does not end. It names its session by the lower half of the id, which is
// what pg_stat_activity shows.
func (l *intentLedger) stillOpen(i intent) error {
	return fault.New(fault.Environment, "transaction %d on connection %s (%s), begun by a process before this one, is still open after %s",
		i.transaction, l.db.Name(), l.db.Location(), l.options.Wait).WithCode("transaction_open").
		WithHint("the server has not noticed yet that its client is gone: restart in a minute; or end the session with: "+
			"select pg_terminate_backend(pid) from pg_stat_activity where backend_xid::text = '%d'", uint32(i.transaction))
}
