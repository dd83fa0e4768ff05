package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
	"batchctl/pkg/sqldb"
)

// Rehearsal is what a run would have done, had it written.
type Rehearsal struct {
	Execution *batch.JobExecution // never recorded; its id is 0
	NextRun   string              // what batchctl run would do
	Steps     []RehearsedStep
	Elapsed   time.Duration
}

// RehearsedStep is a step that was tried, or the reason why it could not be.
type RehearsedStep struct {
	Name     string
	Step     *batch.StepExecution // nil where it was not tried
	NotTried string
	Target   string // where its records would have gone
}

// Tried returns the executions of the steps that were tried.
func (r *Rehearsal) Tried() []*batch.StepExecution {
	var tried []*batch.StepExecution
	for _, s := range r.Steps {
		if s.Step != nil {
			tried = append(tried, s.Step)
		}
	}
	return tried
}

// Rehearse reads and processes all that a run would from the beginning, writes nothing and records nothing. Databases are
// opened for reading only. A step that needs what an earlier one would have left behind is not tried. It ends at the
// first error, as a run does; the Rehearsal is nil where nothing was tried.
func (e *Engine) Rehearse(ctx context.Context, r RunRequest, w Watcher) (rehearsal *Rehearsal, err error) {
	s, err := e.newStage(ctx, r, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.connections.close()) }()
	s.instead = s.unwritten
	rehearsal = &Rehearsal{Execution: s.execution}
	if rehearsal.NextRun, err = e.nextRun(ctx, s.prepared); err != nil {
		return nil, err
	}
	s.rehearsal = rehearsal
	w.Observer.Observe(batch.JobStarted{Job: rehearsal.Execution})
	err = s.steps(ctx)
	rehearsal.Elapsed = e.Now().Sub(s.execution.Started)
	return rehearsal, err
}

// readOnlyConnections are the job's connections with writing refused by the databases themselves.
func (p *prepared) readOnlyConnections(ctx context.Context) *connections {
	c := p.connections(ctx)
	writing := c.config
	c.config = func(name string) (sqldb.Config, error) {
		config, err := writing(name)
		config.ReadOnly = true
		return config, err
	}
	return c
}

// stage is where steps of a job are tried that write nothing.
type stage struct {
	*assembly
	chunk     int                                                                  // of each step; 0 is its own
	instead   func(*job.Step, *builder, func(notice string)) (batch.Writer, error) // makes what stands for a step's writer
	rehearsal *Rehearsal
	written   []*job.Step // by the steps so far
	leftOut   bool        // a step was not tried
}

// newStage checks a definition and its parameters. Databases are opened for reading only, and have to be closed.
func (e *Engine) newStage(ctx context.Context, r RunRequest, w Watcher) (*stage, error) {
	p, err := e.prepareAt(r.Path, r.Parameters)
	if err != nil {
		return nil, err
	}
	if err := p.check(e.Secrets); err != nil {
		return nil, err
	}
	p.overrides = r.Overrides
	p.names.SetInt("job.instance_id", 0).SetInt("job.execution_id", 0).SetText("job.repository_id", "rehearsal")
	execution := &batch.JobExecution{
		Instance: batch.JobInstance{Name: p.job.Name, Key: p.parameters.Key()}, Parameters: p.parameters.List, Started: e.Now(),
	}
	a := &assembly{engine: e, prepared: p, execution: execution, connections: p.readOnlyConnections(ctx), stop: w.Stop}
	a.observer = &remembering{to: w.Observer, names: p.names}
	return &stage{assembly: a}, nil
}

func (s *stage) steps(ctx context.Context) error {
	for _, step := range s.prepared.job.All() {
		if step.Kind() != job.ChunkStep {
			s.leaveOut(step)
			continue
		}
		if err := s.rehearse(ctx, step); err != nil {
			return err
		}
		s.written = append(s.written, step)
	}
	return nil
}

// leaveOut notes a step that streams no records: what a tasklet does cannot be tried, and which way a flow would take is
// not known, so all its steps are tried.
func (s *stage) leaveOut(step *job.Step) {
	if step.Kind() == job.ParallelStep || step.Kind() == job.DecideStep {
		return
	}
	s.rehearsal.Steps = append(s.rehearsal.Steps, RehearsedStep{Name: step.Name, NotTried: "it is a " + describeFlow(step)})
	s.leftOut = true
}

