package expr

import (
	"github.com/expr-lang/expr/ast"

	"batchctl/pkg/record"
)

func bindAnd(left, right code, offset int) (code, error) {
	a, b, err := bothTests("and", left, right)
	if err != nil {
		return code{}, err
	}
	return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		if truth, err := a(row, arena); !truth || err != nil {
			return false, err
		}
		return b(row, arena)
	}), left, right)
}

func bindOr(left, right code, offset int) (code, error) {
	a, b, err := bothTests("or", left, right)
	if err != nil {
		return code{}, err
	}
	return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		if truth, err := a(row, arena); truth || err != nil {
			return truth, err
		}
		return b(row, arena)
	}), left, right)
}

func bothTests(role string, left, right code) (a, b tester, err error) {
	if a, err = left.asTest(role); err == nil {
		b, err = right.asTest(role)
	}
	return a, b, err
}

func (b *binder) bindConditional(n *ast.ConditionalNode, _ int) (code, error) {
	asked, err := b.bind(n.Cond, 0)
	if err != nil {
		return code{}, err
	}
	test, err := asked.asTest("? :")
	if err != nil {
		return code{}, err
	}
	yes, err := b.bind(n.Exp1, asked.offset)
	if err != nil {
		return code{}, err
	}
	no, err := b.bind(n.Exp2, asked.offset)
	if err != nil {
		return code{}, err
	}
	kind := commonKind(yes.kind, no.kind)
	first, second := promoted(yes, kind), promoted(no, kind)
	return fold(computed(kind, asked.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		truth, err := test(row, arena)
		if err != nil {
			return record.Value{}, err
		}
		if truth {
			return first(row, arena)
		}
		return second(row, arena)
	}), asked, yes, no)
}

// bindCoalesce returns the first of some values that is not null.
func bindCoalesce(choices []code, offset int) (code, error) {
	kind := record.Null
	for _, c := range choices {
		kind = commonKind(kind, c.kind)
	}
	all := make([]evaluator, len(choices))
	for i, c := range choices {
		all[i] = promoted(c, kind)
	}
	return fold(computed(kind, offset, func(row []record.Value, arena *record.Arena) (v record.Value, err error) {
		for _, eval := range all {
			if v, err = eval(row, arena); err != nil || !v.IsNull() {
				return v, err
			}
		}
		return record.NullValue, nil
	}), choices...)
}

// commonKind returns the kind of a value that is of one of two kinds; Absent where that is known only for each record.
func commonKind(a, b record.Kind) record.Kind {
	switch {
	case a == b || b == record.Null:
		return a
	case a == record.Null:
		return b
	case a.Numeric() && b.Numeric():
		return record.Decimal
	}
	return record.Absent
}

// promoted returns c's evaluator with numbers made decimals, where the whole is to be one and c is not.
func promoted(c code, kind record.Kind) evaluator {
	if kind != record.Decimal || !c.kind.Numeric() || c.kind == record.Decimal {
		return c.eval
	}
	eval := c.eval
	return func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return v, err
		}
		n, err := decimalOf(v)
		return record.OfNumber(n), err
	}
}
