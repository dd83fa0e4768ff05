package expr

import (
	"time"

	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/record"
)

// Function documents a function of the language.
type Function struct {
	Name      string
	Signature string // how it is called: round(x, places)
	Summary   string
}

// function is a function of the language: what it takes, and how it is bound.
type function struct {
	Function
	least, most int
	takes       []kinds // for each argument; the last one counts for all that follow
	bind        func(c call) (code, error)
}

// call is a function with its bound arguments, which are as many and, where known, of such kinds as it takes.
type call struct {
	function *function
	args     []code
	offset   int
	location *time.Location
}

// kinds is a set of kinds.
type kinds uint16

func kindSet(all ...record.Kind) kinds {
	var set kinds
	for _, k := range all {
		set |= 1 << k
	}
	return set
}

func (s kinds) has(k record.Kind) bool { return s>>k&1 == 1 }

// String returns "a number", "a text", "a date or datetime".
func (s kinds) String() string {
	switch s {
	case numbers:
		return "a number"
	case dates:
		return "a date or datetime"
	}
	for k := record.Bool; k <= record.JSON; k++ {
		if s == kindSet(k) {
			return aKind(k)
		}
	}
	return "such a value"
}

var (
	numbers  = kindSet(record.Int, record.Float, record.Decimal)
	ints     = kindSet(record.Int, record.Decimal)
	texts    = kindSet(record.Text)
	dates    = kindSet(record.Date, record.DateTime)
	ordered  = numbers | texts | dates
	anything = ^kinds(0)
)

// env is what a function may use beside its arguments.
type env struct {
	arena    *record.Arena
	location *time.Location
}

func (e env) format() record.Format { return record.Format{Location: e.location} }

// fieldFunction is the one function that is bound by the binder itself, as its argument is a name.
const fieldFunction = "field"

func (b *binder) bindCall(n *ast.CallNode, offset int) (code, error) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return code{}, errorAt(offset, "expression_syntax", "there are no methods: only functions can be called")
	}
	if callee.Value == fieldFunction {
		return b.bindFieldCall(n, offset)
	}
	f, ok := functions[callee.Value]
	if !ok {
		return code{}, errorAt(offset, "unknown_function", "unknown function %q", callee.Value).hint("%s", functionHint(callee.Value))
	}
	if err := f.checkCount(len(n.Arguments), offset); err != nil {
		return code{}, err
	}
	c := call{function: &f, offset: offset, location: b.expression.options.Location}
	for i, argument := range n.Arguments {
		arg, err := b.bind(argument, offset)
		if err != nil {
			return code{}, err
		}
		if err := f.check(i, arg); err != nil {
			return code{}, err
		}
		c.args = append(c.args, arg)
	}
	bound, err := f.bind(c)
	if err != nil {
		return code{}, err
	}
	return fold(bound, c.args...)
}

// bindFieldCall binds field("a name that is no word").
func (b *binder) bindFieldCall(n *ast.CallNode, offset int) (code, error) {
	if len(n.Arguments) == 1 {
		if name, ok := n.Arguments[0].(*ast.StringNode); ok {
			return b.bindName(name.Value, offset)
		}
	}
	return code{}, errorAt(offset, "expression_syntax", `field takes the name of a field, in quotes: field("order id")`)
}

func (f *function) checkCount(n, offset int) error {
	if n >= f.least && n <= f.most {
		return nil
	}
	few := "few"
	if n > f.most {
		few = "many"
	}
	return errorAt(offset, "argument_count", "%s has too %s arguments", f.Name, few).hint("it is %s", f.Signature)
}

// takesAt returns the kinds that argument i may have.
func (f *function) takesAt(i int) kinds { return f.takes[min(i, len(f.takes)-1)] }

func (f *function) check(i int, arg code) error {
	takes := f.takesAt(i)
	if arg.kind <= record.Null || takes.has(arg.kind) {
		return nil
	}
	e := errorAt(arg.offset, "type_mismatch", "%s: %s is %s, not %s", f.Name, arg.name("this"), aKind(arg.kind), takes)
	switch {
	case takes == texts:
		return e.hint("write text(%s)", arg.name("x"))
	case takes == numbers || takes == ints:
		return e.hint("%s", arg.typingHint("decimal"))
	case takes == dates:
		return e.hint("%s", arg.typingHint("date"))
	}
	return e
}

// checkValue is check for a value whose kind was not known before.
func (c *call) checkValue(i int, v record.Value) error {
	if takes := c.function.takesAt(i); !takes.has(v.Kind()) {
		return mismatch("%s: %s is %s, not %s", c.function.Name, c.args[i].name("an argument"), withKind(v), takes)
	}
	return nil
}

// strict1 binds a function of one argument that is null where the argument is.
func (c call) strict1(kind record.Kind, apply func(e env, a record.Value) (record.Value, error)) (code, error) {
	a, location := c.args[0].eval, c.location
	return computed(kind, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := a(row, arena)
		if err != nil || v.IsNull() {
			return record.NullValue, err
		}
		if err := c.checkValue(0, v); err != nil {
			return record.NullValue, err
		}
		return apply(env{arena, location}, v)
	}), nil
}

// strict2 is strict1 for two arguments.
func (c call) strict2(kind record.Kind, apply func(e env, a, b record.Value) (record.Value, error)) (code, error) {
	a, b, location := c.args[0].eval, c.args[1].eval, c.location
	return computed(kind, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := a(row, arena)
		if err != nil {
			return record.NullValue, err
		}
		w, err := b(row, arena)
		if err != nil || v.IsNull() || w.IsNull() {
			return record.NullValue, err
		}
		if err := c.checkValue(0, v); err != nil {
			return record.NullValue, err
		}
		if err := c.checkValue(1, w); err != nil {
			return record.NullValue, err
		}
		return apply(env{arena, location}, v, w)
	}), nil
}

// strict3 is strict1 for three arguments.
func (c call) strict3(kind record.Kind, apply func(e env, a, b, d record.Value) (record.Value, error)) (code, error) {
	third := c.args[2].eval
	a, b, location := c.args[0].eval, c.args[1].eval, c.location
	return computed(kind, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := a(row, arena)
		if err != nil {
			return record.NullValue, err
		}
		w, err := b(row, arena)
		if err != nil {
			return record.NullValue, err
		}
		x, err := third(row, arena)
		if err != nil || v.IsNull() || w.IsNull() || x.IsNull() {
			return record.NullValue, err
		}
		for i, arg := range [...]record.Value{v, w, x} {
			if err := c.checkValue(i, arg); err != nil {
				return record.NullValue, err
			}
		}
		return apply(env{arena, location}, v, w, x)
	}), nil
}

// integer returns a number as an int; role names it in messages.
func integer(v record.Value, role string) (int, error) {
	i, ok := int64(0), false
	if v.Kind() == record.Int || v.Kind() == record.Decimal {
		i, ok = v.Number().Int64()
	}
	if !ok || i > 1<<31 || i < -1<<31 {
		return 0, mismatch("%s is %s, not a small integer", role, withKind(v))
	}
	return int(i), nil
}
