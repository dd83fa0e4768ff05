// Package runner is the engine: it runs the steps of a job, each as a stream of chunks. It knows the contracts of
// package batch and nothing else: no YAML, no kinds of components, no wall clock, no printing.
package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Job is what the runner runs.
type Job struct {
	Flow    Flow
	Timeout time.Duration // the job stops at a chunk boundary behind it; 0: never
}

// Runner runs jobs. All fields are set by whoever makes it.
type Runner struct {
	Repository batch.Repository
	Observer   batch.Observer
	Now        func() time.Time
	After      func(time.Duration) <-chan time.Time // for pauses before retries
	Clock      func() time.Time                     // for how long parts of a step take, from any goroutine; nil: that is not measured
	// Stop is closed by whoever wants the job to stop at the next chunk boundary.
	Stop <-chan struct{}
	// CheckpointEvery is how often at most a step without a target database saves its checkpoint; 0 is after every chunk.
	// What was written since is cut off and written again after a crash.
	CheckpointEvery time.Duration
	// Confirm is asked before output is published: an error means that this process may have lost the execution. Nil is
	// always yes.
	Confirm func(ctx context.Context) error

	observing sync.Mutex
	stopAsked atomic.Bool
	deadline  deadline // the job's
}

// Run runs the job as the given execution, which is recorded with status STARTING, and records how it ended. The error
// is the reason why it did not complete: one that wraps batch.ErrStopped where it stopped.
func (r *Runner) Run(ctx context.Context, job *Job, execution *batch.JobExecution) error {
	begin := r.Now()
	r.deadline = r.deadlineAfter(job.Timeout, "the job")
	err := cancelled(ctx, r.start(ctx, execution))
	res := resultOf(err)
	if err == nil {
		r.observe(batch.JobStarted{Job: execution})
		res = r.runFlow(ctx, job, execution)
	}
	err = r.end(ctx, execution, res)
	r.observe(batch.JobEnded{Job: execution, Elapsed: r.Now().Sub(begin), Err: err})
	return err
}

func (r *Runner) start(ctx context.Context, execution *batch.JobExecution) error {
	if err := move(&execution.Status, batch.Started); err != nil {
		return err
	}
	execution.Started = r.Now()
	return r.Repository.SaveJob(ctx, execution)
}

// runFlow runs the job's flow and returns how it ended.
func (r *Runner) runFlow(ctx context.Context, job *Job, execution *batch.JobExecution) result {
	p, err := newProgress(ctx, r, execution)
	if err != nil {
		return resultOf(cancelled(ctx, err))
	}
	return (&thread{progress: p, flow: &job.Flow}).run(ctx)
}

// end records the outcome. It is saved even where ctx is cancelled: an execution that stays STARTED would look as if
// its process had died.
func (r *Runner) end(ctx context.Context, execution *batch.JobExecution, res result) error {
	execution.Ended = r.Now()
	if moveErr := move(&execution.Status, res.status); moveErr != nil {
		return errors.Join(res.err, moveErr)
	}
	execution.Exit = exitOf(res.status, res.err)
	execution.Exit.Code = res.code
	if saveErr := r.Repository.SaveJob(context.WithoutCancel(ctx), execution); saveErr != nil {
		return errors.Join(res.err, &RecordError{fmt.Sprintf("execution %d", execution.ID), saveErr})
	}
	return res.err
}

// RecordError means that an execution, or a step, came to its end, and the job repository could not be told. Whoever looks
// next takes the process for dead and the execution for FAILED; a restart finds what was done.
type RecordError struct {
	What string // execution 17, step load
	Err  error
}

func (e *RecordError) Error() string { return fmt.Sprintf("record the end of %s: %v", e.What, e.Err) }

// Unwrap returns the reason.
func (e *RecordError) Unwrap() error { return e.Err }

// cancelled returns why ctx was cancelled in place of an error that only says that it was: the reason may be a request to
// stop, and then nothing has failed.
func cancelled(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) || errors.Is(err, batch.ErrStopped) {
		return err
	}
	return context.Cause(ctx)
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

// mayGoOn returns an error that wraps batch.ErrStopped where the job is to stop here.
func (r *Runner) mayGoOn(ctx context.Context, execution int64) error {
	if err := r.askWhetherToStop(ctx, execution); err != nil {
		return err
	}
	if r.stopping() {
		return batch.ErrStopped
	}
	return nil
}

func (r *Runner) askWhetherToStop(ctx context.Context, execution int64) error {
	asked, err := r.Repository.StopRequested(ctx, execution)
	if asked {
		r.stopAsked.Store(true)
	}
	return err
}

// observe tells the observer what happens, from whatever goroutine.
func (r *Runner) observe(e batch.Event) {
	r.observing.Lock()
	defer r.observing.Unlock()
	r.Observer.Observe(e)
}
