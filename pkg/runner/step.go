package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Step is a step as data and factories. The factories are called when the step starts, so that what they make can depend
// on what earlier steps left behind (late binding). One of Build, Partition, Tasklet and Child is set.
type Step struct {
	Name        string
	Workers     int  // so many chunks are processed at a time; 0 is 1
	Lanes       bool // the target takes rows from several writers at once: each worker commits its own chunks
	Chunk       int  // records that are written and committed together, at least 1
	AllowRerun  bool // run again although an earlier execution of the instance completed it
	StartLimit  int  // how many executions the instance may have of it; 0 is no limit
	FailOnEmpty bool // reading nothing is an error
	Tolerance   Tolerance
	Timeout     time.Duration // the step stops at a chunk boundary behind it; 0: never
	Rate        float64       // records a second at most; 0: as fast as it goes
	// Partition divides a chunk-oriented step; nil: it is run as a whole.
	Partition *Partition
	// Claim opens the step's ledger and names the step for it; nil where it has none. It is also called for a step that is
	// COMPLETED, to ask whether that is true.
	Claim func(ctx context.Context, step *batch.StepExecution) (batch.Ledger, batch.StepKey, error)
	// Build makes the components of a chunk-oriented step, to go on at the checkpoint.
	Build func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*Components, error)
	// Tasklet makes the tasklet of a step that does one thing. With Claim it is a batch.TransactionalTasklet.
	Tasklet func(ctx context.Context, step *batch.StepExecution) (batch.Tasklet, error)
	// Child runs another job and returns its exit status. stop is closed when it has to stop. What it keeps in the step's
	// context with Keep is there in the next attempt.
	Child func(ctx context.Context, step *batch.StepExecution, stop <-chan struct{}) (exit string, err error)
	// Check returns an error that wraps ErrCheckFailed where something does not hold that must, nil where it has none. It is
	// called when all is written, before anything is published.
	Check func(ctx context.Context, step *batch.StepExecution) error
	// ExitStatus returns the code of a completed step's exit status, nil where that is the status.
	ExitStatus func(step *batch.StepExecution) (string, error)
	// Export returns the values that the step puts into the job's context, nil where it has none.
	Export func(step *batch.StepExecution) (batch.Context, error)

	// Of a share of a partitioned step: which it is, and what it has in common with the others.
	share   *Share
	manager string
	group   *group
	until   deadline
	hold    bool // the step ends when all is written, and publishes nothing
	again   bool // it comes back to be published
}

// Components are what a step streams records through. Close gives up what they share, after reader and writer are closed.
type Components struct {
	Reader     batch.Reader
	Processors []batch.Processor
	Writer     batch.Writer
	Letters    batch.Writer // of dead letters; nil where they are not kept
	Close      func() error
	// Chain makes the processors once more, for another worker; nil where there is one worker.
	Chain func() ([]batch.Processor, error)
	// Lane makes everything but the reader once more, for a worker with a lane of its own; nil where the step has one lane.
	Lane func() (writer, letters batch.Writer, processors []batch.Processor, err error)
	// These are kept with the states of reader, writer and letters, so that no component is ever opened with the state of
	// another kind.
	ReaderKind, WriterKind, LettersKind string
}

// StepError is an error that ended a step.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %s failed: %v", e.Step, e.Err) }

// Unwrap returns the reason.
func (e *StepError) Unwrap() error { return e.Err }

// step runs a step, or repeats the result of an earlier execution of the instance.
func (t *thread) step(ctx context.Context, step *Step) result {
	visit, last := t.visit(step)
	switch {
	case last != nil && last.Status == batch.Abandoned:
		return t.repeated(ctx, last)
	case last != nil && last.Status == batch.Completed:
		if err := t.confirm(ctx, step, last); err != nil {
			return resultOf(&StepError{Step: step.Name, Err: err})
		}
		return t.repeated(ctx, last)
	}
	if err := t.checkStartLimit(step); err != nil {
		return resultOf(&StepError{Step: step.Name, Err: err})
	}
	execution := &batch.StepExecution{JobID: t.job.ID, Name: step.Name, Visit: visit, Status: batch.Starting, Context: carriedOver(last)}
	if step.Build == nil && step.Partition == nil {
		execution.MarkTasklet()
	}
	if err := t.begin(ctx, execution); err != nil {
		return resultOf(err)
	}
	return t.execute(ctx, step, execution)
}

// begin records a step execution as STARTED.
func (t *thread) begin(ctx context.Context, execution *batch.StepExecution) error {
	if err := t.runner.Repository.StartStep(ctx, execution); err != nil {
		return err
	}
	t.add(execution, false)
	execution.Started = t.runner.Now()
	if err := move(&execution.Status, batch.Started); err != nil {
		return err
	}
	return t.runner.Repository.SaveStep(context.WithoutCancel(ctx), execution) // or nobody would record its end
}

// carriedOver is what an attempt takes from the context of the one before it: what the engine keeps there.
func carriedOver(last *batch.StepExecution) batch.Context {
	carried := batch.Context{}
	if last != nil {
		carried.Keep(last.Context.Kept())
	}
	return carried
}

