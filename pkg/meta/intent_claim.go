package meta

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// Claim makes, or raises the epoch of, all lanes of a step, and finds out what became of their last transactions. From
// the raised epoch on no other process can save an intent; the transaction of one that it has saved is waited for.
func (l *intentLedger) Claim(ctx context.Context, step batch.StepKey, lanes int) (claimed []batch.Checkpoint, err error) {
	now, err := l.serverNow(ctx)
	if err != nil {
		return nil, err
	}
	var open map[int]intent
	err = l.store.write(ctx, func(tx *sqldb.Tx) error {
		claimed, open, err = l.claim(ctx, tx, step, lanes)
		return err
	})
	if err != nil {
		return nil, err
	}
	taken := make([]*intentLane, len(claimed))
	for number, at := range claimed {
		lane := &intentLane{targetLane: targetLane{key: batch.LaneKey{StepKey: step, Lane: number}, at: at}, saved: at, server: now}
		if i, found := open[number]; found {
			if err := l.resolve(ctx, lane, i, now); err != nil {
				return nil, err
			}
		}
		claimed[number], taken[number] = lane.at, lane
	}
	for _, lane := range taken {
		l.take(lane.key, lane)
	}
	return claimed, nil
}

// claim raises the epoch in the repository and returns the intents that there are.
func (l *intentLedger) claim(ctx context.Context, tx *sqldb.Tx, step batch.StepKey, lanes int) (claimed []batch.Checkpoint, open map[int]intent, err error) {
	if err := sqldb.Lock(ctx, tx, targetTable); err != nil {
		return nil, nil, err
	}
	if err := l.store.guard(ctx, tx, step); err != nil {
		return nil, nil, err
	}
	rows, err := targetRows(ctx, tx, step)
	if err != nil {
		return nil, nil, err
	}
	// Behind the lock of the rows, so that an intent saved meanwhile is seen.
	if open, err = intents(ctx, tx, step); err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		if row.repository != step.Repository && open[row.lane].checkpoint.Sequence > row.checkpoint.Sequence && !l.options.Fresh {
			return nil, nil, foreignStep(row, step)
		}
	}
	if claimed, err = l.table.claim(ctx, tx, step, lanes); err == nil && l.options.Fresh {
		err = giveUp(ctx, tx, step, claimed, open)
	}
	return claimed, open, err
}

// resolve brings a lane that was just claimed to where its last transaction left it.
func (l *intentLedger) resolve(ctx context.Context, lane *intentLane, i intent, now server) error {
	pending := i.checkpoint.Sequence == lane.at.Sequence+1
	switch {
	case i.checkpoint.Sequence > lane.at.Sequence+1:
		return damaged("the intent of job %s, step %s, lane %d,", lane.key.Job, lane.key.Step, lane.key.Lane)
	case i.checkpoint.Sequence == 0 && lane.at.Sequence == 0:
		return l.awaitEnd(ctx, i, now)
	}
	if err := l.unchanged(max(lane.at.Ordinal, i.checkpoint.Ordinal), i.server, now); err != nil {
		if !l.options.Adopt && !l.options.Fresh {
			return err
		}
		return l.conclude(ctx, lane, i, pending, now)
	}
	if !pending {
		return nil
	}
	committed, err := l.outcome(ctx, i)
	if errors.Is(err, batch.ErrNotRestartable) && l.options.Adopt {
		committed, err = true, nil
	}
	if err != nil {
		return err
	}
	return l.conclude(ctx, lane, i, committed, now)
}

// awaitEnd waits for a transaction that must not commit unseen, whatever becomes of it.
func (l *intentLedger) awaitEnd(ctx context.Context, i intent, now server) error {
	if i.transaction == 0 || !i.server.same(now) {
		return nil
	}
	_, err := l.outcome(ctx, i)
	if errors.Is(err, batch.ErrNotRestartable) {
		return nil
	}
	return err
}

// conclude saves what became of an intent at once: some day the server will have forgotten about it.
func (l *intentLedger) conclude(ctx context.Context, lane *intentLane, i intent, committed bool, now server) error {
	epoch := lane.saved.Epoch
	if committed {
		lane.at = i.checkpoint
		lane.at.Epoch = epoch
	}
	err := l.store.write(ctx, func(tx *sqldb.Tx) error {
		if err := l.advance(ctx, tx, lane); err != nil {
			return err
		}
		return saveIntent(ctx, tx, lane.key, intent{server: now, checkpoint: batch.Checkpoint{Epoch: epoch, Phase: batch.Running}})
	})
	lane.saved = lane.at
	return err
}
