package plan

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/processors"
	"batchctl/pkg/readers"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/writers"
)

// check finds what is wrong with the steps without opening anything: kinds, keys, names, expressions, connections.
func (p *prepared) check(secrets *config.Secrets) error {
	var wrong fault.List
	for _, s := range p.job.All() {
		if s.Kind() == job.ChunkStep {
			wrong.Add(p.checkStep(s))
		} else {
			wrong.Add(p.checkFlowStep(s))
		}
	}
	wrong.Add(p.checkStreams())
	wrong.Add(p.checkListeners(secrets))
	return wrong.Err()
}

func (p *prepared) checkStep(s *job.Step) error {
	names := p.stepNames(s)
	d := &config.Decoder{Scope: names, Base: p.place.Base}
	var wrong fault.List
	wrong.Add(checkComponent(d, "reader", s.Reader, readers.Table()))
	for _, c := range s.Processors {
		wrong.Add(checkComponent(d, "processor", c, processors.Table()))
	}
	wrong.Add(checkComponent(d, "writer", s.Writer, writers.Table()))
	if s.DeadLetter != nil {
		wrong.Add(checkComponent(d, "dead_letter", *s.DeadLetter, writers.Table()))
		wrong.Add(p.checkConnections(s.DeadLetter.Body))
	}
	wrong.Add(p.checkConnections(s.Reader.Body))
	wrong.Add(p.checkConnections(s.Writer.Body))
	wrong.Add(p.checkConflicts(s))
	wrong.Add(p.checkPartition(s))
	wrong.Add(p.checkIntent(s))
	wrong.Add(checkHeader(s))
	wrong.Add(p.checkEnd(s, names))
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
		if err := build(); !isLater(err) {
			wrong.Add(err)
		}
	}
	return wrong.Err()
}

// isLater reports whether an error means that a value is not known yet.
func isLater(err error) bool { return fault.CodeOf(err) == "no_value" }

// checkEnv is for components that are made to be looked at and not opened.
func (p *prepared) checkEnv(s *job.Step, scope config.Scope) *catalog.Env {
	return &catalog.Env{
		Job: p.job.Name, Step: s.Name, Base: p.place.Base, Location: p.location, Scope: liveCounters{scope, &batch.StepExecution{}},
		Notice: func(string) {}, Stdout: p.stdout, Dialect: p.dialect,
	}
}

// dialect returns the dialect of a connection.
func (p *prepared) dialect(connection string) (sqldb.Dialect, bool) {
	c, known := p.database(connection)
	switch {
	case known && c.Driver == "sqlite":
		return sqldb.SQLite, true
	case known && c.Driver == "postgres":
		return sqldb.Postgres, true
	}
	return nil, false
}

// checkConnections looks for connections that are not declared, also in writers within the writer.
func (p *prepared) checkConnections(n config.Node) error {
	var wrong fault.List
	for pair := range n.Nested() {
		if pair.Name == "connection" && pair.Value.Kind() == config.Scalar {
			wrong.Add(p.checkConnection(pair.Value))
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

// checkEnd looks at what is evaluated when a step has ended: checks, exports, the exit status.
func (p *prepared) checkEnd(s *job.Step, names config.Scope) error {
	var wrong fault.List
	for _, e := range s.Export {
		wrong.Add(p.checkExpression(e.Value, names, "export "+e.Name))
	}
	if s.ExitStatus.Source != "" {
		wrong.Add(p.checkExpression(s.ExitStatus, names, "exit_status"))
	}
	for i := range s.Check {
		c := &s.Check[i]
		if at, ok := c.Node.Get("connection"); ok {
			wrong.Add(p.checkConnection(at))
			continue // its rule is about columns that only the query knows
		}
		wrong.Add(p.checkExpression(c.Rule, names, "check"))
	}
	return wrong.Err()
}

// checkExpression compiles an expression that knows no fields.
func (p *prepared) checkExpression(e config.Expression, names config.Scope, what string) error {
	expression, err := expr.Compile(e.Source, expr.Options{Scope: names, Location: p.location})
	if err == nil {
		_, err = expression.Bind(nil)
	}
	if err != nil {
		return placedIn(e, err, what)
	}
	return nil
}
