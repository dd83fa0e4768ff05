// Package runner is the engine: it runs the steps of a job, each as a stream of chunks. It knows the contracts of
// package batch and nothing else: no YAML, no kinds of components, no wall clock, no printing.
package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Job is what the runner runs, in the order of Steps.
type Job struct {
	Steps   []Step
	Timeout time.Duration // the job stops at a chunk boundary behind it; 0: never
}

// Runner runs jobs. All fields are set by whoever makes it.
type Runner struct {
	Repository batch.Repository
	Observer   batch.Observer
	Now        func() time.Time
	After      func(time.Duration) <-chan time.Time // for pauses before retries
	// Stop is closed by whoever wants the job to stop at the next chunk boundary.
	Stop <-chan struct{}
	// CheckpointEvery is how often at most a step without a target database saves its checkpoint; 0 is after every chunk.
	// What was written since is cut off and written again after a crash.
	CheckpointEvery time.Duration

	stopAsked atomic.Bool
	deadline  deadline // the job's
}

// Run runs the job as the given execution, which is recorded with status STARTING, and records how it ended. The error
// is the reason why it did not complete: one that wraps batch.ErrStopped where it stopped.
func (r *Runner) Run(ctx context.Context, job *Job, execution *batch.JobExecution) error {
	begin := r.Now()
	r.deadline = r.deadlineAfter(job.Timeout, "the job")
	err := r.start(ctx, execution)
	if err == nil {
		r.Observer.Observe(batch.JobStarted{Job: execution})
		err = r.runSteps(ctx, job, execution)
	}
	err = r.end(ctx, execution, err)
	r.Observer.Observe(batch.JobEnded{Job: execution, Elapsed: r.Now().Sub(begin), Err: err})
	return err
}

func (r *Runner) start(ctx context.Context, execution *batch.JobExecution) error {
	if err := move(&execution.Status, batch.Started); err != nil {
		return err
	}
	execution.Started = r.Now()
	return r.Repository.SaveJob(ctx, execution)
}

func (r *Runner) runSteps(ctx context.Context, job *Job, execution *batch.JobExecution) error {
	for i := range job.Steps {
		if err := r.askWhetherToStop(ctx, execution.ID); err != nil {
			return err
		}
		if r.stopping() {
			return batch.ErrStopped
		}
		if err := r.runStep(ctx, &job.Steps[i], execution); err != nil {
			return err
		}
	}
	return nil
}

// end records the outcome. It is saved even where ctx is cancelled: an execution that stays STARTED would look as if
// its process had died.
func (r *Runner) end(ctx context.Context, execution *batch.JobExecution, err error) error {
	execution.Ended = r.Now()
	status := outcome(err)
	if moveErr := move(&execution.Status, status); moveErr != nil {
		return errors.Join(err, moveErr)
	}
	execution.Exit = exitOf(status, err)
	if err == nil && len(execution.Steps) > 0 {
		execution.Exit = execution.Steps[len(execution.Steps)-1].Exit
	}
	if saveErr := r.Repository.SaveJob(context.WithoutCancel(ctx), execution); saveErr != nil {
		return errors.Join(err, fmt.Errorf("record the end of execution %d: %w", execution.ID, saveErr))
	}
	return err
}

// outcome is the status that an execution ends with. Cancellation is an outcome of its own, so that COMPLETED is said
// only of an input that was read to its end.
func outcome(err error) batch.Status {
	switch {
	case err == nil:
		return batch.Completed
	case errors.Is(err, batch.ErrStopped):
		return batch.Stopped
	}
	return batch.Failed
}

func exitOf(status batch.Status, err error) batch.ExitStatus {
	exit := batch.ExitStatus{Code: string(status)}
	if err != nil && status == batch.Failed {
		exit.Description = err.Error()
	}
	return exit
}

// move changes a status where the table of moves allows it.
func move(status *batch.Status, next batch.Status) error {
	if !status.CanBecome(next) {
		return fault.New(fault.Internal, "status %s cannot become %s", *status, next)
	}
	*status = next
	return nil
}

// stopping reports whether the job is to stop at this boundary: its own process was asked to, or another one asked by
// the job repository.
func (r *Runner) stopping() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return r.stopAsked.Load()
	}
}

func (r *Runner) askWhetherToStop(ctx context.Context, execution int64) error {
	asked, err := r.Repository.StopRequested(ctx, execution)
	if asked {
		r.stopAsked.Store(true)
	}
	return err
}

// export puts a step's exported values into the job's context.
func (r *Runner) export(ctx context.Context, execution *batch.JobExecution, values batch.Context) error {
	if len(values) == 0 {
		return nil
	}
	if execution.Context == nil {
		execution.Context = batch.Context{}
	}
	maps.Copy(execution.Context, values)
	return r.Repository.SaveJob(ctx, execution)
}
