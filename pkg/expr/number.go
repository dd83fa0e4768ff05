package expr

import "batchctl/pkg/record"

// numberer computes a decimal; ok is false where it is null. Where both sides of an operation are known to be ints or
// decimals, numbers pass between its parts in registers instead of as values in memory.
type numberer func(row []record.Value, arena *record.Arena) (n record.Number, ok bool, err error)

// asNumber returns c as a numberer; nil where it is not known to be an int or a decimal.
func (c code) asNumber() numberer {
	switch {
	case c.number != nil:
		return c.number
	case c.kind != record.Int && c.kind != record.Decimal:
		return nil
	case c.constant && !c.value.IsNull():
		n := c.value.Number()
		return func([]record.Value, *record.Arena) (record.Number, bool, error) { return n, true, nil }
	case c.column >= 0:
		return numberField(c.column, c.label)
	}
	eval, label := c.eval, c.name("the value")
	return func(row []record.Value, arena *record.Arena) (record.Number, bool, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return record.Number{}, false, err
		}
		return checkedNumber(&v, label)
	}
}

func numberField(column int, label string) numberer {
	return func(row []record.Value, _ *record.Arena) (record.Number, bool, error) {
		if column >= len(row) || row[column].IsNull() {
			return record.Number{}, false, nil
		}
		return checkedNumber(&row[column], label)
	}
}

// checkedNumber guards against a value that is not of the kind its column was declared with.
func checkedNumber(v *record.Value, label string) (record.Number, bool, error) {
	if k := v.Kind(); k != record.Decimal && k != record.Int {
		return record.Number{}, false, mismatch("%s is %s, not a decimal", label, withKind(*v))
	}
	return v.Number(), true, nil
}

// numeric returns the code of a computation with decimals.
func numeric(offset int, number numberer) code {
	c := computed(record.Decimal, offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		n, ok, err := number(row, arena)
		if !ok || err != nil {
			return record.NullValue, err
		}
		return record.OfNumber(n), nil
	})
	c.number = number
	return c
}

// combine returns the code of an operation on decimals.
func combine(offset int, a, b numberer, right code, apply func(a, b record.Number) (record.Number, error)) code {
	if right.constant && !right.value.IsNull() {
		constant := right.value.Number()
		return numeric(offset, func(row []record.Value, arena *record.Arena) (record.Number, bool, error) {
			n, ok, err := a(row, arena)
			if !ok || err != nil {
				return n, false, err
			}
			n, err = apply(n, constant)
			return n, true, err
		})
	}
	return numeric(offset, func(row []record.Value, arena *record.Arena) (record.Number, bool, error) {
		n, first, err := a(row, arena)
		if err != nil {
			return n, false, err
		}
		m, second, err := b(row, arena)
		if !first || !second || err != nil {
			return n, false, err
		}
		n, err = apply(n, m)
		return n, true, err
	})
}

// compareNumbers returns the test of two decimals; null where one is not known to be a number.
func (c comparer) compareNumbers(left, right code) tester {
	a, b, set := left.asNumber(), right.asNumber(), c.set
	if a == nil || b == nil || left.kind == record.Int && right.kind == record.Int {
		return nil
	}
	if right.constant && !right.value.IsNull() {
		constant := right.value.Number()
		return func(row []record.Value, arena *record.Arena) (bool, error) {
			n, ok, err := a(row, arena)
			return ok && set>>uint(n.Cmp(constant)+1)&1 == 1, err
		}
	}
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		n, first, err := a(row, arena)
		if err != nil {
			return false, err
		}
		m, second, err := b(row, arena)
		return first && second && set>>uint(n.Cmp(m)+1)&1 == 1, err
	}
}
