package readers

import (
	"slices"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlBinds gives the binds of a query their values.
type sqlBinds struct {
	conf   *sqlConf
	env    *catalog.Env
	args   *expr.Arguments
	values map[string]any // of args, once evaluated
}

// newSQLBinds compiles the args. They have no record, so fields are unknown names in them.
func newSQLBinds(conf *sqlConf, env *catalog.Env) (*sqlBinds, error) {
	args, err := expr.CompileArguments(conf.Args, nil, expr.Options{Scope: env.Scope, Location: env.Location})
	return &sqlBinds{conf: conf, env: env, args: args}, err
}

// placed gives an error its place in the definition.
func placed(n config.Node, err error) error {
	if fault.PositionOf(err).Line > 0 {
		return err
	}
	return n.Wrap(err, "")
}

// evaluate computes the args, once for the life of the reader: a restart within it sees the same values.
func (b *sqlBinds) evaluate(d sqldb.Dialect) error {
	if b.values != nil {
		return nil
	}
	args, err := b.args.Values(record.Record{})
	if err != nil {
		return err
	}
	b.values = map[string]any{}
	for name, v := range args {
		b.values[name] = d.Argument(v)
	}
	return nil
}

// statement returns a text with the dialect's placeholders and the values of its binds. own has those that the reader
// adds itself.
func (b *sqlBinds) statement(d sqldb.Dialect, text string, own func(d sqldb.Dialect, name string) (any, bool)) (string, []any, error) {
	return b.resolve(d, text, func(name string) (any, bool, error) {
		if v, ok := own(d, name); ok {
			return v, true, nil
		}
		if v, ok := b.values[name]; ok {
			return v, true, nil
		}
		v, available := b.env.Bind(name)
		if available == config.Later {
			return nil, false, b.conf.Query.Node.Errorf("reader sql: :%s has no value yet when the step starts", name)
		}
		return d.Argument(v), available == config.Now, nil
	})
}

// placeholders is statement with null for every bind: what it takes to ask for the columns of the result.
func (b *sqlBinds) placeholders(d sqldb.Dialect, text string) (string, []any, error) {
	return b.resolve(d, text, func(name string) (any, bool, error) {
		isArg := slices.Contains(b.args.Names(), name)
		_, available := b.env.Bind(name)
		return nil, isArg || available != config.NoSuchName, nil
	})
}

func (b *sqlBinds) resolve(d sqldb.Dialect, text string, value func(name string) (v any, known bool, err error)) (string, []any, error) {
	statement, err := sqldb.ParseStatement(d, text)
	if err != nil {
		return "", nil, placed(b.conf.Query.Node, err)
	}
	args, err := statement.Args(func(name string) (any, error) {
		v, known, err := value(name)
		if err != nil || known {
			return v, err
		}
		return nil, b.conf.Query.Node.Errorf("reader sql: nothing is called :%s", name).WithCode("unknown_bind").
			WithHint("%s", fault.DidYouMean(name, append(b.conf.Args.Names(), b.env.BindNames()...)))
	})
	return statement.SQL(), args, err
}
