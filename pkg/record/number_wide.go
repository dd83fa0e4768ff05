package record

import (
	"sync"

	"github.com/cockroachdb/apd/v3"
)

// big returns the coefficient of n without its sign. The caller must not change it.
func (n Number) big() *apd.BigInt {
	if n.wide != nil {
		return &n.wide.Coeff
	}
	b := new(apd.BigInt).SetUint64(n.lo)
	if n.hi != 0 {
		upper := new(apd.BigInt).SetUint64(n.hi)
		b.Or(b, upper.Lsh(upper, 64))
	}
	return b
}

// signedBig returns the coefficient of n times 10^k, with its sign, as a value of the caller's own.
func (n Number) signedBig(k int32) *apd.BigInt {
	b := new(apd.BigInt).Mul(n.big(), bigPow10(k))
	if n.Sign() < 0 {
		b.Neg(b)
	}
	return b
}

// bigPow10 returns 10^k. The caller must not change it.
func bigPow10(k int32) *apd.BigInt {
	if int(k) < bigPowers {
		return &bigPow10s()[k]
	}
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(int64(k)), nil)
}

// bigPowers is how many powers of ten are kept: as far as the division of numbers of some 40 digits asks for.
const bigPowers = 64

var bigPow10s = sync.OnceValue(func() *[bigPowers]apd.BigInt {
	var powers [bigPowers]apd.BigInt
	powers[0].SetUint64(1)
	for k := 1; k < bigPowers; k++ {
		powers[k].Mul(&powers[k-1], apd.NewBigInt(10))
	}
	return &powers
})

// fromBig takes the coefficient over, into 128 bits where it fits. It does not check the number of digits.
func fromBig(coefficient *apd.BigInt, scale int32, negative bool) Number {
	switch {
	case coefficient.BitLen() <= 64:
		return narrow(0, coefficient.Uint64(), scale, negative)
	case coefficient.BitLen() <= 128:
		lo := new(apd.BigInt).And(coefficient, new(apd.BigInt).SetUint64(^uint64(0)))
		hi := new(apd.BigInt).Rsh(coefficient, 64)
		return narrow(hi.Uint64(), lo.Uint64(), scale, negative)
	}
	d := apd.NewWithBigInt(coefficient, -scale)
	d.Negative = negative
	return Number{wide: d, form: form{scale: scale}}
}

// fromSigned is fromBig for a coefficient with a sign, which it takes over; too many digits are an error.
func fromSigned(coefficient *apd.BigInt, scale int32) (Number, error) {
	negative := coefficient.Sign() < 0
	n := fromBig(coefficient.Abs(coefficient), scale, negative)
	if scale > maxDigits || n.Digits() > maxDigits {
		return Number{}, errOverflow()
	}
	return n, nil
}

// addWide returns n + m, or n - m.
func addWide(n, m Number, subtract bool) (Number, error) {
	scale := max(n.scale, m.scale)
	a, b := n.signedBig(scale-n.scale), m.signedBig(scale-m.scale)
	if subtract {
		b.Neg(b)
	}
	return fromSigned(a.Add(a, b), scale)
}

func mulWide(n, m Number) (Number, error) {
	a := n.signedBig(0)
	return fromSigned(a.Mul(a, m.signedBig(0)), n.scale+m.scale)
}

// quoWide returns n / m with the digits that scale asks for, half away from zero.
func quoWide(n, m Number, scale int32) (Number, error) {
	dividend := new(apd.BigInt).Mul(n.big(), bigPow10(scale-n.scale+m.scale))
	quotient, cut := divBig(dividend, m.big())
	if cut >= half {
		quotient.Add(quotient, apd.NewBigInt(1))
	}
	if n.Sign()*m.Sign() < 0 {
		quotient.Neg(quotient)
	}
	return fromSigned(quotient, scale)
}

func modWide(n, m Number) (Number, error) {
	scale := max(n.scale, m.scale)
	a := n.signedBig(scale - n.scale)
	return fromSigned(a.Rem(a, m.signedBig(scale-m.scale)), scale)
}

func cmpWide(n, m Number) int {
	scale := max(n.scale, m.scale)
	return n.signedBig(scale - n.scale).Cmp(m.signedBig(scale - m.scale))
}

// roundWide cuts k digits off.
func roundWide(n Number, k int32, mode rounding) (Number, error) {
	quotient, cut := divBig(n.big(), bigPow10(k))
	if mode.up(cut, quotient.Bit(0) == 1, n.Sign() < 0) {
		quotient.Add(quotient, apd.NewBigInt(1))
	}
	if n.Sign() < 0 {
		quotient.Neg(quotient)
	}
	return fromSigned(quotient, n.scale-k)
}

// divBig returns a / b for numbers without a sign, and what was cut off.
func divBig(a, b *apd.BigInt) (*apd.BigInt, fraction) {
	quotient, rem := new(apd.BigInt).QuoRem(a, b, new(apd.BigInt))
	if rem.Sign() == 0 {
		return quotient, exact
	}
	twice := rem.Lsh(rem, 1)
	return quotient, half + fraction(twice.Cmp(b))
}
