package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Partition divides a step into shares. Each is a step execution of its own, named STEP:SHARE, with its own reader,
// writer, ledger key and dead letters; the step's counters are their sums.
type Partition struct {
	MaxParallel int // how many run side by side, at least 1
	// Shares divides the input. The answer to the first call for a visit of the step is kept, and handed in ever after:
	// nil asks to divide. Who answers with others begins the step anew, and has made its shares begin at nothing.
	Shares func(ctx context.Context, step *batch.StepExecution, kept []Share) ([]Share, error)
	// Worker returns the step of a share, without what is evaluated over all of them: checks, exports, exit status.
	Worker func(share Share) *Step
}

// Share is a part of a step's input.
type Share struct {
	Name  string          `json:"name"`
	Index int             `json:"index"`
	Count int             `json:"count"` // of all shares
	Asked int             `json:"asked"` // how many the definition asked for when the input was divided
	Since int64           `json:"since"` // the execution of the step that divided the input; set by the runner
	Of    json.RawMessage `json:"of"`    // what it is of the input, in the words of the reader
}

const sharesKey = "partitions"

// SharesOf returns the shares that an execution of a step was divided into, none where it was not.
func SharesOf(execution *batch.StepExecution) (shares []Share, err error) {
	if raw := execution.Context.Kept()[sharesKey]; raw != nil {
		err = json.Unmarshal(raw, &shares)
	}
	return shares, err
}

// partitions is a partitioned step while it is run.
type partitions struct {
	*thread
	step      *Step
	execution *batch.StepExecution // of the whole
	shares    []Share
	group     *group
	until     deadline
	hold      bool // nothing is published before the checks hold over all shares
	workers   []*worker
}

// worker is a share that is being run, or was completed before.
type worker struct {
	step      *Step
	execution *batch.StepExecution // nil where it was not begun
	before    batch.Counters       // of the attempts before this one
	repeated  bool
	held      bool // all is written, and nothing published
	err       error
}

// partitioned runs the shares of a step and adds up what they did.
func (t *thread) partitioned(ctx context.Context, step *Step, execution *batch.StepExecution) error {
	p := &partitions{thread: t, step: step, execution: execution, group: newGroup(), hold: step.Check != nil || step.FailOnEmpty}
	p.until = t.runner.deadlineAfter(step.Timeout, "step "+step.Name)
	if err := p.divide(ctx); err != nil {
		return err
	}
	p.sideBySide(func(i int) { p.workers[i] = p.write(ctx, p.shares[i]) })
	p.sum()
	err := p.failures()
	if err == nil && p.hold {
		err = p.publish(ctx)
	}
	return err
}

// divide takes the shares over from an earlier attempt, or has them made and keeps them before anything is done.
func (p *partitions) divide(ctx context.Context) error {
	var kept []Share
	raw := p.execution.Context.Kept()[sharesKey]
	if raw != nil {
		if err := json.Unmarshal(raw, &kept); err != nil {
			return err
		}
	}
	err := p.insist(ctx, func() (err error) {
		p.shares, err = p.step.Partition.Shares(ctx, p.execution, kept)
		return err
	})
	if err != nil {
		return err
	}
	p.workers = make([]*worker, len(p.shares))
	goesOn := raw != nil && !slices.ContainsFunc(p.shares, func(s Share) bool { return s.Since == 0 })
	p.runner.observe(batch.StepStarted{Step: p.execution, Resumed: goesOn})
	if goesOn {
		return nil
	}
	for i := range p.shares {
		p.shares[i].Since = p.execution.ID
	}
	if raw, err = json.Marshal(p.shares); err != nil {
		return err
	}
	p.execution.Context.Keep(batch.Context{sharesKey: raw})
	return p.runner.Repository.SaveStep(ctx, p.execution)
}

// sideBySide calls fn for every share, for so many at a time as the step allows, and waits for all of them.
func (p *partitions) sideBySide(fn func(i int)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, max(1, p.step.Partition.MaxParallel))
	for i := range p.shares {
		slots <- struct{}{}
		running.Add(1)
		go func() {
			defer func() {
				<-slots
				running.Done()
			}()
			fn(i)
		}()
	}
	running.Wait()
}

