package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// tasklet runs a step that does one thing, and returns the exit status that it asks for.
func (r *Runner) tasklet(ctx context.Context, step *Step, execution *batch.StepExecution) (code string, err error) {
	tasklet, err := step.Tasklet(ctx, execution)
	if err != nil {
		return "", err
	}
	ctx, end := r.untilStopped(ctx, step, execution.JobID)
	defer end()
	if step.Claim != nil {
		return r.tasklets(ctx, step, execution, tasklet.(batch.TransactionalTasklet))
	}
	r.observe(batch.StepStarted{Step: execution})
	c, err := r.attempts(ctx, step, execution, tasklet.Run)
	return r.contributed(ctx, step, execution, c, err)
}

// tasklets runs a tasklet in one transaction with its checkpoint, unless that has been done.
func (r *Runner) tasklets(ctx context.Context, step *Step, execution *batch.StepExecution, tasklet batch.TransactionalTasklet) (code string, err error) {
	ledger, key, err := step.Claim(ctx, execution)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	lanes, err := ledger.Claim(ctx, key, 1)
	if err != nil {
		return "", err
	}
	r.observe(batch.StepStarted{Step: execution, Resumed: lanes[0].Sequence > 0})
	at := lanes[0]
	if at.Phase == batch.Done {
		c, err := contributionIn(at)
		if err != nil {
			return "", err
		}
		return c.Exit, r.settled(ctx, step, execution, c)
	}
	c, err := r.attempts(ctx, step, execution, func(ctx context.Context, c *batch.Contribution) error {
		_, err := ledger.Commit(ctx, batch.LaneKey{StepKey: key}, func(tx batch.Tx) (batch.Checkpoint, error) {
			next := at
			err := tasklet.RunIn(ctx, tx, c)
			if err != nil {
				return next, err
			}
			next.Phase, next.Counters = batch.Done, c.Counters
			next.Writer, err = stateOf(c)
			return next, err
		})
		return err
	})
	return r.contributed(ctx, step, execution, c, err)
}

// attempts runs fn, and again as the step's retry says.
func (r *Runner) attempts(ctx context.Context, step *Step, execution *batch.StepExecution, fn func(context.Context, *batch.Contribution) error) (*batch.Contribution, error) {
	for retries := 0; ; retries++ {
		c := &batch.Contribution{Earlier: execution.Context.Kept()}
		if step.Claim == nil {
			c.Save = func(ctx context.Context, kept batch.Context) error {
				execution.Context.Keep(kept)
				return r.Repository.SaveStep(ctx, execution)
			}
		}
		err := guarded(func() error { return fn(ctx, c) })
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		retry := step.Tolerance.Retry
		if err == nil || !retry.allows(err, retries) {
			return c, err
		}
		execution.Counters.Retry++
		r.observe(batch.ChunkRetried{Step: execution, Attempt: retries + 2, Of: retry.Max + 1, Err: err})
		if err := r.wait(ctx, execution.JobID, retry.pause(retries+1, err)); err != nil {
			return c, err
		}
	}
}

// contributed takes over what came of a tasklet.
func (r *Runner) contributed(ctx context.Context, step *Step, execution *batch.StepExecution, c *batch.Contribution, err error) (code string, failed error) {
	execution.Context.Keep(c.Kept)
	if err != nil {
		return c.Exit, err
	}
	execution.Counters = execution.Counters.Add(c.Counters)
	return c.Exit, r.settled(ctx, step, execution, c)
}

// settled takes over what a tasklet that is done leaves behind, and evaluates the step's check.
func (r *Runner) settled(ctx context.Context, step *Step, execution *batch.StepExecution, c *batch.Contribution) error {
	maps.Copy(execution.Context, c.Context)
	execution.Total = c.Counters
	if step.Check == nil {
		return nil
	}
	return step.Check(ctx, execution)
}

// left is what the checkpoint of a tasklet holds beside its counters: the process may die behind the commit, before
// anything is recorded elsewhere.
type left struct {
	Exit    string        `json:"exit,omitempty"`
	Context batch.Context `json:"context,omitempty"`
}

func stateOf(c *batch.Contribution) (batch.State, error) {
	state, err := json.Marshal(left{c.Exit, c.Context})
	if err != nil {
		return nil, err
	}
	return ofKind("tasklet", state)
}

// contributionIn returns what came of a tasklet whose checkpoint says that it is done.
func contributionIn(at batch.Checkpoint) (*batch.Contribution, error) {
	c := &batch.Contribution{Counters: at.Counters}
	kept, err := stateFor("tasklet", "tasklet", at.Writer)
	if err != nil || kept.State == nil {
		return c, err
	}
	var l left
	err = json.Unmarshal(kept.State, &l)
	c.Exit, c.Context = l.Exit, l.Context
	return c, err
}

// child runs a job within the job.
func (r *Runner) child(ctx context.Context, step *Step, execution *batch.StepExecution) (code string, err error) {
	watched, end := r.untilStopped(ctx, step, execution.JobID)
	defer end()
	r.observe(batch.StepStarted{Step: execution, Resumed: len(execution.Context.Kept()) > 1})
	code, err = step.Child(ctx, execution, watched.Done())
	if cause := context.Cause(watched); err != nil && cause != nil && ctx.Err() == nil {
		return code, cause
	}
	return code, err
}

// untilStopped returns a context that is cancelled when the step has to stop, with the reason as its cause. end waits for
// the goroutine that watches.
func (r *Runner) untilStopped(ctx context.Context, step *Step, job int64) (watched context.Context, end func()) {
	watched, cancel := context.WithCancelCause(ctx)
	until := earlier(r.deadline, r.deadlineAfter(step.Timeout, "step "+step.Name))
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		cancel(r.watch(watched, until, job, over))
	}()
	return watched, func() {
		close(over)
		<-ended
	}
}

// watch returns why a step has to stop, nil when it is over.
func (r *Runner) watch(ctx context.Context, until deadline, job int64, over <-chan struct{}) error {
	for {
		switch {
		case r.stopping():
			return batch.ErrStopped
		case !until.at.IsZero() && r.Now().After(until.at):
			return fmt.Errorf("%s: %w", until.what, ErrTimedOut)
		}
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.Stop:
		case <-r.After(saveEvery):
			if err := r.askWhetherToStop(ctx, job); err != nil && ctx.Err() == nil {
				return fault.Wrap(fault.ClassOf(err), err, "ask whether to stop")
			}
		}
	}
}
