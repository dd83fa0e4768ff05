package processors

import (
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// expression is an expression of a definition, with the place where it stands.
type expression struct {
	conf     config.Expression
	compiled *expr.Expression
	role     string // what it is for, in messages: "filter", "set fee"
}

func compile(conf config.Expression, env *catalog.Env, role string) (*expression, error) {
	e := &expression{conf: conf, role: role}
	var err error
	e.compiled, err = expr.Compile(conf.Source, expr.Options{Scope: env.Scope, Location: env.Location})
	if err != nil {
		return nil, e.placed(err)
	}
	return e, nil
}

func (e *expression) bind(in *record.Schema) (*expr.Program, error) {
	p, err := e.compiled.Bind(in)
	if err != nil {
		return nil, e.placed(err)
	}
	return p, nil
}

// bindCondition is bind for an expression that must be true or false.
func (e *expression) bindCondition(in *record.Schema) (*expr.Program, error) {
	p, err := e.bind(in)
	if err != nil {
		return nil, err
	}
	if k := p.Kind(); k != record.Bool && k != record.Absent && k != record.Null {
		return nil, e.conf.Node.Errorf("%s: %s gives a %s, not true or false", e.role, e.conf.Source, k).WithCode("type_mismatch").
			WithHint("compare it with something, as in amount > 0")
	}
	return p, nil
}

// placed gives an error of the expression its place in the definition.
func (e *expression) placed(err error) error {
	offset, _ := expr.Offset(err)
	at := e.conf.Node.ErrorAt(offset, "%s: %s", e.role, err.Error()).WithCode(fault.CodeOf(err))
	at.Class, at.Hint = fault.ClassOf(err), fault.HintOf(err)
	if hint := e.conf.Hint(); hint != "" && at.Code == "expression_syntax" {
		at.Hint = hint
	}
	return at
}

// failed returns the error of the expression for a record.
func failed(role string, err error) error {
	return fault.Wrap(fault.ClassOf(err), err, "%s", role)
}
