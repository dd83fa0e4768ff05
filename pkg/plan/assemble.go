package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
	"batchctl/pkg/sqldb"
)

// assembly is a launched job on its way to the runner: what the factories of its steps share.
type assembly struct {
	engine      *Engine
	prepared    *prepared
	store       *meta.Store
	execution   *batch.JobExecution
	connections *connections
	drift       Drift
	observer    batch.Observer
	watcher     batch.Observer  // the front end's
	stop        <-chan struct{} // closed when the job is to stop
	replay      *replay         // nil where the job is run
	alone       bool            // every earlier owner of the instance is known to be dead, or to have ended
	continues   bool            // the instance had an execution before
	keeper      *keeper         // of the execution's lease; nil where there is none
}

func (p *prepared) connections(ctx context.Context) *connections {
	names := p.job.Connections.Names()
	return newConnections(ctx, names, func(name string) (sqldb.Config, error) {
		c, ok := p.job.Connections.Get(name)
		if !ok {
			return sqldb.Config{}, unknownConnection(name, names)
		}
		config := connectionConfig(name, c)
		config.MustExist = !p.isWritten(c)
		return config, nil
	})
}

// isWritten reports whether any step may write into a connection's database, by whatever name.
func (p *prepared) isWritten(c job.Connection) bool {
	return slices.ContainsFunc(writtenConnections(p.job), func(name string) bool {
		target, known := p.database(name)
		return !known || target.DSN == c.DSN
	})
}

func (a *assembly) job(ctx context.Context) *runner.Job {
	if a.replay != nil {
		return &runner.Job{Flow: runner.Sequence(*a.replayStep(ctx, a.replay.step)), Timeout: a.prepared.bound()}
	}
	return &runner.Job{Flow: a.flow(a.prepared.job.Steps), Timeout: a.prepared.bound()}
}

func (a *assembly) step(s *job.Step) *runner.Step {
	if s.Partition == nil {
		return a.chunkStep(s, nil)
	}
	step := a.common(s)
	step.FailOnEmpty, step.Partition = s.FailOnEmpty, a.partition(s)
	return &step
}

// chunkStep is a step that streams records, or a share of one.
func (a *assembly) chunkStep(s *job.Step, share *runner.Share) *runner.Step {
	step := a.common(s)
	step.Chunk, step.FailOnEmpty, step.Rate = s.ChunkSize(), s.FailOnEmpty, float64(s.Rate)
	step.Workers, step.Lanes = s.Workers, a.prepared.laned(s)
	step.Claim = a.claim(s, share, func() (string, error) { return targetOf(s, a.idleBuilder(s, share)) })
	step.Build = func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*runner.Components, error) {
		return a.build(s, share, step, at)
	}
	return &step
}

// env is what the components of a step may use.
func (a *assembly) env(s *job.Step, scope config.Scope) *catalog.Env {
	return &catalog.Env{
		Job: a.execution.Instance.Name, Step: s.Name, Instance: shortKey(a.store.ID(), a.execution.Instance),
		Adopt: a.alone,
		Base:  a.prepared.place.Base, Location: a.prepared.location, Now: a.engine.Now, After: a.engine.After, Scope: scope,
		Getenv: a.engine.Env, Hide: a.engine.Secrets.Add,
		Stdin: a.engine.Stdin, Stdout: a.engine.Stdout, Stop: a.stop,
		Disk: a.engine.instruments.disk, Replay: a.replayName(),
		Connect: a.connections.connect,
		Notice:  func(message string) { a.observer.Observe(batch.Notice{Message: message}) },
	}
}

// shortKey is a text that is an instance's alone, fit for file names. Another job repository's instance of the same name
// and key counts its epochs for itself, so it must not have the same partial files.
func shortKey(repository string, i batch.JobInstance) string {
	sum := sha256.Sum256([]byte(repository + "\x00" + i.Name + "\x00" + i.Key))
	return hex.EncodeToString(sum[:6])
}

// stepScope is the names that a step's components know.
func (a *assembly) stepScope(s *job.Step, step *batch.StepExecution, share *runner.Share) (config.Scope, config.Scope) {
	names := shareScope(job.StepNames(s.Name, a.prepared.names).SetInt("step.execution_id", step.ID), share)
	return names, liveCounters{Scope: names, step: step}
}

// idleBuilder makes the components of a step that is not running, to be looked at.
func (a *assembly) idleBuilder(s *job.Step, share *runner.Share) *builder {
	names, live := a.stepScope(s, &batch.StepExecution{}, share)
	return newBuilder(names, a.env(s, live))
}

func (a *assembly) build(s *job.Step, share *runner.Share, step *batch.StepExecution, at batch.Checkpoint) (*runner.Components, error) {
	names, live := a.stepScope(s, step, share)
	env := a.env(s, live)
	env.Epoch = at.Epoch
	env.Notice = func(message string) { a.observer.Observe(batch.Notice{Step: step, Message: message}) }
	b := newBuilder(names, env)
	reader, err := b.reader(s.Reader)
	if err != nil {
		return nil, err
	}
	if headed, ok := reader.(batch.Headed); ok {
		env.Scope = liveInput{live, headed}
	}
	if share != nil && share.Of != nil {
		if err := reader.(batch.Divisible).Take(share.Of); err != nil {
			return nil, err
		}
	}
	chain, err := b.processors(s.Processors)
	if err != nil {
		return nil, err
	}
	writer, letters, err := a.outputs(s, b)
	if err != nil {
		return nil, err
	}
	components := &runner.Components{
		Reader:     wrapped(a.engine.instruments.reader, reader),
		Processors: chain,
		Writer:     writer,
		Letters:    letters,
		ReaderKind: s.Reader.Type,
		WriterKind: b.kindOf(s.Writer),
	}
	if s.DeadLetter != nil {
		components.LettersKind = b.kindOf(*s.DeadLetter)
	}
	a.workers(s, b, components)
	return components, nil
}

// export evaluates what a completed step puts into the job's context.
func (a *assembly) export(s *job.Step, step *batch.StepExecution) (batch.Context, error) {
	_, live := a.stepScope(s, step, nil)
	values := batch.Context{}
	for _, e := range s.Export {
		v, err := a.evaluate(e.Value, live)
		if err != nil {
			return nil, placedIn(e.Value, err, "export "+e.Name)
		}
		values[e.Name] = v.AppendJSON(nil)
	}
	return values, nil
}

func (a *assembly) evaluate(e config.Expression, scope config.Scope) (record.Value, error) {
	expression, err := expr.Compile(e.Source, expr.Options{Scope: scope, Location: a.prepared.location})
	if err != nil {
		return record.Value{}, err
	}
	program, err := expression.Bind(nil)
	if err != nil {
		return record.Value{}, err
	}
	return program.Eval(record.Record{}, new(record.Arena))
}

// placedIn gives an error of an expression its place in the definition.
func placedIn(e config.Expression, err error, what string) error {
	at := e.Node.Wrap(err, "%s", what)
	if offset, ok := expr.Offset(err); ok {
		at.Pos = e.Node.ErrorAt(offset, "").Pos
	}
	if at.Hint == "" {
		at.Hint = e.Hint()
	}
	return at
}
