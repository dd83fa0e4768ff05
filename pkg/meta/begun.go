package meta

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// Begun says that a lane of a step, or of a share of it, has committed something, or may have.
type Begun struct {
	Step       string // STEP, or STEP:SHARE
	Lane       int
	Repository string
	Epoch      int64
	Sequence   int64
	Ordinal    int64
	Phase      batch.Phase
}

// Begun returns what a step and its shares have committed by the checkpoints in this job repository.
func (s *Store) Begun(ctx context.Context, step batch.StepKey) (found []Begun, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = begunLanes(ctx, q, step, true)
		return err
	})
	return found, err
}

// BegunIn returns what a step and its shares have committed by the checkpoints in a target database, whichever job
// repository they are of. It locks and changes nothing.
func BegunIn(ctx context.Context, db *sqldb.DB, step batch.StepKey) ([]Begun, error) {
	there, err := hasTargetTable(ctx, db)
	if err != nil || !there {
		return nil, err
	}
	return begunLanes(ctx, db, step, false)
}

func hasTargetTable(ctx context.Context, q sqldb.Querier) (bool, error) {
	_, err := sqldb.Columns(ctx, q, targetTable)
	if fault.CodeOf(err) == sqldb.NoSuchTable {
		return false, nil
	}
	return err == nil, err
}

// Forget makes a step and its shares begin at nothing by the checkpoints in this job repository. Whoever works on them is
// fenced.
func (s *Store) Forget(ctx context.Context, step batch.StepKey) error {
	return s.write(ctx, func(tx *sqldb.Tx) error {
		if err := s.guard(ctx, tx, step); err != nil {
			return err
		}
		return newStoreLedger(s, true).table.forget(ctx, tx, step, func(Begun) bool { return true })
	})
}

// ForgetIn is Forget for the checkpoints in a target database.
func ForgetIn(ctx context.Context, db *sqldb.DB, step batch.StepKey) error {
	there, err := hasTargetTable(ctx, db)
	if err != nil || !there {
		return err
	}
	return inTransaction(ctx, db, func(tx *sqldb.Tx) error {
		l := NewTargetLedger(db, TargetOptions{}).(*targetLedger)
		return l.forget(ctx, tx, step, func(Begun) bool { return true })
	})
}

// forget makes those lanes of a step and its shares begin at nothing that are chosen.
func (l *targetLedger) forget(ctx context.Context, tx *sqldb.Tx, step batch.StepKey, chosen func(Begun) bool) error {
	if err := sqldb.Lock(ctx, tx, targetTable); err != nil {
		return err
	}
	all, err := begunLanes(ctx, tx, step, l.intents)
	if err != nil {
		return err
	}
	for _, b := range all {
		if chosen(b) {
			lane := batch.LaneKey{StepKey: step, Lane: b.Lane}
			lane.Step = b.Step
			err = errors.Join(err, l.forgetLane(ctx, tx, lane, b.Epoch+1))
		}
	}
	return err
}

func (l *targetLedger) forgetLane(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey, epoch int64) error {
	nothing := batch.Checkpoint{Epoch: epoch, Phase: batch.Running}
	if err := updateTarget(ctx, tx, lane, nothing, l.options.Now()); err != nil || !l.intents {
		return err
	}
	open, err := intents(ctx, tx, lane.StepKey)
	i, found := open[lane.Lane]
	if err != nil || !found {
		return err
	}
	i.checkpoint = nothing // the next intent waits for its transaction
	return saveIntent(ctx, tx, lane, i)
}

const ofFamily = " where job = ? and instance = ? and visit = ? and (step = ? or substr(step, 1, ?) = ?)"

// begunLanes also returns lanes whose first chunk may have been committed, where there are intents.
func begunLanes(ctx context.Context, q sqldb.Querier, step batch.StepKey, intents bool) (found []Begun, err error) {
	started := "seq > 0"
	if intents {
		started = `(seq > 0 or exists (select 1 from BATCHCTL_INTENT i where i.job = c.job and i.instance = c.instance
			and i.step = c.step and i.visit = c.visit and i.lane = c.lane and i.seq > 0))`
	}
	whole := batch.WholeOf(step.Step)
	ofShares := batch.ShareName(whole, "")
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		var b Begun
		err := rows.Scan(&b.Step, &b.Lane, &b.Repository, &b.Epoch, &b.Sequence, &b.Ordinal, &b.Phase)
		found = append(found, b)
		return err
	}, "select step, lane, repository, epoch, seq, ordinal, phase from "+targetTable+" c"+ofFamily+" and "+started+" order by step, lane",
		step.Job, step.Instance, step.Visit, whole, len(ofShares), ofShares) // names are ASCII
	return found, err
}

// IsShare reports whether the lane is one of a share.
func (b Begun) IsShare() bool { return batch.IsShareName(b.Step) }

// checkDivision refuses to claim a step as a whole that has come somewhere in shares, or a share of one that has come
// somewhere as a whole: what is there would be loaded once more. Where a claim of the whole forgets what there is, it
// forgets that.
func (l *targetLedger) checkDivision(ctx context.Context, tx *sqldb.Tx, step batch.StepKey) error {
	share := batch.IsShareName(step.Step)
	if l.options.Fresh && !share {
		return l.forget(ctx, tx, step, Begun.IsShare)
	}
	all, err := begunLanes(ctx, tx, step, l.intents)
	for _, b := range all {
		if b.IsShare() != share {
			return redivided(share)
		}
	}
	return err
}

func redivided(inShares bool) error {
	was, now := "in partitions", "undivided"
	if inShares {
		was, now = now, was
	}
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the step was begun %s, and would begin again at its first record %s", was, now).
		WithCode("division_changed").
		WithHint("put partition of the step back as it was, until this instance is complete; or delete what the step wrote and begin again with --fresh")
}
