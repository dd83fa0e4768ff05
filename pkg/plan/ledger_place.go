package plan

import (
	"cmp"
	"context"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb"
)

// place is where the checkpoints of a step that writes into a database can lie.
type place struct {
	name   string // for people
	begun  func(ctx context.Context, step batch.StepKey) ([]meta.Begun, error)
	forget func(ctx context.Context, step batch.StepKey) error
}

func inRepository(store *meta.Store) place {
	return place{"the job repository", store.Begun, store.Forget}
}

func inTarget(db *sqldb.DB) place {
	begun := func(ctx context.Context, step batch.StepKey) ([]meta.Begun, error) {
		all, err := meta.BegunIn(ctx, db, step)
		return slices.DeleteFunc(all, func(b meta.Begun) bool { return b.Repository != step.Repository }), err
	}
	forget := func(ctx context.Context, step batch.StepKey) error { return meta.ForgetIn(ctx, db, step) }
	return place{"connection " + db.Name(), begun, forget}
}

// onlyHere is a ledger whose claims are refused where the step has its checkpoint elsewhere, because the definition was
// changed since: the step would begin at nothing, on top of what it has loaded.
type onlyHere struct {
	batch.Ledger
	fresh       bool
	here, there place
}

// Claim implements batch.Ledger.
func (l *onlyHere) Claim(ctx context.Context, step batch.StepKey, lanes int) ([]batch.Checkpoint, error) {
	if err := l.check(ctx, step); err != nil {
		return nil, err
	}
	return l.Ledger.Claim(ctx, step, lanes)
}

func (l *onlyHere) check(ctx context.Context, step batch.StepKey) error {
	there, err := l.there.of(ctx, step)
	if err != nil || len(there) == 0 {
		return err
	}
	here, err := l.here.of(ctx, step)
	if err != nil || slices.Equal(here, there) { // a job repository may lie in the target: they are the same rows
		return err
	}
	if l.fresh {
		return l.there.forget(ctx, step)
	}
	return l.moved(there)
}

// of returns what a step has committed here; of a share, nothing that the shares beside it are just committing.
func (p place) of(ctx context.Context, step batch.StepKey) ([]meta.Begun, error) {
	all, err := p.begun(ctx, step)
	return slices.DeleteFunc(all, func(b meta.Begun) bool {
		return batch.IsShareName(step.Step) && batch.IsShareName(b.Step) && b.Step != step.Step
	}), err
}

func (l *onlyHere) moved(there []meta.Begun) error {
	furthest := slices.MaxFunc(there, func(a, b meta.Begun) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable,
		"the step came to record %d with its checkpoint in %s, and would begin again at its first one with a checkpoint in %s",
		furthest.Ordinal, l.there.name, l.here.name).WithCode("checkpoint_moved").
		WithHint("put checkpoint and writer of the step back as they were, until this instance is complete; or delete what the step wrote and begin again with --fresh")
}
