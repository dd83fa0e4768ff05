package expr

import (
	"time"

	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/record"
)

// outcomes are sets of the results of Compare that an operator holds for: bit 0 less, bit 1 equal, bit 2 greater.
var outcomes = map[string]uint{"<": 1, "==": 2, "<=": 3, ">": 4, "!=": 5, ">=": 6}

func (b *binder) bindComparison(operator string, left, right code, offset int) (code, error) {
	if isNil(left) || isNil(right) {
		return bindNilComparison(operator, left, right, offset)
	}
	c := comparer{operator: operator, set: outcomes[operator], location: b.expression.options.Location}
	left, right, err := c.alignDates(left, right)
	if err != nil {
		return code{}, err
	}
	if err := c.check(left, right, offset); err != nil {
		return code{}, err
	}
	return fold(condition(offset, c.tester(left, right)), left, right)
}

// isNil reports whether c is written nil.
func isNil(c code) bool { return c.null() && c.label == "nil" }

func bindNilComparison(operator string, left, right code, offset int) (code, error) {
	if operator != "==" && operator != "!=" {
		return code{}, errorAt(offset, "type_mismatch", "nil can only be compared by == and !=")
	}
	side, want := left, operator == "=="
	if isNil(left) {
		side = right
	}
	return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := side.eval(row, arena)
		return v.IsNull() == want, err
	}), side)
}

// comparer compares values for one operator.
type comparer struct {
	operator string
	set      uint
	location *time.Location
}

// check refuses kinds that do not go together, as far as they are known.
func (c comparer) check(left, right code, offset int) error {
	if c.operator != "==" && c.operator != "!=" {
		for _, side := range [...]code{left, right} {
			if side.kind == record.Bool || side.kind == record.JSON {
				return errorAt(offset, "type_mismatch", "%s: %s is %s, which has no order", c.operator, side.name("this"), aKind(side.kind))
			}
		}
	}
	if comparable(left.kind, right.kind) {
		return nil
	}
	e := errorAt(offset, "type_mismatch", "cannot compare %s with %s", sideName(left), sideName(right))
	return e.hint("%s", c.mismatchHint(left, right))
}

func sideName(c code) string {
	if c.constant || c.label == "" {
		return aKind(c.kind)
	}
	return c.label + ", which is " + aKind(c.kind) + ","
}

func (c comparer) mismatchHint(left, right code) string {
	if right.kind == record.Text {
		left, right = right, left
	}
	switch {
	case left.kind == record.Text && right.kind.Numeric():
		kind := record.Decimal
		if right.kind == record.Int && (c.operator == "==" || c.operator == "!=") {
			kind = record.Int
		}
		return left.typingHint(kind.String())
	case left.kind == record.Text && (right.kind == record.Date || right.kind == record.DateTime):
		return left.typingHint(right.kind.String())
	case left.kind == record.DateTime && right.kind == record.Date, left.kind == record.Date && right.kind == record.DateTime:
		return "write date(x) to compare the days"
	case left.kind == record.Text && right.kind == record.Bool && left.column >= 0:
		return left.typingHint("bool")
	case right.kind == record.Bool && right.label == "":
		return "not and ! bind tighter than a comparison: write not (a == b)"
	}
	return ""
}

func comparable(a, b record.Kind) bool {
	return a == b || a <= record.Null || b <= record.Null || a.Numeric() && b.Numeric()
}

// alignDates makes dates of literals: paid_on >= "2024-01-31".
func (c comparer) alignDates(left, right code) (code, code, error) {
	var err error
	switch {
	case isDate(left.kind) && right.constant && right.kind == record.Text:
		right, err = c.dateLiteral(right, left.kind)
	case isDate(right.kind) && left.constant && left.kind == record.Text:
		left, err = c.dateLiteral(left, right.kind)
	}
	return left, right, err
}

func isDate(k record.Kind) bool { return k == record.Date || k == record.DateTime }

func (c comparer) dateLiteral(literal code, kind record.Kind) (code, error) {
	v, err := (&record.Format{}).Parse(kind, literal.value.Text())
	if err != nil {
		example := "2024-01-31"
		if kind == record.DateTime {
			example = "2024-01-31T13:00:00Z"
		}
		return code{}, errorAt(literal.offset, "type_mismatch", "%s is not a %s", literal.label, kind).hint("write it as %q", example)
	}
	return constantCode(v, literal.offset, literal.label), nil
}

func (c comparer) tester(left, right code) tester {
	if numbers := c.compareNumbers(left, right); numbers != nil {
		return numbers
	}
	a, b, set := left.eval, right.eval, c.set
	if right.constant && right.kind == record.Text && left.kind == record.Text && (c.operator == "==" || c.operator == "!=") {
		return equalText(left, right.value.Text(), c.operator == "==")
	}
	if right.constant {
		constant := right.value
		return func(row []record.Value, arena *record.Arena) (bool, error) {
			v, err := a(row, arena)
			if err != nil {
				return false, err
			}
			if order, ok := v.Compare(constant); ok {
				return set>>uint(order+1)&1 == 1, nil
			}
			return c.unusual(v, constant, left, right)
		}
	}
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := a(row, arena)
		if err != nil {
			return false, err
		}
		w, err := b(row, arena)
		if err != nil {
			return false, err
		}
		if order, ok := v.Compare(w); ok {
			return set>>uint(order+1)&1 == 1, nil
		}
		return c.unusual(v, w, left, right)
	}
}

