package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/runner"
)

// RunRequest is a job that is to be run.
type RunRequest struct {
	Path       string            // of the definition, as the user typed it
	Parameters map[string]string // as given
	New        bool              // a new instance of an each_run job in any case
	Drift      Drift
	Overrides
}

// Overrides is what a run says otherwise than its definition. The zero Overrides says nothing.
type Overrides struct {
	Overlap  job.Overlap    // what a running execution of the instance means
	FailFast bool           // no record is skipped: the first one that would be fails its step
	Timeout  *time.Duration // of the job, 0 for none; nil is the definition's
}

// bound is how long the job may take, 0 for ever.
func (p *prepared) bound() time.Duration {
	if p.overrides.Timeout != nil {
		return *p.overrides.Timeout
	}
	return time.Duration(p.job.Timeout)
}

// checkpointEvery is how often at most a step without a target database saves its checkpoint.
const checkpointEvery = 20 * time.Millisecond

// Run starts the instance that the parameters name, or continues it. The Outcome is nil where no execution was started;
// the error says why, or why the execution did not complete.
func (e *Engine) Run(ctx context.Context, r RunRequest, w Watcher) (*Outcome, error) {
	p, err := e.prepareAt(r.Path, r.Parameters)
	if err != nil {
		return nil, err
	}
	p.overrides = r.Overrides
	if err := e.checkLaunch(p); err != nil { // what is wrong leaves no new job repository behind
		return nil, err
	}
	store, err := e.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return e.launch(ctx, store, p, meta.Request{New: r.New, Drift: r.Drift.definition()}, r.Drift, w)
}

// checkLaunch refuses what is known to fail, before anything is recorded.
func (e *Engine) checkLaunch(p *prepared) error {
	if err := p.check(e.Secrets); err != nil {
		return err
	}
	return e.checkCircle(p)
}

// launch records the execution of a checked job and runs it.
func (e *Engine) launch(ctx context.Context, store *meta.Store, p *prepared, request meta.Request, drift Drift, w Watcher) (*Outcome, error) {
	request.Job, request.Key = p.job.Name, p.parameters.Key()
	request.EachRun = p.job.Instance == job.InstanceEachRun || p.replay != nil
	request.Parameters, request.Definition = p.recordedParameters(), p.definition()
	request.NotRestartable = !p.job.Restartable && p.replay == nil
	launched, err := e.enter(ctx, store, request, p.overrides.Overlap.Over(p.job.OnOverlap), w)
	if err != nil {
		return nil, err
	}
	defer launched.Close()
	if p, err = e.recorded(p, launched, drift); err != nil {
		return nil, errors.Join(err, abort(ctx, store, launched.Execution, err))
	}
	if err := p.checkNames(ctx, store, launched, drift); err != nil {
		return nil, errors.Join(err, abort(ctx, store, launched.Execution, err))
	}
	return e.execute(ctx, p, store, launched, drift, w)
}

// recorded prepares the recorded definition in place of the current one, where the user asked for that.
func (e *Engine) recorded(p *prepared, l *meta.Launch, drift Drift) (*prepared, error) {
	definition := l.Execution.Definition
	if !drift.AsRecorded || definition.Hash == p.definition().Hash {
		return p, nil
	}
	j, err := job.Load(definition.Path, []byte(definition.Text))
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, parameter := range p.parameters.List {
		given[parameter.Name] = parameter.Value
	}
	recorded, err := e.prepare(j, given, definition.Base)
	if err != nil {
		return nil, err
	}
	recorded.overrides = p.overrides
	recorded.replay = p.replay
	return recorded, recorded.check(e.Secrets)
}

// abort records that an execution failed before it began, or was stopped.
func abort(ctx context.Context, store *meta.Store, execution *batch.JobExecution, reason error) error {
	execution.Status = batch.Failed
	if errors.Is(reason, batch.ErrStopped) {
		execution.Status = batch.Stopped
	}
	execution.Exit = batch.ExitStatus{Code: string(execution.Status), Description: reason.Error()}
	return store.SaveJob(context.WithoutCancel(ctx), execution)
}

