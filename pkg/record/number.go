package record

import (
	"math"
	"strconv"

	"github.com/cockroachdb/apd/v3"

	"batchctl/pkg/fault"
)

// Number is an exact decimal: coefficient * 10^-scale, with a scale of 0 to 1000 and a coefficient of at most 1000
// digits. Coefficients of up to 128 bits (any of 38 digits) lie in the value itself; wider ones are held by the library.
// A number is never rounded but where the caller asks for it. The zero Number is 0. Numbers that are equal may differ in
// scale (1.5 and 1.50): compare them with Cmp.
type Number struct {
	hi, lo uint64
	wide   *apd.Decimal // set where 128 bits do not hold the coefficient; hi, lo and negative are then unused
	form
}

// form is what a number has beside its coefficient. It is a struct of its own because the compiler keeps structs of at
// most four fields in registers.
type form struct {
	scale    int32
	negative bool // never set for 0
}

// maxDigits bounds the digits of a coefficient and the scale, so that a hostile input cannot make arithmetic slow.
const maxDigits = 1000

// NumberFromInt returns i as a decimal of scale 0.
func NumberFromInt(i int64) Number {
	if i < 0 {
		return Number{lo: -uint64(i), form: form{negative: true}}
	}
	return Number{lo: uint64(i)}
}

// NumberFromFloat returns the number that the shortest decimal text of f stands for, so that 0.1 gives 0.1. NaN and the
// infinities are an error of class validation.
func NumberFromFloat(f float64) (Number, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Number{}, fault.New(fault.Validation, "%v is not a decimal", f)
	}
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'g', -1, 64)
	if n, ok := parseShort(String(text)); ok {
		return n, nil
	}
	return ParseNumber(string(text))
}

// Sign returns -1, 0 or 1.
func (n Number) Sign() int {
	switch {
	case n.wide != nil:
		return n.wide.Sign()
	case n.hi|n.lo == 0:
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// Scale returns the number of digits behind the point, trailing zeros included.
func (n Number) Scale() int { return int(n.scale) }

// Digits returns the number of digits of the coefficient, at least 1: what numeric(precision) counts in SQL, but for
// numbers below 0.1, whose zeros behind the point do not count.
func (n Number) Digits() int {
	if n.wide != nil {
		return int(n.wide.NumDigits())
	}
	return digits128(n.hi, n.lo)
}

// Neg returns -n.
func (n Number) Neg() Number {
	if n.wide != nil {
		d := new(apd.Decimal).Set(n.wide)
		d.Negative = !d.Negative
		n.wide = d
		return n
	}
	n.negative = !n.negative && n.hi|n.lo != 0
	return n
}

// Abs returns n without its sign.
func (n Number) Abs() Number {
	if n.Sign() < 0 {
		return n.Neg()
	}
	return n
}

// Int64 returns n as an integer; ok is false where n has a fraction or does not fit. 2.00 is 2.
func (n Number) Int64() (i int64, ok bool) {
	if n.wide == nil && n.scale == 0 {
		return n.smallInt()
	}
	whole, err := n.Trunc(0)
	if err != nil || whole.wide != nil || whole.Cmp(n) != 0 {
		return 0, false
	}
	return whole.smallInt()
}

func (n Number) smallInt() (int64, bool) {
	switch {
	case n.hi != 0:
		return 0, false
	case n.negative:
		return -int64(n.lo), n.lo <= 1<<63
	}
	return int64(n.lo), n.lo < 1<<63
}

// Float64 returns the float nearest to n.
func (n Number) Float64() float64 {
	var buf [64]byte
	f, _ := strconv.ParseFloat(String(n.Append(buf[:0])), 64)
	return f
}

// narrow returns a number of a 128-bit coefficient, without a negative zero.
func narrow(hi, lo uint64, scale int32, negative bool) Number {
	return Number{hi: hi, lo: lo, form: form{scale, negative && hi|lo != 0}}
}

func errOverflow() error {
	return fault.New(fault.Validation, "decimal overflow: the result has more than %d digits", maxDigits).WithCode("decimal_overflow")
}

func errDivision() error {
	return fault.New(fault.Validation, "division by zero").WithCode("division_by_zero")
}
