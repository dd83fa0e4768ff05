package expr

import (
	"math"
	"math/bits"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// operation computes with two values that are not null; texts it makes lie in arena.
type operation func(arena *record.Arena, a, b record.Value) (record.Value, error)

// verbs name the operators in messages.
var verbs = map[string]string{"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "take the rest of", "**": "raise"}

func bindArithmetic(operator string, left, right code, offset int) (code, error) {
	for _, side := range [...]code{left, right} {
		if err := needNumber(operator, side); err != nil {
			return code{}, err
		}
	}
	kind := arithmeticKind(operator, left.kind, right.kind)
	if a, b := left.asNumber(), right.asNumber(); kind == record.Decimal && a != nil && b != nil {
		return fold(combine(offset, a, b, right, decimalOperation(operator)), left, right)
	}
	apply := arithmetic(operator)
	return fold(binary(kind, offset, left, right, apply), left, right)
}

// binary returns the code of an operation that is null where one side is.
func binary(kind record.Kind, offset int, left, right code, apply operation) code {
	a, b := left.eval, right.eval
	if right.constant && !right.value.IsNull() {
		constant := right.value
		return computed(kind, offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
			x, err := a(row, arena)
			if err != nil || x.IsNull() {
				return record.NullValue, err
			}
			return apply(arena, x, constant)
		})
	}
	return computed(kind, offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		x, err := a(row, arena)
		if err != nil {
			return record.NullValue, err
		}
		y, err := b(row, arena)
		if err != nil || x.IsNull() || y.IsNull() {
			return record.NullValue, err
		}
		return apply(arena, x, y)
	})
}

func needNumber(operator string, side code) error {
	if side.kind.Numeric() || side.kind == record.Absent || side.kind == record.Null {
		return nil
	}
	e := errorAt(side.offset, "type_mismatch", "%s: %s is %s, not a number", operator, side.name("this"), aKind(side.kind))
	if side.kind == record.Date || side.kind == record.DateTime {
		return e.hint("write add_days(date, n) or days_between(from, to)")
	}
	return e.hint("%s", side.typingHint("decimal"))
}

// arithmeticKind returns the kind of a result: ints stay ints but under /, floats stay floats among themselves, and
// everything else is decimal.
func arithmeticKind(operator string, a, b record.Kind) record.Kind {
	switch {
	case a == record.Null || b == record.Null:
		return record.Null
	case a == record.Absent || b == record.Absent, operator == "**":
		return record.Absent
	case a == b && (a == record.Float || a == record.Int && operator != "/"):
		return a
	}
	return record.Decimal
}

// arithmetic returns the operation of an operator, by the kinds of its operands.
func arithmetic(operator string) operation {
	ints, decimals, floats := intOperation(operator), decimalOperation(operator), floatOperation(operator)
	return func(arena *record.Arena, a, b record.Value) (record.Value, error) {
		switch x, y := a.Kind(), b.Kind(); {
		case x == record.Int && y == record.Int:
			return ints(a.Int(), b.Int())
		case x == record.Float && y == record.Float:
			return record.OfFloat(floats(a.Float(), b.Float())), nil
		case x == record.Text && y == record.Text && operator == "+":
			return joinTexts(arena, a.Text(), b.Text())
		}
		n, err := operand(operator, a)
		if err != nil {
			return record.Value{}, err
		}
		m, err := operand(operator, b)
		if err != nil {
			return record.Value{}, err
		}
		n, err = decimals(n, m)
		return record.OfNumber(n), err
	}
}

// operand returns a number's value as a decimal.
func operand(operator string, v record.Value) (record.Number, error) {
	if v.Kind() == record.Decimal || v.Kind() == record.Int {
		return v.Number(), nil
	}
	if v.Kind() != record.Float {
		return record.Number{}, mismatch("cannot %s %s: it is not a number", verbs[operator], withKind(v))
	}
	return decimalOf(v)
}

// decimalOf returns a number's value as a decimal, a float's by its shortest text.
func decimalOf(v record.Value) (record.Number, error) {
	if v.Kind() == record.Float {
		return record.NumberFromFloat(v.Float())
	}
	return v.Number(), nil
}

