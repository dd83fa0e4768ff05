package plan

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/processors"
	"batchctl/pkg/readers"
	"batchctl/pkg/writers"
)

// check finds what is wrong with the steps without opening anything: kinds, keys, names, expressions, connections.
func (p *prepared) check(secrets *config.Secrets) error {
	var wrong fault.List
	for i := range p.job.Steps {
		wrong.Add(p.checkStep(&p.job.Steps[i]))
	}
	return wrong.Err()
}

func (p *prepared) checkStep(s *job.Step) error {
	names := job.StepNames(s.Name, p.names)
	d := &config.Decoder{Scope: names, Base: p.place.Base}
	var wrong fault.List
	wrong.Add(checkComponent(d, "reader", s.Reader, readers.Table()))
	for _, c := range s.Processors {
		wrong.Add(checkComponent(d, "processor", c, processors.Table()))
	}
	wrong.Add(checkComponent(d, "writer", s.Writer, writers.Table()))
	wrong.Add(p.checkConnections(s.Reader.Body))
	wrong.Add(p.checkConnections(s.Writer.Body))
	wrong.Add(p.checkConflicts(s))
	if len(wrong) == 0 {
		wrong.Add(p.checkBuild(s, newBuilder(names, p.checkEnv(s, names))))
	}
	return wrong.Err()
}

// checkBuild makes the components of a step, which opens nothing. What depends on values that come later is left out.
func (p *prepared) checkBuild(s *job.Step, b *builder) error {
	var wrong fault.List
	_, err := b.processors(s.Processors)
	wrong.Add(err)
	for _, build := range []func() error{
		func() error { _, err := b.reader(s.Reader); return err },
		func() error { _, err := b.writer(s.Writer); return err },
	} {
		if err := build(); fault.CodeOf(err) != "no_value" {
			wrong.Add(err)
		}
	}
	return wrong.Err()
}

// checkEnv is for components that are made to be looked at and not opened.
func (p *prepared) checkEnv(s *job.Step, scope config.Scope) *catalog.Env {
	return &catalog.Env{
		Job: p.job.Name, Step: s.Name, Base: p.place.Base, Location: p.location, Scope: liveCounters{scope, &batch.StepExecution{}},
		Notice: func(string) {},
	}
}

// checkConnections looks for connections that are not declared, also in writers within the writer.
func (p *prepared) checkConnections(n config.Node) error {
	var wrong fault.List
	switch n.Kind() {
	case config.Mapping:
		for _, pair := range n.Pairs() {
			if pair.Name == "connection" && pair.Value.Kind() == config.Scalar {
				wrong.Add(p.checkConnection(pair.Value))
				continue
			}
			wrong.Add(p.checkConnections(pair.Value))
		}
	case config.List:
		for _, item := range n.Items() {
			wrong.Add(p.checkConnections(item))
		}
	}
	return wrong.Err()
}

func (p *prepared) checkConnection(n config.Node) error {
	name := n.Text()
	if _, ok := p.job.Connections.Get(name); ok {
		return nil
	}
	unknown := unknownConnection(name, p.job.Connections.Names())
	at := n.Errorf("%s", unknown.Message).WithCode(unknown.Code)
	at.Hint = unknown.Hint
	return at
}
