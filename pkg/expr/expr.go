// Package expr is the expression language of definitions: conditions and computed values over a record's fields and the
// names of a run. Sources are parsed by expr-lang/expr; names, types, arithmetic and comparison are this package's own,
// over record.Value, so that decimals are exact and null has one meaning. An expression has no side effects, sees no
// clock and no randomness, and always ends: docs/expressions.md has the semantics, and is what the tests run.
package expr

import (
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Options is the world that an expression is compiled for.
type Options struct {
	Scope    config.Scope   // knows params.*, steps.* and the like; nil where there are none
	Location *time.Location // in which datetimes without an offset are taken where a moment is needed; nil: an error then
}

// Expression is a source that has been parsed and whose functions and names outside of records have been checked.
type Expression struct {
	source  string
	runes   []rune
	tree    ast.Node
	options Options
	fields  []string
}

// Compile parses a source and checks everything that needs no schema. Errors are of class definition; Offset tells where
// in the source they are.
func Compile(source string, o Options) (*Expression, error) {
	tree, err := parse(source)
	if err != nil {
		return nil, inBytes(err, source)
	}
	e := &Expression{source: source, runes: []rune(source), tree: tree, options: o}
	open := &binder{expression: e, open: true}
	if _, err := open.bind(tree, 0); err != nil {
		return nil, inBytes(err, source)
	}
	e.fields = open.fields
	return e, nil
}

// Source returns the text that was compiled.
func (e *Expression) Source() string { return e.source }

// Fields returns the names of the record's fields that the expression reads, in the order of their first use.
func (e *Expression) Fields() []string { return slices.Clone(e.fields) }

// Bind finds the fields in a schema and checks the kinds that are known. With a nil schema no field may be used; with an
// open one, fields it does not have are null. Errors are of class definition.
func (e *Expression) Bind(s *record.Schema) (*Program, error) {
	b := &binder{expression: e, schema: s}
	root, err := b.bind(e.tree, 0)
	if err != nil {
		return nil, inBytes(err, e.source)
	}
	return &Program{root: root, source: e.source}, nil
}

// Program is an expression bound to a schema. It holds no state: any goroutine may use it at any time.
type Program struct {
	root   code
	source string
}

// Kind returns the kind that results have, or may have beside null; Absent where it is known only for each record.
func (p *Program) Kind() record.Kind { return p.root.kind }

// Source returns the text that the program was compiled from.
func (p *Program) Source() string { return p.source }

// Constant reports whether the result is the same for every record.
func (p *Program) Constant() bool { return p.root.constant }

// Eval returns the result for a record of the bound schema. Texts it makes lie in arena, or in memory of their own where
// arena is nil. Errors are of class validation: overflow, division by zero, kinds that do not go together.
func (p *Program) Eval(r record.Record, arena *record.Arena) (record.Value, error) {
	return p.root.eval(r.Values, arena)
}

// Test returns the result as a condition: null counts as false. A result that is neither true, false nor null is an error
// of class validation.
func (p *Program) Test(r record.Record, arena *record.Arena) (bool, error) {
	if p.root.test != nil {
		return p.root.test(r.Values, arena)
	}
	v, err := p.root.eval(r.Values, arena)
	if err != nil {
		return false, err
	}
	return truth(v, p.source)
}

// truth returns a value as a condition.
func truth(v record.Value, label string) (bool, error) {
	if v.Kind() == record.Bool || v.IsNull() {
		return v.Bool(), nil
	}
	return false, fault.New(fault.Validation, "%s is %s, not true or false", label, withKind(v)).WithCode("type_mismatch")
}
