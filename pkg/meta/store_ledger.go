package meta

import (
	"context"
	"errors"
	"sync"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// storeLedger keeps the checkpoints of steps in the job repository, in a table like the one in targets.
type storeLedger struct {
	store *Store
	table *targetLedger // for its claims
	mutex sync.Mutex
	lanes map[batch.LaneKey]batch.Checkpoint // where this process believes them to stand
}

// NewStoreLedger returns the ledger for steps that write files: checkpoints lie in the repository. Commit runs its
// function with a nil Tx, outside of any transaction, and saves the checkpoint afterwards: what the function made
// durable behind the last checkpoint is undone when its writers are opened again. fresh is TargetOptions.Fresh. Close
// leaves store open.
func NewStoreLedger(store *Store, fresh bool) batch.Ledger { return newStoreLedger(store, fresh) }

func newStoreLedger(store *Store, fresh bool) *storeLedger {
	return &storeLedger{
		store: store,
		table: &targetLedger{db: store.db, options: TargetOptions{Now: store.now, Fresh: fresh}, intents: true},
		lanes: map[batch.LaneKey]batch.Checkpoint{},
	}
}

// Claim makes, or raises the epoch of, all lanes of a step in one transaction.
func (l *storeLedger) Claim(ctx context.Context, step batch.StepKey, lanes int) (claimed []batch.Checkpoint, err error) {
	err = l.store.write(ctx, func(tx *sqldb.Tx) error {
		if err := sqldb.Lock(ctx, tx, targetTable); err != nil {
			return err
		}
		if err := l.store.guard(ctx, tx, step); err != nil {
			return err
		}
		if claimed, err = l.table.claim(ctx, tx, step, lanes); err != nil {
			return err
		}
		return claimWithoutIntents(ctx, tx, step, claimed, l.table.options.Fresh)
	})
	if err != nil {
		return nil, err
	}
	for lane, c := range claimed {
		l.remember(batch.LaneKey{StepKey: step, Lane: lane}, c)
	}
	return claimed, nil
}

// Commit runs fn, then saves the checkpoint that it returns.
func (l *storeLedger) Commit(ctx context.Context, lane batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	c, err := fn(nil)
	if err != nil {
		return c, &undone{err}
	}
	return l.save(ctx, lane, c)
}

// save saves a checkpoint as the next one of its lane, where nobody has claimed the step since. Where the outcome is
// unknown the row is asked.
func (l *storeLedger) save(ctx context.Context, lane batch.LaneKey, c batch.Checkpoint) (batch.Checkpoint, error) {
	at, err := l.position(lane)
	if err != nil {
		return c, &undone{err}
	}
	c.Epoch, c.Sequence = at.Epoch, at.Sequence+1
	if c.Phase == "" {
		c.Phase = batch.Running
	}
	swapped := false
	err = l.store.write(ctx, func(tx *sqldb.Tx) error {
		if err := l.store.guard(ctx, tx, lane.StepKey); err != nil {
			return err
		}
		swapped, err = swapTarget(ctx, tx, lane, at, c, l.store.now())
		return err
	})
	if err != nil || !swapped {
		err = l.settle(context.WithoutCancel(ctx), lane, c, err)
	}
	if err == nil {
		l.remember(lane, c)
	}
	return c, err
}

// settle finds out whether a checkpoint was saved, and returns nil where it was.
func (l *storeLedger) settle(ctx context.Context, lane batch.LaneKey, c batch.Checkpoint, reason error) error {
	if errors.Is(reason, batch.ErrFenced) {
		return reason
	}
	ctx, cancel := context.WithTimeout(ctx, l.store.patience())
	defer cancel()
	row, err := l.load(ctx, lane)
	switch {
	case err != nil && reason != nil:
		return errors.Join(reason, err)
	case err != nil:
		return err
	case row.Epoch != c.Epoch:
		return fenced(lane)
	case row.Sequence == c.Sequence:
		return nil
	case reason == nil:
		reason = fault.New(fault.Internal, "lane %d of step %s stands at commit %d, not %d", lane.Lane, lane.Step, row.Sequence, c.Sequence-1)
	}
	return &undone{reason}
}

// Load returns where a lane stands.
func (l *storeLedger) Load(ctx context.Context, lane batch.LaneKey) (batch.Checkpoint, error) {
	at, err := l.position(lane)
	if err != nil {
		return at, err
	}
	c, err := l.load(ctx, lane)
	if err != nil {
		return c, err
	}
	if c.Epoch != at.Epoch {
		return c, fenced(lane)
	}
	l.remember(lane, c)
	return c, nil
}

func (l *storeLedger) load(ctx context.Context, lane batch.LaneKey) (c batch.Checkpoint, err error) {
	err = l.store.read(ctx, func(q sqldb.Querier) error {
		rows, err := checkpoints(ctx, q, lane.StepKey)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.lane == lane.Lane {
				c = row.checkpoint
				return nil
			}
		}
		return fault.New(fault.Environment, "the checkpoint of step %s, lane %d, is gone from job repository %s",
			lane.Step, lane.Lane, l.store.Location())
	})
	return c, err
}

// Close forgets the claims; the repository stays open.
func (l *storeLedger) Close() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	clear(l.lanes)
	return nil
}

func (l *storeLedger) position(lane batch.LaneKey) (batch.Checkpoint, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	at, found := l.lanes[lane]
	if !found {
		return at, fault.New(fault.Internal, "lane %d of step %s was not claimed", lane.Lane, lane.Step)
	}
	return at, nil
}

func (l *storeLedger) remember(lane batch.LaneKey, c batch.Checkpoint) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.lanes[lane] = c
}