func equalText(left code, text string, want bool) tester {
	if column := left.column; column >= 0 {
		return func(row []record.Value, _ *record.Arena) (bool, error) {
			if column >= len(row) || row[column].IsNull() {
				return false, nil
			}
			if row[column].Kind() != record.Text {
				return false, mismatch("cannot compare %s with a text", runtimeName(row[column], left))
			}
			return (row[column].Text() == text) == want, nil
		}
	}
	eval := left.eval
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return false, err
		}
		return (v.Text() == text) == want, nil
	}
}

// unusual settles what Compare leaves open: nulls and NaN, for which every comparison is false, texts that stand for dates,
// datetimes of which one has no offset, JSON values that differ; everything else does not go together.
func (c comparer) unusual(v, w record.Value, left, right code) (bool, error) {
	if v.IsNull() || w.IsNull() || v.Kind().Numeric() && w.Kind().Numeric() {
		return false, nil
	}
	if v.Kind() == record.JSON && w.Kind() == record.JSON && (c.operator == "==" || c.operator == "!=") {
		return c.operator == "!=", nil
	}
	v, w = literalDate(v, w, left), literalDate(w, v, right)
	if v.Kind() == record.DateTime && w.Kind() == record.DateTime && v.Zoned() != w.Zoned() {
		if c.location == nil {
			return false, mismatch("cannot compare %s with %s: only one of them has an offset from UTC", withKind(v), withKind(w))
		}
		f := &record.Format{Location: c.location}
		v, w = f.Locate(v), f.Locate(w)
	}
	if order, ok := v.Compare(w); ok {
		return c.set>>uint(order+1)&1 == 1, nil
	}
	return false, c.runtimeMismatch(v, w, left, right)
}

// literalDate returns a text literal as the date that it is compared with.
func literalDate(v, other record.Value, side code) record.Value {
	if !side.constant || v.Kind() != record.Text || !isDate(other.Kind()) {
		return v
	}
	if date, err := (&record.Format{}).Parse(other.Kind(), v.Text()); err == nil {
		return date
	}
	return v
}

func (c comparer) runtimeMismatch(v, w record.Value, left, right code) error {
	e := mismatch("cannot compare %s with %s", runtimeName(v, left), runtimeName(w, right))
	if text, number := v.Kind() == record.Text, w.Kind().Numeric(); text && number && left.column >= 0 {
		left.kind = record.Text
		return e.WithHint("%s", left.typingHint("decimal"))
	}
	return e
}

func runtimeName(v record.Value, c code) string {
	if c.column >= 0 {
		return c.label + ", " + withKind(v) + ","
	}
	return withKind(v)
}

// bindIn binds value in [a, b, c]: the value is evaluated once and compared with each in turn.
func (b *binder) bindIn(n *ast.BinaryNode, offset int) (code, error) {
	value, err := b.bind(n.Left, offset)
	if err != nil {
		return code{}, err
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return code{}, errorAt(offset, "expression_syntax", "a list must stand behind in").hint(`write x in ["a", "b"], or text contains "a"`)
	}
	c := comparer{operator: "==", set: outcomes["=="], location: b.expression.options.Location}
	all := []code{value}
	withNil := false
	for _, item := range list.Nodes {
		member, err := b.bind(item, offset)
		if err != nil {
			return code{}, err
		}
		if isNil(member) {
			withNil = true
			continue
		}
		if _, member, err = c.alignDates(value, member); err != nil {
			return code{}, err
		}
		if err := c.check(value, member, member.offset); err != nil {
			return code{}, err
		}
		all = append(all, member)
	}
	if texts := constantTexts(all[1:]); texts != nil && value.kind == record.Text {
		return fold(condition(offset, inTexts(value, texts, withNil)), value)
	}
	return fold(condition(offset, c.inList(value, all[1:], withNil)), all...)
}

// constantTexts returns the members of a list as a set, nil where not all are texts that are written out.
func constantTexts(members []code) map[string]struct{} {
	texts := make(map[string]struct{}, len(members))
	for _, m := range members {
		if !m.constant || m.kind != record.Text {
			return nil
		}
		texts[m.value.Text()] = struct{}{}
	}
	return texts
}

func inTexts(value code, texts map[string]struct{}, withNil bool) tester {
	eval := value.eval
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return withNil && err == nil, err
		}
		if v.Kind() != record.Text {
			return false, mismatch("cannot compare %s with a text", runtimeName(v, value))
		}
		_, found := texts[v.Text()]
		return found, nil
	}
}

func (c comparer) inList(value code, members []code, withNil bool) tester {
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := value.eval(row, arena)
		if err != nil || v.IsNull() {
			return withNil && err == nil, err
		}
		for _, m := range members {
			w, err := m.eval(row, arena)
			if err != nil {
				return false, err
			}
			order, ok := v.Compare(w)
			found := ok && order == 0
			if !ok {
				if found, err = c.unusual(v, w, value, m); err != nil {
					return false, err
				}
			}
			if found {
				return true, nil
			}
		}
		return false, nil
	}
}
