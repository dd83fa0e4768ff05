package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/runner"
)

// childStep is a step that runs another job. It is restarted as the same child, with the parameters that it had, whatever
// the parent's values are by then.
func (a *assembly) childStep(s *job.Step) *runner.Step {
	step := a.common(s)
	step.Check = nil
	step.Child = func(ctx context.Context, step *batch.StepExecution, stop <-chan struct{}) (string, error) {
		return a.child(ctx, s, step, stop)
	}
	return &step
}

// childRecord is what a step remembers of its child. Values of secret parameters are not in it.
type childRecord struct {
	Path      string            `json:"path"`
	Params    map[string]string `json:"params"`
	Execution int64             `json:"execution"` // the last one, 0 before it began
}

const childKey = "child"

// childOf returns what a step execution remembers of its child; begun is false where it has none.
func childOf(step *batch.StepExecution) (record childRecord, begun bool, err error) {
	raw := step.Context.Kept()[childKey]
	if raw == nil {
		return record, false, nil
	}
	err = json.Unmarshal(raw, &record)
	return record, true, err
}

func (a *assembly) child(ctx context.Context, s *job.Step, step *batch.StepExecution, stop <-chan struct{}) (string, error) {
	conf, err := a.childConf(s, step)
	if err != nil {
		return "", err
	}
	record, begun, err := childOf(step)
	if err != nil {
		return "", err
	}
	if !begun {
		record = childRecord{Path: string(conf.Path), Params: map[string]string{}}
	}
	p, err := a.prepareChild(s, conf, &record)
	if err != nil {
		return "", err
	}
	if err := a.keepChild(ctx, step, record); err != nil {
		return "", err
	}
	request := meta.Request{Drift: a.drift.definition()}
	if record.Execution != 0 {
		ended, err := a.store.Execution(ctx, record.Execution)
		if err != nil {
			return "", err
		}
		if ended.Execution.Status == batch.Completed {
			return ended.Execution.Exit.Code, nil
		}
		request.Restart = ended.Newest
	}
	return a.runChild(ctx, step, p, request, record, stop, begun)
}

// childConf decodes what the step says of its child.
func (a *assembly) childConf(s *job.Step, step *batch.StepExecution) (*job.Child, error) {
	_, live := a.stepScope(s, step, nil)
	conf := new(job.Child)
	return conf, (&config.Decoder{Scope: live, Base: a.prepared.place.Base}).For("job").Decode(s.Child, conf)
}

// prepareChild loads the child's definition and resolves its parameters: those of the record where there are some, else,
// and for secret ones, those of conf. The record gets what is to be remembered of them.
func (a *assembly) prepareChild(s *job.Step, conf *job.Child, record *childRecord) (*prepared, error) {
	engine := *a.engine
	engine.Folder = a.prepared.place.Base
	definition, err := engine.load(record.Path)
	if err != nil {
		return nil, s.Child.Wrap(err, "job")
	}
	if err := a.prepared.notWithin(s, definition.Place(engine.Folder).Path, record.Path); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, param := range conf.Params {
		given[param.Name] = param.Value
	}
	for name, value := range record.Params {
		given[name] = value
	}
	p, err := engine.prepare(definition, given, "")
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", definition.Name, err)
	}
	if err := p.check(a.engine.Secrets); err != nil {
		return nil, err
	}
	p.ancestors = append(slices.Clone(a.prepared.ancestors), a.prepared.place.Path)
	record.Params = map[string]string{}
	for _, parameter := range p.parameters.List {
		if _, ok := given[parameter.Name]; ok && !parameter.Secret {
			record.Params[parameter.Name] = parameter.Value
		}
	}
	return p, nil
}

func (a *assembly) keepChild(ctx context.Context, step *batch.StepExecution, record childRecord) error {
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	step.Context.Keep(batch.Context{childKey: raw})
	return a.store.SaveStep(ctx, step)
}

// runChild starts or continues the child and waits for its end. again says that an earlier attempt may have started it:
// that it is complete is then no error.
func (a *assembly) runChild(ctx context.Context, step *batch.StepExecution, p *prepared, request meta.Request, record childRecord, stop <-chan struct{}, again bool) (string, error) {
	p.onStart = func(execution *batch.JobExecution) error {
		record.Execution = execution.ID
		return a.keepChild(ctx, step, record)
	}
	p.overrides.FailFast = a.prepared.overrides.FailFast
	watcher := Watcher{Observer: &childObserver{to: a.watcher, step: step}, Stop: stop}
	outcome, err := a.engine.launch(ctx, a.store, p, request, a.drift, watcher)
	if outcome != nil {
		return outcome.Execution.Exit.Code, childError(p, outcome.Execution, err)
	}
	var refusal *meta.Refusal
	if again && errors.Is(err, batch.ErrComplete) && errors.As(err, &refusal) {
		ended, err := a.store.Execution(ctx, refusal.Execution)
		if err != nil {
			return "", err
		}
		return ended.Execution.Exit.Code, nil
	}
	return "", childError(p, nil, err)
}

// childError is the error of a step whose child did not complete. A refusal to start the child is none to start the
// parent, so it is not wrapped.
func childError(p *prepared, execution *batch.JobExecution, err error) error {
	switch {
	case err == nil:
		return nil
	case execution == nil:
		return fault.New(fault.ClassOf(err), "job %s was not started: %s", p.job.Name, fault.Text(err)).WithHint("%s", fault.HintOf(err))
	}
	return fault.Wrap(fault.ClassOf(err), err, "job %s, execution %d", p.job.Name, execution.ID)
}

// childObserver passes on what is said about the steps of a child.
type childObserver struct {
	to   batch.Observer
	step *batch.StepExecution
}

func (c *childObserver) Observe(e batch.Event) {
	switch e := e.(type) {
	case batch.JobStarted:
		c.to.Observe(batch.ChildMoved{Step: c.step, Job: e.Job})
	case batch.JobEnded:
		c.to.Observe(batch.ChildMoved{Step: c.step, Job: e.Job})
	default:
		c.to.Observe(e)
	}
}
