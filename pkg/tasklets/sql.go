package tasklets

import (
	"context"
	"errors"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlConf is the configuration of the sql tasklet.
type sqlConf struct {
	Connection string                        `yaml:"connection,required" help:"name of the connection that the statements run on"`
	Statements []config.SQL                  `yaml:"statements" help:"SQL statements, in order; binds are written :name"`
	File       config.Path                   `yaml:"file" help:"a script with statements that end with semicolons, run after statements"`
	Args       config.Map[config.Expression] `yaml:"args" help:"values of binds, as expressions over params, steps and context; other binds are job parameters or built in"`
	Autocommit bool                          `yaml:"autocommit,literal" default:"false" help:"commit each statement by itself: for those that cannot run in a transaction, such as vacuum"`
	Context    config.Map[config.SQL]        `yaml:"context" help:"name: query, run behind the statements; the first value of its first row is put into the job's context"`
}

// sqlTasklet runs statements: all in one transaction with the checkpoint, or each on its own.
type sqlTasklet struct {
	conf *sqlConf
	env  *catalog.Env
	args *expr.Arguments
}

func newSQL(conf *sqlConf, env *catalog.Env) (batch.Tasklet, error) {
	if len(conf.Statements) == 0 && conf.File == "" && len(conf.Context) == 0 {
		return nil, fault.New(fault.Definition, "tasklet sql: there is nothing to run").WithHint("add statements: [...], or file: a script")
	}
	args, err := expr.CompileArguments(conf.Args, nil, expr.Options{Scope: env.Scope, Location: env.Location})
	if err != nil {
		return nil, err
	}
	s := &sqlTasklet{conf, env, args}
	if env.Dialect == nil {
		return s, nil
	}
	if dialect, known := env.Dialect(conf.Connection); known {
		return s, s.check(dialect)
	}
	return s, nil
}

// check looks at the statements before they are run: what they are, and the names of their binds. A script may be made by an
// earlier step, so it is looked at when it is run.
func (s *sqlTasklet) check(d sqldb.Dialect) error {
	p := &sqlScript{env: s.env, dialect: d, checked: true, names: s.args.Names()}
	return errors.Join(s.addTo(p), p.refuse(s.conf.Autocommit))
}

// Connection names the database.
func (s *sqlTasklet) Connection() string { return s.conf.Connection }

// RunIn runs the statements in a transaction that the caller commits.
func (s *sqlTasklet) RunIn(ctx context.Context, in batch.Tx, c *batch.Contribution) error {
	tx, ok := in.(*sqldb.Tx)
	if !ok || tx == nil {
		return fault.New(fault.Internal, "tasklet sql: connection %s has no transaction", s.conf.Connection)
	}
	p, err := s.prepare(tx.Dialect())
	if err != nil {
		return err
	}
	for _, statement := range p.statements {
		if err := statement.run(ctx, tx, c); err != nil {
			return inTransaction(err)
		}
	}
	return p.leave(ctx, tx, c)
}

// inTransaction adds what to do about a statement that PostgreSQL refuses within a transaction (SQLSTATE 25001).
func inTransaction(err error) error {
	if fault.CodeOf(err) != "25001" {
		return err
	}
	return fault.Wrap(fault.Definition, err, "").WithCode("25001").WithHint("autocommit: true runs each statement by itself")
}

// Run runs each statement in a transaction of its own. A restart goes on with the one that was not done.
func (s *sqlTasklet) Run(ctx context.Context, c *batch.Contribution) (err error) {
	db, err := s.env.Connect(s.conf.Connection)
	if err != nil {
		return err
	}
	p, err := s.prepare(db.Dialect())
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	done, counted := p.done(c.Earlier)
	if done > 0 {
		s.env.Notice(plural(done, "statement was", "statements were") + " run by an earlier attempt; going on behind")
	}
	c.Counters.Write = counted
	for i, statement := range p.statements[done:] {
		if err := statement.run(ctx, conn, c); err != nil {
			return err
		}
		if err := c.Save(context.WithoutCancel(ctx), p.note(done+i+1, c.Counters.Write)); err != nil {
			return err
		}
		if cause := context.Cause(ctx); cause != nil && done+i+1 < len(p.statements) {
			return cause
		}
	}
	return p.leave(ctx, conn, c)
}

// prepare reads the script and finds the values of all binds, before anything is run.
func (s *sqlTasklet) prepare(d sqldb.Dialect) (*sqlScript, error) {
	args, err := s.args.Values(record.Record{})
	if err != nil {
		return nil, err
	}
	p := &sqlScript{env: s.env, dialect: d, args: args}
	if err := s.addTo(p); err != nil {
		return nil, err
	}
	return p, p.refuse(s.conf.Autocommit)
}

// addTo adds the statements and queries of the definition, and the script where it is run.
func (s *sqlTasklet) addTo(p *sqlScript) error {
	var wrong fault.List
	for _, text := range s.conf.Statements {
		wrong.Add(p.add(text.Text, atNode(text.Node)))
	}
	if s.conf.File != "" && !p.checked {
		wrong.Add(p.addFile(string(s.conf.File)))
	}
	for _, q := range s.conf.Context {
		one, err := p.parse(q.Value.Text, atNode(q.Value.Node)(0))
		wrong.Add(err)
		p.queries = append(p.queries, query{q.Name, one})
	}
	return wrong.Err()
}

// refuse finds statements that would end, or cannot stand in, the transaction that holds the checkpoint.
func (p *sqlScript) refuse(autocommit bool) error {
	var wrong fault.List
	for _, s := range p.statements {
		switch {
		case slices.Contains([]string{"begin", "start", "commit", "end", "rollback", "abort"}, s.verb):
			wrong.Add(s.place(fault.New(fault.Definition, "tasklet sql: transactions are not begun or ended by statements, got %s", s.verb).
				WithHint("all statements are one transaction; with autocommit: true each is one of its own")))
		case s.verb == "vacuum" && !autocommit:
			wrong.Add(s.place(fault.New(fault.Definition, "tasklet sql: vacuum cannot run in a transaction").
				WithHint("autocommit: true runs each statement by itself")))
		}
	}
	return wrong.Err()
}
