package expr

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// namespaces are the names outside of records, and whether their values may change while an expression is in use.
var namespaces = map[string]bool{
	"params": false, "job": false, "step": false, "partition": false, "input": false,
	"steps": true, "context": true, "counters": true,
}

// bindName binds a word that stands for a field.
func (b *binder) bindName(name string, offset int) (code, error) {
	if b.open {
		if !slices.Contains(b.fields, name) {
			b.fields = append(b.fields, name)
		}
		return fieldCode(record.Field{Name: name}, 0, offset), nil
	}
	if b.schema != nil {
		if i, ok := b.schema.Index(name); ok {
			return fieldCode(b.schema.Field(i), i, offset), nil
		}
		if b.schema.Open() {
			return fieldCode(record.Field{Name: name}, math.MaxInt, offset), nil // absent so far
		}
	}
	return code{}, b.unknownField(name, offset)
}

func fieldCode(f record.Field, column, offset int) code {
	return code{kind: f.Kind, column: column, offset: offset, label: f.Name, eval: func(row []record.Value, _ *record.Arena) (record.Value, error) {
		if column < len(row) {
			return row[column], nil
		}
		return record.Value{}, nil
	}}
}

func (b *binder) unknownField(name string, offset int) error {
	if _, ok := namespaces[name]; ok {
		return errorAt(offset, "unknown_name", "%s is not a value", name).hint("write %s.name", name)
	}
	if b.schema == nil {
		e := errorAt(offset, "unknown_name", "unknown name %q: there is no record here", name)
		return e.hint("names here begin with params, steps, context, counters, job, step or partition; a text stands in quotes")
	}
	known := append(b.schema.Names(), "params", "steps", "context", "counters", "partition")
	hint := fault.DidYouMean(name, known)
	if fault.Suggest(name, known) == "" {
		hint = "the record has " + listed(b.schema.Names()) + "; a text stands in quotes"
	}
	return errorAt(offset, "unknown_field", "unknown field %q", name).hint("%s", hint)
}

// listed joins names for a hint, the first dozen of them.
func listed(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "no fields"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
	}
	return strings.Join(names, ", ")
}

// bindMember binds a.b and a["b"]: a name outside of the record, or a value inside a JSON field.
func (b *binder) bindMember(n *ast.MemberNode, offset int) (code, error) {
	base, path, err := b.flatten(n, offset)
	if err != nil {
		return code{}, err
	}
	root, isName := base.(*ast.IdentifierNode)
	if isName {
		if _, ok := namespaces[root.Value]; ok {
			return b.bindScoped(root.Value, path, max(root.Location().From, 0))
		}
	}
	value, err := b.bind(base, offset)
	if err != nil {
		return code{}, err
	}
	if value.kind != record.JSON && value.kind != record.Absent && value.kind != record.Null {
		return code{}, errorAt(offset, "type_mismatch", "%s is %s, which has no members", value.name("this"), aKind(value.kind))
	}
	return member(value, path, offset), nil
}

// flatten takes a chain of members apart, into what it starts at and the steps from there.
func (b *binder) flatten(n *ast.MemberNode, offset int) (base ast.Node, path []step, err error) {
	var node ast.Node = n
	for {
		m, ok := node.(*ast.MemberNode)
		if !ok {
			slices.Reverse(path)
			return node, path, nil
		}
		if b.steps++; b.steps > MaxSteps {
			return nil, nil, errorAt(offset, "expression_limit", "the expression has more than %d operations, names and literals", MaxSteps)
		}
		switch p := m.Property.(type) {
		case *ast.StringNode:
			path = append(path, step{key: p.Value, index: -1})
		case *ast.IntegerNode:
			path = append(path, step{index: p.Value})
		default:
			return nil, nil, errorAt(offset, "expression_syntax", "a member is named by a text or a number that is written out")
		}
		node = m.Node
	}
}

// bindScoped binds a name outside of the record, such as params.date.
func (b *binder) bindScoped(namespace string, path []step, offset int) (code, error) {
	name := namespace
	for _, s := range path {
		name += "." + s.String()
	}
	scope := b.expression.options.Scope
	if scope == nil {
		return code{}, errorAt(offset, "unknown_name", "unknown name %q: there are no names outside of the record here", name)
	}
	v, when := scope.Lookup(name)
	switch {
	case when == config.NoSuchName:
		return code{}, unknownScoped(scope, namespace, name, offset)
	case when == config.Now && !namespaces[namespace]:
		c := constantCode(v, offset, name)
		c.outside = true
		return c, nil
	}
	return code{column: -1, offset: offset, label: name, outside: true, eval: lateName(scope, name)}, nil
}

func unknownScoped(scope config.Scope, namespace, name string, offset int) error {
	known := slices.Clone(scope.Names(namespace))
	for i, k := range known {
		known[i] = namespace + "." + strings.TrimPrefix(k, namespace+".")
	}
	e := errorAt(offset, "unknown_name", "unknown name %q", name)
	if len(known) == 0 {
		return e.hint("nothing is known under %s here", namespace)
	}
	return e.hint("%s", fault.DidYouMean(name, known))
}

// lateName returns the evaluator of a name whose value comes, or changes, while the job runs.
func lateName(scope config.Scope, name string) evaluator {
	return func([]record.Value, *record.Arena) (record.Value, error) {
		v, when := scope.Lookup(name)
		if when != config.Now {
			if e, ok := scope.(config.Explainer); ok {
				if why := e.Explain(name); why != nil {
					return record.Value{}, fault.Wrap(fault.ClassOf(why), why, "%s", name)
				}
			}
			return record.Value{}, fault.New(fault.Definition, "%s has no value yet", name).WithCode("unknown_name").
				WithHint("it gets one later in the run than this expression is used")
		}
		return v, nil
	}
}
