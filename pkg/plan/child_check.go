package plan

import (
	"slices"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
)

// checkChildren finds what is wrong with the jobs within a job, and those within them, as far as it is known before they
// run: their definitions, their parameters, and that none would run itself.
func (e *Engine) checkChildren(p *prepared) fault.List {
	var wrong fault.List
	for _, s := range p.job.All() {
		if s.Kind() != job.ChildStep {
			continue
		}
		child, err := e.knownChild(p, s)
		if err != nil {
			wrong.Add(err)
			continue
		}
		if child != nil {
			wrong.Add(child.check(e.Secrets))
			wrong.Add(e.checkChildren(child).Err())
		}
	}
	return wrong
}

// knownChild prepares the job that a step runs; nil where path or parameters are known only when the step starts.
func (e *Engine) knownChild(p *prepared, s *job.Step) (*prepared, error) {
	conf := new(job.Child)
	if err := (&config.Decoder{Scope: p.stepNames(s), Base: p.place.Base}).For("job").Decode(s.Child, conf); err != nil {
		if isLater(err) {
			return nil, nil
		}
		return nil, err
	}
	engine := *e
	engine.Folder = p.place.Base
	definition, err := engine.load(string(conf.Path))
	if err != nil {
		return nil, placedChild(s, err)
	}
	if err := p.notWithin(s, definition.Place(engine.Folder).Path, string(conf.Path)); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, param := range conf.Params {
		given[param.Name] = param.Value
	}
	child, err := engine.prepare(definition, given, "")
	if err != nil {
		return nil, placedChild(s, err)
	}
	child.ancestors = append(slices.Clone(p.ancestors), p.place.Path)
	return child, nil
}

// placedChild gives errors about a child that have no place in the child's own definition the place of the step.
func placedChild(s *job.Step, err error) error {
	var all, placed fault.List
	all.Add(err)
	for _, one := range all {
		if one.Pos.Line == 0 {
			placed.Add(s.Child.Wrap(one, "job"))
			continue
		}
		placed.Add(one)
	}
	return placed.Err()
}

// notWithin refuses a job within a job that is one of those it stands in.
func (p *prepared) notWithin(s *job.Step, path, written string) error {
	if !slices.Contains(append(slices.Clone(p.ancestors), p.place.Path), path) {
		return nil
	}
	return s.Child.Errorf("job: %s would run itself", written).WithCode("job_cycle").
		WithHint("a job within a job may not be one of those it stands in")
}

// checkCircle refuses a job that would run itself, before anything is recorded.
func (e *Engine) checkCircle(p *prepared) error {
	var circles fault.List
	for _, err := range e.checkChildren(p) {
		if err.Code == "job_cycle" {
			circles.Add(err)
		}
	}
	return circles.Err()
}
