package plan

import (
	"context"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
	"batchctl/pkg/tasklets"
)

// flow puts a list of steps together as the runner runs it.
func (a *assembly) flow(steps []job.Step) runner.Flow {
	var flow runner.Flow
	for i := range steps {
		s := &steps[i]
		state := runner.State{Name: s.Name}
		if i+1 < len(steps) {
			state.Then = runner.Target{Move: runner.GoTo, State: steps[i+1].Name}
		}
		if s.Next.Step != "" {
			state.Then = runner.Target{Move: runner.GoTo, State: s.Next.Step}
		}
		for _, t := range s.Next.Patterns {
			state.Next = append(state.Next, runner.Transition{On: t.On, To: targetOfFlow(t.To)})
		}
		a.fill(&state, s)
		flow.States = append(flow.States, state)
	}
	return flow
}

// fill says what is to be done in a state.
func (a *assembly) fill(state *runner.State, s *job.Step) {
	switch s.Kind() {
	case job.DecideStep:
		state.Decide = func() (runner.Target, error) { return a.decide(s) }
	case job.ParallelStep:
		for _, branch := range s.Parallel {
			flow := a.flow(branch)
			state.Split = append(state.Split, &flow)
		}
	case job.TaskletStep:
		state.Step = a.taskletStep(s)
	case job.ChildStep:
		state.Step = a.childStep(s)
	default:
		state.Step = a.step(s)
	}
}

func targetOfFlow(t job.Target) runner.Target {
	switch {
	case t.Stop:
		return runner.Target{Move: runner.Stop, State: t.RestartAt, Code: t.Code}
	case t.Fail:
		return runner.Target{Move: runner.Fail, Code: t.Code}
	case t.End:
		return runner.Target{Move: runner.End, Code: t.Code}
	}
	return runner.Target{Move: runner.GoTo, State: t.Step}
}

// decide returns the target of the first choice whose condition holds.
func (a *assembly) decide(s *job.Step) (runner.Target, error) {
	for _, choice := range s.Decide {
		if choice.When.Source == "" {
			return targetOfFlow(*choice.Next), nil
		}
		holds, err := a.ruleHolds(choice.When, a.prepared.names, record.Record{})
		if err != nil {
			return runner.Target{}, placedIn(choice.When, err, "decide")
		}
		if holds {
			return targetOfFlow(*choice.Next), nil
		}
	}
	return runner.Target{}, s.Node.Errorf("decide: no condition holds").WithCode("no_transition").
		WithHint("add a last choice without a condition: - {next: ...}")
}

// common is what steps of every kind have.
func (a *assembly) common(s *job.Step) runner.Step {
	step := runner.Step{
		Name: s.Name, AllowRerun: s.AllowRerun, StartLimit: s.StartLimit, Tolerance: a.tolerance(s), Timeout: time.Duration(s.Timeout),
		Export: func(step *batch.StepExecution) (batch.Context, error) { return a.export(s, step) },
	}
	if len(s.Check) > 0 {
		step.Check = func(ctx context.Context, step *batch.StepExecution) error { return a.verify(ctx, s, step) }
	}
	if s.ExitStatus.Source != "" {
		step.ExitStatus = func(step *batch.StepExecution) (string, error) { return a.exitStatus(s, step) }
	}
	return step
}

func (a *assembly) taskletStep(s *job.Step) *runner.Step {
	step := a.common(s)
	step.Tasklet = func(_ context.Context, step *batch.StepExecution) (batch.Tasklet, error) { return a.tasklet(s, step) }
	if transactional(s) {
		step.Claim = a.claim(s, nil, func() (string, error) { return a.taskletTarget(s) })
	}
	return &step
}