func (e *Engine) execute(ctx context.Context, p *prepared, store *meta.Store, l *meta.Launch, drift Drift, w Watcher) (outcome *Outcome, err error) {
	outcome = &Outcome{Execution: l.Execution}
	if l.Previous != nil {
		outcome.Continues = l.Previous.ID
	}
	listeners := e.listen(ctx, p, store, l.Execution, w.Observer)
	defer func() { listeners.end(outcome, err) }()
	ctx, keeper, err := keep(ctx, store, l)
	if err != nil {
		return outcome, errors.Join(err, abort(ctx, store, l.Execution, err))
	}
	defer func() { err = errors.Join(err, keeper.close()) }()
	connections := p.connections(ctx)
	defer func() { err = errors.Join(err, connections.close()) }()
	p.names.SetInt("job.instance_id", l.Execution.Instance.ID).SetInt("job.execution_id", l.Execution.ID).
		SetText("job.repository_id", store.ID())
	a := &assembly{engine: e, prepared: p, store: store, execution: l.Execution, connections: connections, drift: drift, watcher: w.Observer, stop: w.Stop}
	a.alone, a.continues, a.keeper = l.Alone, l.Previous != nil, keeper
	a.observer = &remembering{to: w.Observer, names: p.names, listeners: listeners}
	if err := a.openReplay(ctx); err != nil {
		return outcome, errors.Join(err, abort(ctx, store, l.Execution, err))
	}
	defer func() { err = errors.Join(err, a.closeReplay()) }()
	if p.onStart != nil {
		if err := p.onStart(l.Execution); err != nil {
			return outcome, errors.Join(err, abort(ctx, store, l.Execution, err))
		}
	}
	if err := e.tellUnfinished(ctx, p, store, l.Execution, w.Observer); err != nil {
		return outcome, errors.Join(err, abort(ctx, store, l.Execution, err))
	}
	r := &runner.Runner{
		Repository:      wrapped(e.instruments.repository, keeper.repository(&redacting{store, e.Secrets}, a.observer)),
		Confirm:         keeper.confirm,
		Observer:        a.observer,
		Now:             e.Now,
		After:           e.After,
		Clock:           e.Clock,
		Stop:            w.Stop,
		CheckpointEvery: e.checkpointEvery(),
	}
	begin := e.Now()
	err = r.Run(ctx, a.job(ctx), l.Execution)
	outcome.Elapsed = e.Now().Sub(begin)
	outcome.Letters = a.lettersLeft()
	outcome.Anew = p.beginsAnew(l.Execution)
	if err = keeper.verdict(err); fault.CodeOf(err) == meta.TakenOver {
		l.Execution.Status = batch.Failed // as whoever took it over has recorded
	}
	return outcome, hinted(err)
}

func (e *Engine) checkpointEvery() time.Duration {
	if e.instruments.everyChunk {
		return 0
	}
	return checkpointEvery
}

// hinted adds what a person can do to the answers that come from deep below.
func hinted(err error) error {
	var foreign *batch.ForeignError
	if errors.As(err, &foreign) {
		return fault.Wrap(fault.Environment, err, "").WithCode("foreign_target").
			WithHint("--adopt goes on behind what is there, --fresh begins again and leaves the rows that are there; " +
				"or use the metadata file that belongs to the target")
	}
	return err
}

// tellUnfinished says, in a run whose identifying date is relative to today, that the instance of another day is
// unfinished: nobody else will.
func (e *Engine) tellUnfinished(ctx context.Context, p *prepared, store *meta.Store, execution *batch.JobExecution, to batch.Observer) error {
	if len(p.parameters.Relative) == 0 {
		return nil
	}
	candidates, err := store.Candidates(ctx, p.job.Name)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		other := c.Execution
		if other.Instance.ID == execution.Instance.ID {
			continue
		}
		to.Observe(batch.Notice{Message: fmt.Sprintf("execution %d (%s) is %s and unfinished: batchctl restart %d",
			other.ID, identifyingText(other.Parameters), other.Status, other.ID)})
	}
	return nil
}

func identifyingText(parameters []batch.Parameter) string {
	var parts []string
	for _, p := range parameters {
		if p.Identifying {
			parts = append(parts, p.Name+"="+p.Value)
		}
	}
	return strings.Join(parts, " ")
}