func decimalOperation(operator string) func(a, b record.Number) (record.Number, error) {
	switch operator {
	case "+":
		return record.Number.Add
	case "-":
		return record.Number.Sub
	case "*":
		return record.Number.Mul
	case "/":
		return record.Number.Quo
	case "%":
		return record.Number.Mod
	}
	return power
}

func floatOperation(operator string) func(a, b float64) float64 {
	switch operator {
	case "+":
		return func(a, b float64) float64 { return a + b }
	case "-":
		return func(a, b float64) float64 { return a - b }
	case "*":
		return func(a, b float64) float64 { return a * b }
	case "/":
		return func(a, b float64) float64 { return a / b }
	case "%":
		return math.Mod
	}
	return math.Pow
}

func intOperation(operator string) func(a, b int64) (record.Value, error) {
	switch operator {
	case "+":
		return func(a, b int64) (record.Value, error) {
			sum := a + b
			return intResult(sum, (sum > a) == (b > 0), a, operator, b)
		}
	case "-":
		return func(a, b int64) (record.Value, error) {
			difference := a - b
			return intResult(difference, (difference < a) == (b > 0), a, operator, b)
		}
	case "*":
		return multiplyInts
	case "%":
		return func(a, b int64) (record.Value, error) {
			if b == 0 {
				return record.Value{}, divisionByZero()
			}
			if b == -1 {
				return record.OfInt(0), nil // the smallest int has no positive counterpart
			}
			return record.OfInt(a % b), nil
		}
	case "**":
		return powerOfInts
	}
	return func(a, b int64) (record.Value, error) {
		n, err := record.NumberFromInt(a).Quo(record.NumberFromInt(b))
		return record.OfNumber(n), err
	}
}

func intResult(v int64, ok bool, a int64, operator string, b int64) (record.Value, error) {
	if !ok {
		return record.Value{}, fault.New(fault.Validation, "integer overflow: %d %s %d needs more than 64 bits", a, operator, b).
			WithCode("integer_overflow").WithHint("compute with decimals: decimal(x)")
	}
	return record.OfInt(v), nil
}

func divisionByZero() error {
	return fault.New(fault.Validation, "division by zero").WithCode("division_by_zero")
}

func multiplyInts(a, b int64) (record.Value, error) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	fits := hi == 0 && (lo < 1<<63 || negative && lo == 1<<63)
	return intResult(a*b, fits, a, "*", b)
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func powerOfInts(a, b int64) (record.Value, error) {
	n, err := power(record.NumberFromInt(a), record.NumberFromInt(b))
	if err != nil {
		return record.Value{}, err
	}
	if i, ok := n.Int64(); ok {
		return record.OfInt(i), nil
	}
	if b < 0 {
		return record.OfNumber(n), nil
	}
	return intResult(0, false, a, "**", b)
}

// power returns base to an integer power, exactly; a negative one is 1 / base ** -n.
func power(base, exponent record.Number) (record.Number, error) {
	e, ok := exponent.Int64()
	if !ok || e > MaxPower || e < -MaxPower {
		return record.Number{}, mismatch("the exponent %s is not an integer from -%d to %d", clip(exponent.String()), MaxPower, MaxPower)
	}
	result, err := record.NumberFromInt(1), error(nil)
	for n := magnitude(e); n > 0 && err == nil; n >>= 1 {
		if n&1 == 1 {
			if result, err = result.Mul(base); err != nil {
				break
			}
		}
		if n > 1 {
			base, err = base.Mul(base)
		}
	}
	if err == nil && e < 0 {
		return record.NumberFromInt(1).Quo(result)
	}
	return result, err
}

// bindSign binds a unary plus or minus.
func bindSign(operator string, c code, offset int) (code, error) {
	if err := needNumber(operator, c); err != nil {
		return code{}, err
	}
	subtract := arithmetic("-")
	return fold(computed(c.kind, offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := c.eval(row, arena)
		if err != nil || v.IsNull() {
			return record.NullValue, err
		}
		switch {
		case !v.Kind().Numeric():
			return v, mismatch("%s: %s is %s, not a number", operator, c.name("the value"), withKind(v))
		case operator == "+":
			return v, nil
		case v.Kind() == record.Decimal:
			return record.OfNumber(v.Number().Neg()), nil
		case v.Kind() == record.Float:
			return record.OfFloat(-v.Float()), nil
		}
		return subtract(arena, record.OfInt(0), v)
	}), c)
}