func (a *assembly) tasklet(s *job.Step, step *batch.StepExecution) (batch.Tasklet, error) {
	names, live := a.stepScope(s, step, nil)
	env := a.env(s, live)
	env.Notice = func(message string) { a.observer.Observe(batch.Notice{Step: step, Message: message}) }
	env.Output = func(stream, line string) {
		a.observer.Observe(batch.Output{Step: step, Stream: stream, Line: a.engine.Secrets.Redact(line)})
	}
	tasklet, err := newBuilder(names, env).tasklet(s.Tasklet)
	if err != nil {
		return nil, err
	}
	return wrapped(a.engine.instruments.tasklet, tasklet), nil
}

func (b *builder) tasklet(c job.Component) (batch.Tasklet, error) {
	return build(b, "tasklet", c, tasklets.Table())
}

// transactional reports whether a tasklet does its work in one transaction with its checkpoint: it says so by its keys,
// because what it is made of may depend on values that come later.
func transactional(s *job.Step) bool {
	autocommit, _ := s.Tasklet.Body.Get("autocommit")
	return s.Tasklet.Type == "sql" && autocommit.Text() != "true"
}

// taskletTarget returns the connection that a transactional tasklet works on.
func (a *assembly) taskletTarget(s *job.Step) (string, error) {
	tasklet, err := a.tasklet(s, &batch.StepExecution{})
	if err != nil {
		return "", err
	}
	return tasklet.(batch.TransactionalTasklet).Connection(), nil
}

// checkFlowStep finds what is wrong with a step that streams no records.
func (p *prepared) checkFlowStep(s *job.Step) error {
	names := p.stepNames(s)
	d := &config.Decoder{Scope: names, Base: p.place.Base}
	switch s.Kind() {
	case job.DecideStep:
		return p.checkDecision(s)
	case job.ChildStep:
		return (&config.Decoder{Scope: names, Base: p.place.Base, Check: true}).For("job").Decode(s.Child, new(job.Child))
	case job.TaskletStep:
		if err := checkComponent(d, "tasklet", s.Tasklet, tasklets.Table()); err != nil {
			return err
		}
		if err := p.checkConnections(s.Tasklet.Body); err != nil {
			return err
		}
		if _, err := newBuilder(names, p.checkEnv(s, names)).tasklet(s.Tasklet); err != nil && !isLater(err) {
			return err
		}
		return p.checkEnd(s, names)
	}
	return nil
}

func (p *prepared) checkDecision(s *job.Step) error {
	for _, choice := range s.Decide {
		if choice.When.Source == "" {
			continue
		}
		expression, err := expr.Compile(choice.When.Source, expr.Options{Scope: p.names, Location: p.location})
		if err != nil {
			return placedIn(choice.When, err, "decide")
		}
		program, err := expression.Bind(nil)
		if err != nil {
			return placedIn(choice.When, err, "decide")
		}
		if kind := program.Kind(); kind != record.Bool && kind != record.Absent {
			return choice.When.Node.Errorf("decide: the condition is %s, and has to be true or false", kind).WithCode("wrong_type").
				WithHint("compare it: steps.load.write_count > 0")
		}
	}
	return nil
}

// describeFlow says what a step that streams no records does.
func describeFlow(s *job.Step) string {
	switch s.Kind() {
	case job.TaskletStep:
		return "tasklet " + s.Tasklet.Type
	case job.ParallelStep:
		return fmt.Sprintf("%d branches side by side", len(s.Parallel))
	case job.ChildStep:
		return "a job within the job"
	case job.DecideStep:
		return "decision"
	}
	return ""
}

// taskletGuarantee says what an interruption does to a tasklet.
func taskletGuarantee(s *job.Step) string {
	if s.Kind() != job.TaskletStep {
		return ""
	}
	switch s.Tasklet.Type {
	case "sql":
		if transactional(s) {
			return ": exactly once; statements and checkpoint are one transaction"
		}
		return ": at least once; a restart goes on behind the statements that were done"
	case "exec", "http", "mail":
		return ": at least once; an interrupted attempt is repeated"
	case "files", "sort", "split", "merge", "set":
		return ": done twice is done once"
	}
	return ""
}