func (s *stage) rehearse(ctx context.Context, step *job.Step) error {
	tried := RehearsedStep{Name: step.Name}
	names, _ := s.stepScope(step, &batch.StepExecution{}, sampleShare(step))
	tried.Target = target(names, s.prepared.place.Base, step)
	if tried.NotTried = s.obstacle(names, step); tried.NotTried != "" {
		s.leftOut = true
		s.rehearsal.Steps = append(s.rehearsal.Steps, tried)
		return nil
	}
	var err error
	if tried.Step, err = s.try(ctx, step); tried.Step != nil {
		s.rehearsal.Steps = append(s.rehearsal.Steps, tried)
	}
	return err
}

// try runs a step without its writer. The execution is nil where the step did not begin.
func (s *stage) try(ctx context.Context, step *job.Step) (*batch.StepExecution, error) {
	execution := &batch.JobExecution{Instance: s.execution.Instance, Status: batch.Starting}
	r := &runner.Runner{
		Repository: forgetful{}, Observer: withoutJob{s.observer}, Now: s.engine.Now, After: s.engine.After, Clock: s.engine.Clock, Stop: s.stop, CheckpointEvery: time.Second,
	}
	err := r.Run(ctx, &runner.Job{Flow: runner.Sequence(s.tryStep(step)), Timeout: s.left()}, execution)
	if len(execution.Steps) == 0 {
		return nil, err
	}
	return execution.Steps[0], err
}

// left is what is left of the time that the job may take, 0 for ever.
func (s *stage) left() time.Duration {
	bound := s.prepared.bound()
	if bound == 0 {
		return 0
	}
	return max(1, bound-s.engine.Now().Sub(s.execution.Started))
}

// tryStep is a step whose writer is checked, and then left out. One with partitions is divided, and its shares are tried
// one after the other.
func (s *stage) tryStep(step *job.Step) runner.Step {
	if step.Partition == nil {
		return *s.tryShare(step, nil)
	}
	return runner.Step{
		Name: step.Name, FailOnEmpty: step.FailOnEmpty, Tolerance: s.tolerance(step),
		Partition: &runner.Partition{
			MaxParallel: 1,
			Shares: func(ctx context.Context, execution *batch.StepExecution, _ []runner.Share) ([]runner.Share, error) {
				names, _ := s.stepScope(step, execution, nil)
				return s.divideWith(ctx, step, newBuilder(names, s.look(step, names)))
			},
			Worker: func(share runner.Share) *runner.Step {
				worker := s.tryShare(step, &share)
				worker.FailOnEmpty, worker.Export = false, nil
				return worker
			},
		},
		Export: func(execution *batch.StepExecution) (batch.Context, error) { return s.export(step, execution) },
	}
}

func (s *stage) tryShare(step *job.Step, share *runner.Share) *runner.Step {
	return &runner.Step{
		Name: step.Name, Chunk: cmp.Or(s.chunk, step.ChunkSize()), FailOnEmpty: step.FailOnEmpty, Tolerance: s.tolerance(step),
		Claim: func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
			return new(scratch), batch.StepKey{}, nil
		},
		Build: func(_ context.Context, execution *batch.StepExecution, _ batch.Checkpoint) (*runner.Components, error) {
			return s.components(step, share, execution)
		},
		Export: func(execution *batch.StepExecution) (batch.Context, error) { return s.export(step, execution) },
	}
}

func (s *stage) components(step *job.Step, share *runner.Share, execution *batch.StepExecution) (*runner.Components, error) {
	names, _ := s.stepScope(step, execution, share)
	env := s.look(step, names)
	env.Scope = liveCounters{names, execution}
	env.Notice = func(message string) { s.observer.Observe(batch.Notice{Step: execution, Message: message}) }
	b := newBuilder(names, env)
	reader, err := b.reader(step.Reader)
	if err != nil {
		return nil, err
	}
	if share != nil {
		if err := reader.(batch.Divisible).Take(share.Of); err != nil {
			return nil, err
		}
	}
	chain, err := b.processors(step.Processors)
	if err != nil {
		return nil, err
	}
	writer, err := s.instead(step, b, env.Notice)
	return &runner.Components{Reader: reader, Processors: chain, Writer: writer}, err
}

