package expr

import (
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Arguments are the named expressions of a definition, evaluated together: what the binds of a query are given, what a
// tasklet leaves behind.
type Arguments struct {
	conf     config.Map[config.Expression]
	programs []*Program
}

// CompileArguments compiles expressions over records of a schema; with a nil schema they know no fields. Errors stand where
// their expressions do.
func CompileArguments(conf config.Map[config.Expression], schema *record.Schema, o Options) (*Arguments, error) {
	a := &Arguments{conf: conf}
	var wrong fault.List
	for _, arg := range conf {
		program, err := compileFor(arg.Value.Source, schema, o)
		if err != nil {
			wrong.Add(placed(arg, err))
		}
		a.programs = append(a.programs, program)
	}
	return a, wrong.Err()
}

func compileFor(source string, schema *record.Schema, o Options) (*Program, error) {
	compiled, err := Compile(source, o)
	if err != nil {
		return nil, err
	}
	return compiled.Bind(schema)
}

// Names returns the names in the order of the definition.
func (a *Arguments) Names() []string { return a.conf.Names() }

// Values evaluates the expressions for a record of the schema, or the zero Record. The values live on their own.
func (a *Arguments) Values(r record.Record) (map[string]record.Value, error) {
	values := map[string]record.Value{}
	for i, arg := range a.conf {
		v, err := a.programs[i].Eval(r, nil)
		if err != nil {
			return nil, placed(arg, err)
		}
		values[arg.Name] = v.Clone()
	}
	return values, nil
}

// placed gives an error of an expression its place in the definition: within the source where that is known.
func placed(arg config.Pair[config.Expression], err error) error {
	at := arg.Value.Node.Wrap(err, "%s", arg.Name)
	if offset, ok := Offset(err); ok {
		at.Pos = arg.Value.Node.ErrorAt(offset, "").Pos
	}
	if at.Hint == "" {
		at.Hint = arg.Value.Hint()
	}
	return at
}
