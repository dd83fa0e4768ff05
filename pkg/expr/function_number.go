package expr

import (
	"math"

	"batchctl/pkg/record"
)

func numberFunctions() []function {
	return []function{
		{Function{"round", "round(x, places)", "half away from zero, as in SQL; places 0 where left out, negative for tens and hundreds"}, 1, 2, []kinds{numbers, ints}, rounding(record.Number.Round)},
		{Function{"round_even", "round_even(x, places)", "halves go to the even neighbour, as bankers round"}, 1, 2, []kinds{numbers, ints}, rounding(record.Number.RoundEven)},
		{Function{"trunc", "trunc(x, places)", "towards zero"}, 1, 2, []kinds{numbers, ints}, rounding(record.Number.Trunc)},
		{Function{"floor", "floor(x)", "the largest integer that is not above x"}, 1, 1, []kinds{numbers}, toWhole(record.Number.Floor)},
		{Function{"ceil", "ceil(x)", "the smallest integer that is not below x"}, 1, 1, []kinds{numbers}, toWhole(record.Number.Ceil)},
		{Function{"abs", "abs(x)", "x without its sign"}, 1, 1, []kinds{numbers}, bindAbs},
		{Function{"min", "min(a, b, ...)", "the least of numbers, texts or dates"}, 1, 16, []kinds{ordered}, extreme("<")},
		{Function{"max", "max(a, b, ...)", "the greatest of numbers, texts or dates"}, 1, 16, []kinds{ordered}, extreme(">")},
	}
}

// rounding binds a function that rounds to places; an int without places stays as it is.
func rounding(round func(record.Number, int) (record.Number, error)) func(call) (code, error) {
	return func(c call) (code, error) {
		if len(c.args) == 1 {
			return toWhole(func(n record.Number) (record.Number, error) { return round(n, 0) })(c)
		}
		if x := c.args[0].asNumber(); x != nil && c.args[1].constant && !c.args[1].value.IsNull() {
			places, err := integer(c.args[1].value, "the number of places")
			return numeric(c.offset, func(row []record.Value, arena *record.Arena) (record.Number, bool, error) {
				n, ok, err := x(row, arena)
				if !ok || err != nil {
					return n, false, err
				}
				n, err = round(n, places)
				return n, true, err
			}), at(c.args[1].offset, err)
		}
		return c.strict2(record.Decimal, func(_ env, x, p record.Value) (record.Value, error) {
			places, err := integer(p, "the number of places")
			if err != nil {
				return x, err
			}
			n, err := decimalOf(x)
			if err == nil {
				n, err = round(n, places)
			}
			return record.OfNumber(n), err
		})
	}
}

// toWhole binds a function that makes decimals whole and leaves ints as they are.
func toWhole(round func(record.Number) (record.Number, error)) func(call) (code, error) {
	return func(c call) (code, error) {
		kind := c.args[0].kind
		if kind == record.Float {
			kind = record.Decimal
		}
		return c.strict1(kind, func(_ env, x record.Value) (record.Value, error) {
			if x.Kind() == record.Int {
				return x, nil
			}
			n, err := decimalOf(x)
			if err == nil {
				n, err = round(n)
			}
			return record.OfNumber(n), err
		})
	}
}

func bindAbs(c call) (code, error) {
	return c.strict1(c.args[0].kind, func(_ env, x record.Value) (record.Value, error) {
		switch x.Kind() {
		case record.Float:
			return record.OfFloat(math.Abs(x.Float())), nil
		case record.Decimal:
			return record.OfNumber(x.Number().Abs()), nil
		}
		if x.Int() >= 0 {
			return x, nil
		}
		return intResult(-x.Int(), -x.Int() > 0, 0, "-", x.Int())
	})
}

// extreme binds min and max. They are null where one argument is.
func extreme(operator string) func(call) (code, error) {
	return func(c call) (code, error) {
		compare := comparer{operator: operator, set: outcomes[operator], location: c.location}
		kind := c.args[0].kind
		for _, arg := range c.args[1:] {
			if err := compare.check(c.args[0], arg, c.offset); err != nil {
				return code{}, err
			}
			kind = commonKind(kind, arg.kind)
		}
		return computed(kind, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
			best := record.NullValue
			for i, arg := range c.args {
				v, err := arg.eval(row, arena)
				if err != nil || v.IsNull() {
					return record.NullValue, err
				}
				if err := c.checkValue(i, v); err != nil {
					return v, err
				}
				better := i == 0
				if !better {
					if better, err = compare.holds(v, best, arg, c.args[0]); err != nil {
						return v, err
					}
				}
				if better {
					best = v
				}
			}
			if kind == record.Decimal && best.Kind() != record.Decimal {
				n, err := decimalOf(best)
				return record.OfNumber(n), err
			}
			return best, nil
		}), nil
	}
}

// holds compares two values.
func (c comparer) holds(v, w record.Value, left, right code) (bool, error) {
	if order, ok := v.Compare(w); ok {
		return c.set>>uint(order+1)&1 == 1, nil
	}
	return c.unusual(v, w, left, right)
}