// confirm asks the ledger whether a step that the metadata calls completed is complete: a target that was put back to an
// older state does not hold what the metadata says it does.
func (t *thread) confirm(ctx context.Context, step *Step, last *batch.StepExecution) error {
	if step.Claim == nil {
		return nil
	}
	ledger, key, err := step.Claim(ctx, last)
	if err != nil {
		return err
	}
	defer ledger.Close()
	lanes, err := ledger.Claim(ctx, key, 1)
	if err != nil {
		return err
	}
	if lanes[0].Phase != batch.Done {
		return fault.Wrap(fault.Environment, batch.ErrNotRestartable,
			"the job repository says that step execution %d completed, but the target's checkpoint stands at record %d",
			last.ID, lanes[0].Ordinal).
			WithHint("was the target put back to an older state? then start another instance, or a new one with --new")
	}
	last.Total = sumOf(lanes)
	return nil
}

// repeated takes over the result of a step that an earlier execution ended.
func (t *thread) repeated(ctx context.Context, last *batch.StepExecution) result {
	t.add(last, true)
	t.runner.observe(batch.StepRepeated{Step: last})
	if err := t.export(ctx, last); err != nil {
		return resultOf(err)
	}
	if last.Status == batch.Abandoned {
		err := fault.New(fault.Internal, "step execution %d failed, and the flow went on from that: %s", last.ID, last.Exit.Description)
		return result{status: batch.Failed, code: last.Exit.Code, err: &StepError{Step: last.Name, Err: err.WithCode("flow_failed")}}
	}
	return result{status: last.Status, code: last.Exit.Code}
}

func (t *thread) checkStartLimit(step *Step) error {
	if count := t.started(step.Name); step.StartLimit > 0 && count >= step.StartLimit {
		return fault.New(fault.Definition, "it was started %d times already, and start_limit is %d", count, step.StartLimit).
			WithHint("raise start_limit and restart with --accept-changes; or give the instance up with batchctl abandon")
	}
	return nil
}

// execute runs a step that is recorded as STARTING, and records how it ended.
func (t *thread) execute(ctx context.Context, step *Step, execution *batch.StepExecution) result {
	r := t.runner
	var code string
	err := guarded(func() (err error) {
		code, err = t.work(ctx, step, execution)
		return err
	})
	if err == nil {
		code, err = conclude(step, execution, code)
	}
	err, unsaved := r.endStep(ctx, execution, code, err)
	r.observe(batch.StepEnded{Step: execution, Elapsed: r.Now().Sub(execution.Started), Err: errors.Join(err, unsaved)})
	if unsaved != nil {
		return resultOf(errors.Join(err, unsaved))
	}
	res := result{status: execution.Status, code: execution.Exit.Code, err: err, ran: true, final: err != nil && final(err)}
	if err != nil {
		if execution.Status == batch.Failed {
			res.failed = []*batch.StepExecution{execution}
		}
		return res
	}
	if err := t.export(ctx, execution); err != nil {
		return resultOf(cancelled(ctx, err))
	}
	return res
}

// work does what a step is for, and returns an exit status that is not just its status, else "".
func (t *thread) work(ctx context.Context, step *Step, execution *batch.StepExecution) (code string, err error) {
	switch {
	case step.Tasklet != nil:
		return t.runner.tasklet(ctx, step, execution)
	case step.Child != nil:
		return t.runner.child(ctx, step, execution)
	case step.Partition != nil:
		return "", t.partitioned(ctx, step, execution)
	}
	return "", t.runner.stream(ctx, step, t.job.Instance.ID, execution)
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

// conclude evaluates what a completed step leaves behind: what it puts into the job's context, and its exit status.
func conclude(step *Step, execution *batch.StepExecution, code string) (string, error) {
	if step.Export != nil {
		exported, err := step.Export(execution)
		if err != nil {
			return "", err
		}
		maps.Copy(execution.Context, exported)
	}
	if step.ExitStatus != nil {
		return step.ExitStatus(execution)
	}
	return code, nil
}

// endStep records how a step ended; code is its exit status where it completed, "" for the status itself. unsaved says
// why that could not be recorded.
func (r *Runner) endStep(ctx context.Context, execution *batch.StepExecution, code string, err error) (ended, unsaved error) {
	execution.Ended = r.Now()
	err = cancelled(ctx, err)
	status := outcome(err)
	if moveErr := move(&execution.Status, status); moveErr != nil {
		return err, moveErr
	}
	execution.Exit = exitOf(status, err)
	if code != "" && (err == nil || status == batch.Failed) {
		execution.Exit.Code = code
	}
	if err != nil && status == batch.Failed {
		err = &StepError{Step: execution.Name, Err: err}
	}
	if saveErr := r.Repository.SaveStep(context.WithoutCancel(ctx), execution); saveErr != nil {
		return err, &RecordError{"step " + execution.Name, saveErr}
	}
	return err, nil
}

// How often a running step tells the observer how far it is, and saves its counters for those who look. Nothing depends
// on either.
const (
	showEvery = 200 * time.Millisecond
	saveEvery = 500 * time.Millisecond
)
