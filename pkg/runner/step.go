package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Step is a chunk-oriented step as data and factories. The factories are called when the step starts, so that what they
// make can depend on what earlier steps left behind (late binding).
type Step struct {
	Name        string
	Chunk       int  // records that are written and committed together, at least 1
	AllowRerun  bool // run again although an earlier execution of the instance completed it
	StartLimit  int  // how many executions the instance may have of it; 0 is no limit
	FailOnEmpty bool // reading nothing is an error
	// Claim opens the step's ledger and names the step for it.
	Claim func(ctx context.Context, visit int) (batch.Ledger, batch.StepKey, error)
	// Build makes the step's components, to go on at the checkpoint.
	Build func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*Components, error)
	// Export returns the values that the step puts into the job's context, nil where it has none.
	Export func(step *batch.StepExecution) (batch.Context, error)
}

// Components are what a step streams records through. Close gives up what they share, after reader and writer are closed.
type Components struct {
	Reader     batch.Reader
	Processors []batch.Processor
	Writer     batch.Writer
	Close      func() error
	// ReaderKind and WriterKind are kept with the states of reader and writer, so that no component is ever opened with
	// the state of another kind. Empty ones are not kept.
	ReaderKind, WriterKind string
}

// ErrNothingRead means that a step with FailOnEmpty read no record.
var ErrNothingRead = errors.New("nothing was read")

// StepError is an error that ended a step.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %s failed: %v", e.Step, e.Err) }

// Unwrap returns the reason.
func (e *StepError) Unwrap() error { return e.Err }

// runStep runs a step, or repeats the result of an earlier execution of the instance that completed it.
func (r *Runner) runStep(ctx context.Context, step *Step, job *batch.JobExecution) error {
	last, err := r.Repository.LastStep(ctx, job.Instance.ID, step.Name)
	if err != nil {
		return err
	}
	if last != nil && last.Status == batch.Completed && !step.AllowRerun {
		return r.repeat(ctx, step, job, last)
	}
	if err := r.checkStartLimit(ctx, step, job); err != nil {
		return err
	}
	execution := &batch.StepExecution{JobID: job.ID, Name: step.Name, Visit: visit(last), Status: batch.Starting}
	if err := r.Repository.StartStep(ctx, execution); err != nil {
		return err
	}
	job.Steps = append(job.Steps, execution)
	return r.execute(ctx, step, job, execution)
}

// visit is how often the step was entered before: a completed visit is followed by a new one, any other continued.
func visit(last *batch.StepExecution) int {
	switch {
	case last == nil:
		return 0
	case last.Status == batch.Completed:
		return last.Visit + 1
	}
	return last.Visit
}

// repeat takes over the result of a step that is complete, after asking the ledger whether it is: a target that was put
// back to an older state does not hold what the metadata says it does.
func (r *Runner) repeat(ctx context.Context, step *Step, job *batch.JobExecution, last *batch.StepExecution) error {
	ledger, key, err := step.Claim(ctx, last.Visit)
	if err != nil {
		return &StepError{Step: step.Name, Err: err}
	}
	defer ledger.Close()
	lanes, err := ledger.Claim(ctx, key, 1)
	if err != nil {
		return &StepError{Step: step.Name, Err: err}
	}
	if lanes[0].Phase != batch.Done {
		return &StepError{Step: step.Name, Err: fault.Wrap(fault.Environment, batch.ErrNotRestartable,
			"the job repository says that step execution %d completed, but the target's checkpoint stands at record %d",
			last.ID, lanes[0].Ordinal).
			WithHint("was the target put back to an older state? then start another instance, or a new one with --new")}
	}
	last.Total = lanes[0].Counters
	job.Steps = append(job.Steps, last)
	r.Observer.Observe(batch.StepRepeated{Step: last})
	return nil
}

func (r *Runner) checkStartLimit(ctx context.Context, step *Step, job *batch.JobExecution) error {
	if step.StartLimit == 0 {
		return nil
	}
	count, err := r.Repository.StepCount(ctx, job.Instance.ID, step.Name)
	if err != nil {
		return err
	}
	if count >= step.StartLimit {
		return &StepError{Step: step.Name, Err: fault.New(fault.Definition,
			"it was started %d times already, and start_limit is %d", count, step.StartLimit)}
	}
	return nil
}

// execute runs a step that is recorded as STARTING, and records how it ended.
func (r *Runner) execute(ctx context.Context, step *Step, job *batch.JobExecution, execution *batch.StepExecution) error {
	begin := r.Now()
	execution.Started = begin
	err := move(&execution.Status, batch.Started)
	if err == nil {
		err = r.Repository.SaveStep(ctx, execution)
	}
	if err == nil {
		err = guarded(func() error { return r.stream(ctx, step, execution) })
	}
	var exported batch.Context
	if err == nil {
		exported, err = conclude(step, execution)
	}
	err = r.endStep(ctx, execution, err)
	r.Observer.Observe(batch.StepEnded{Step: execution, Elapsed: r.Now().Sub(begin), Err: err})
	if err != nil {
		return err
	}
	return r.export(ctx, job, exported)
}

// guarded turns a panic of a component into an error, so that the step is recorded as FAILED and its transaction undone.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "internal error: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// conclude evaluates what is asked of a step that was streamed to its end. A restart evaluates it again.
func conclude(step *Step, execution *batch.StepExecution) (batch.Context, error) {
	if step.Export == nil {
		return nil, nil
	}
	return step.Export(execution)
}

func (r *Runner) endStep(ctx context.Context, execution *batch.StepExecution, err error) error {
	execution.Ended = r.Now()
	status := outcome(err)
	if moveErr := move(&execution.Status, status); moveErr != nil {
		return errors.Join(err, moveErr)
	}
	execution.Exit = exitOf(status, err)
	if err != nil && status == batch.Failed {
		err = &StepError{Step: execution.Name, Err: err}
	}
	if saveErr := r.Repository.SaveStep(context.WithoutCancel(ctx), execution); saveErr != nil {
		return errors.Join(err, fmt.Errorf("record the end of step %s: %w", execution.Name, saveErr))
	}
	return err
}

// How often a running step tells the observer how far it is, and saves its counters for those who look. Nothing depends
// on either.
const (
	showEvery = 200 * time.Millisecond
	saveEvery = 500 * time.Millisecond
)
