package plan

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
)

// checkNames refuses to continue an instance whose definition has lost a step that was begun and is not done. Where it has
// another name now, it would load everything once more.
func (p *prepared) checkNames(ctx context.Context, store *meta.Store, l *meta.Launch, drift Drift) error {
	if l.Previous == nil || p.replay != nil || drift.Fresh {
		return nil
	}
	there := map[string]bool{}
	for _, s := range p.job.All() {
		there[s.Name] = true
	}
	history, err := store.StepHistory(ctx, l.Execution.Instance.ID)
	if err != nil {
		return err
	}
	last := map[string]*batch.StepExecution{}
	for _, step := range history {
		if !there[batch.WholeOf(step.Name)] && !step.IsTasklet() {
			last[step.Name] = step
		}
	}
	for _, step := range history {
		if last[step.Name] != step {
			continue
		}
		begun, err := mayHaveCommitted(ctx, store, step)
		if err != nil {
			return err
		}
		if begun {
			return stepGone(batch.WholeOf(step.Name), l.Previous)
		}
	}
	return nil
}

// mayHaveCommitted reports whether an unfinished step has loaded something. What a process committed shortly before it died
// is not recorded.
func mayHaveCommitted(ctx context.Context, store *meta.Store, step *batch.StepExecution) (bool, error) {
	if !step.Status.Restartable() {
		return false, nil
	}
	if step.Total.Commit > 0 {
		return true, nil
	}
	of, err := store.Execution(ctx, step.JobID)
	return err == nil && of.Owner != nil && !of.Owner.FoundDead.IsZero(), err
}

func stepGone(name string, previous *batch.JobExecution) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable,
		"step %s has loaded a part of its input, and is not in the definition any more: under another name it would load everything again", name).
		WithCode("step_gone").
		WithHint("put it back under its name; where it is to be left as it is, or what it wrote has been deleted, go on with --fresh; batchctl show %d says how far it came", previous.ID)
}