// write runs a share until all is written, and where nothing is to be held back until it is published.
func (p *partitions) write(ctx context.Context, share Share) *worker {
	w := &worker{step: p.step.Partition.Worker(share)}
	w.step.Name = batch.ShareName(p.step.Name, share.Name)
	w.step.share = &share
	w.step.manager, w.step.group, w.step.until, w.step.hold = p.step.Name, p.group, p.until, p.hold
	last := p.lastOf(w.step.Name, p.execution.Visit, share.Since)
	if last != nil {
		w.before = last.Total
		p.group.set(laneName{w.step.Name, 0}, last.Total)
	}
	if last != nil && last.Status == batch.Completed {
		w.execution, w.repeated = last, true
		w.err = p.confirmed(ctx, w.step, last)
		return w
	}
	if w.err = p.runner.mayGoOn(ctx, p.job.ID); w.err != nil {
		return w
	}
	w.execution = &batch.StepExecution{JobID: p.job.ID, Name: w.step.Name, Visit: p.execution.Visit, Status: batch.Starting, Context: carriedOver(last)}
	if w.err = p.begin(ctx, w.execution); w.err != nil {
		return w
	}
	w.err = guarded(func() error { return p.runner.stream(ctx, w.step, p.job.Instance.ID, w.execution) })
	w.held = p.hold && w.err == nil
	if !w.held {
		p.end(ctx, w)
	}
	return w
}

// confirmed takes over a share that an earlier execution completed.
func (p *partitions) confirmed(ctx context.Context, step *Step, last *batch.StepExecution) error {
	if err := p.confirm(ctx, step, last); err != nil {
		return &StepError{Step: step.Name, Err: err}
	}
	p.add(last, true)
	p.runner.observe(batch.StepRepeated{Step: last})
	return nil
}

// end records how a share ended.
func (p *partitions) end(ctx context.Context, w *worker) {
	err, unsaved := p.runner.endStep(ctx, w.execution, "", w.err)
	w.err = errors.Join(err, unsaved)
	p.runner.observe(batch.StepEnded{Step: w.execution, Elapsed: p.runner.Now().Sub(w.execution.Started), Err: w.err})
}

// sum adds up what the shares have done: in this attempt, and in all.
func (p *partitions) sum() {
	var attempt, total batch.Counters
	var times batch.Times
	for _, w := range p.workers {
		if w.execution == nil {
			total = total.Add(w.before)
			continue
		}
		total = total.Add(w.execution.Total)
		if !w.repeated {
			attempt = attempt.Add(w.execution.Counters)
			times = times.Add(w.execution.Times)
		}
	}
	p.execution.Counters, p.execution.Total, p.execution.Times = attempt, total, times
}

// failures joins the errors of the shares. Where one failed, that others were stopped is not the reason.
func (p *partitions) failures() error {
	var errs []error
	for _, w := range p.workers {
		errs = append(errs, w.err)
	}
	return joinWorst(errs)
}

// errHeldBack is how shares end whose step does not hold what it must: that one says what.
var errHeldBack = fmt.Errorf("what must hold over all partitions does not: %w", batch.ErrStopped)

// publish evaluates what must hold over all shares, and publishes them if it does.
func (p *partitions) publish(ctx context.Context) error {
	wrong := p.insist(ctx, func() error { return verify(ctx, p.step, p.execution) })
	p.sideBySide(func(i int) {
		w := p.workers[i]
		if !w.held {
			return
		}
		if w.err = errHeldBack; wrong == nil {
			w.step.hold, w.step.again = false, true
			w.err = guarded(func() error { return p.runner.stream(ctx, w.step, p.job.Instance.ID, w.execution) })
		}
		p.end(ctx, w)
	})
	p.sum()
	if wrong != nil {
		return wrong
	}
	return p.failures()
}

// joinWorst joins errors. Where one of them is a failure, those that only say that something was stopped are left out.
func joinWorst(errs []error) error {
	failed := false
	for _, err := range errs {
		failed = failed || err != nil && !errors.Is(err, batch.ErrStopped)
	}
	var kept []error
	for _, err := range errs {
		if err != nil && (!failed || !errors.Is(err, batch.ErrStopped)) {
			kept = append(kept, err)
		}
	}
	if len(kept) < 2 {
		return errors.Join(kept...)
	}
	return fault.Several(kept)
}