func (s *stage) unwritten(step *job.Step, b *builder, notice func(string)) (batch.Writer, error) {
	writer, err := b.writer(step.Writer)
	return &unwritten{to: writer, ready: s.targetExists(step), notice: notice}, err
}

// look is what components may use that read, and write nothing.
func (s *stage) look(step *job.Step, names config.Scope) *catalog.Env {
	env := s.prepared.checkEnv(step, names)
	env.Connect, env.Now, env.After = s.connections.connect, s.engine.Now, s.engine.After
	return env
}

// obstacle says why a step cannot be tried: it needs what an earlier one would have written or left behind.
func (s *stage) obstacle(names config.Scope, step *job.Step) string {
	for _, earlier := range s.written {
		path, table := s.prepared.fedBy(earlier, step)
		what := s.engine.shown(path)
		if path == "" {
			what = "table " + table.table
		}
		if path != "" || table.table != "" {
			return fmt.Sprintf("it reads %s, which step %s would have written", what, earlier.Name)
		}
	}
	if !s.leftOut {
		return ""
	}
	if _, err := newBuilder(names, s.look(step, names)).reader(step.Reader); isLater(err) {
		return "it needs a value of a step that was not tried"
	}
	// A share may have its value or file in the writer's path.
	if _, err := newBuilder(names, s.look(step, names)).writer(step.Writer); isLater(err) && step.Partition == nil {
		return "it needs a value of a step that was not tried"
	}
	return ""
}

// targetExists reports whether the writer of a step can be checked against its target: not where an earlier step would
// have made it.
func (s *stage) targetExists(step *job.Step) bool {
	for _, earlier := range s.written {
		for _, made := range writtenTables(earlier.Writer.Node) {
			if made.created && writesInto(step, made) {
				return false
			}
		}
	}
	return true
}

// unwritten stands for a writer: it looks whether the rows fit the target, as far as the writer can tell, and drops them.
type unwritten struct {
	to     batch.Writer
	ready  bool // the target is there to be asked
	notice func(string)
	seen   *record.Schema
}

func (u *unwritten) Open(context.Context, batch.State) error { return nil }

func (u *unwritten) Write(ctx context.Context, _ batch.Tx, rows []record.Record) error {
	c, ok := u.to.(checker)
	if !ok || !u.ready || len(rows) == 0 || rows[0].Schema == u.seen {
		return nil
	}
	u.seen = rows[0].Schema
	err := c.Check(ctx, u.seen)
	if fault.CodeOf(err) == "SQLITE_CANTOPEN" { // a run makes the file
		u.notice("the target is not there yet, so it was not looked at: " + err.Error())
		return nil
	}
	return err
}

func (u *unwritten) State() (batch.State, error)           { return nil, nil }
func (u *unwritten) Flush(context.Context, batch.Tx) error { return nil }
func (u *unwritten) Close() error                          { return u.to.Close() }

// scratch is a ledger that remembers nothing.
type scratch struct{ sequence int64 }

func (s *scratch) Claim(context.Context, batch.StepKey, int) ([]batch.Checkpoint, error) {
	return []batch.Checkpoint{{Phase: batch.Running}}, nil
}

func (s *scratch) Commit(_ context.Context, _ batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	saved, err := fn(nil)
	s.sequence++
	saved.Sequence = s.sequence
	return saved, err
}

func (s *scratch) Load(context.Context, batch.LaneKey) (batch.Checkpoint, error) {
	return batch.Checkpoint{}, nil
}

func (s *scratch) Close() error { return nil }

// forgetful is a job repository that records nothing.
type forgetful struct{}

func (forgetful) StartStep(context.Context, *batch.StepExecution) error { return nil }
func (forgetful) SaveStep(context.Context, *batch.StepExecution) error  { return nil }
func (forgetful) SaveJob(context.Context, *batch.JobExecution) error    { return nil }
func (forgetful) StepHistory(context.Context, int64) ([]*batch.StepExecution, error) {
	return nil, nil
}
func (forgetful) StopRequested(context.Context, int64) (bool, error) { return false, nil }

// withoutJob passes on what is said about steps.
type withoutJob struct{ to batch.Observer }

func (w withoutJob) Observe(e batch.Event) {
	switch e.(type) {
	case batch.JobStarted, batch.JobEnded:
		return
	}
	w.to.Observe(e)
}
