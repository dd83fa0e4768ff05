package record

import "math/bits"

// pow10 holds the powers of ten that fit 64 bits.
var pow10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// mul128 returns (hi, lo) * m; ok is false where the product needs more than 128 bits.
func mul128(hi, lo, m uint64) (h, l uint64, ok bool) {
	carry, l := bits.Mul64(lo, m)
	if hi == 0 {
		return carry, l, true
	}
	over, upper := bits.Mul64(hi, m)
	h, c := bits.Add64(upper, carry, 0)
	return h, l, over|c == 0
}

// mulPow10 returns (hi, lo) * 10^k; ok is false where the product needs more than 128 bits.
func mulPow10(hi, lo uint64, k int32) (h, l uint64, ok bool) {
	if k > 38 {
		return 0, 0, hi|lo == 0
	}
	if k > 19 {
		if hi, lo, ok = mul128(hi, lo, pow10[19]); !ok {
			return 0, 0, false
		}
		k -= 19
	}
	return mul128(hi, lo, pow10[k])
}

// div128 returns (hi, lo) / d and the remainder.
func div128(hi, lo, d uint64) (h, l, rem uint64) {
	if hi == 0 {
		return 0, lo / d, lo % d
	}
	h, rem = hi/d, hi%d
	l, rem = bits.Div64(rem, lo, d)
	return h, l, rem
}

// scaledQuo returns (hi, lo) * 10^k / d, half away from zero; ok is false where k is above 38 or the quotient needs more
// than 128 bits. The product may have 256.
func scaledQuo(hi, lo uint64, k int32, d uint64) (h, l uint64, ok bool) {
	if k > 38 {
		return 0, 0, hi|lo == 0
	}
	product := [4]uint64{lo, hi}
	for ; k > 0; k -= 19 {
		mul256(&product, pow10[min(k, 19)])
	}
	var rem uint64
	for i := len(product) - 1; i >= 0; i-- {
		product[i], rem = bits.Div64(rem, product[i], d)
	}
	l, h = product[0], product[1]
	if fractionOf(rem, d) >= half {
		var carry uint64
		l, carry = bits.Add64(l, 1, 0)
		h, carry = bits.Add64(h, 0, carry)
		product[2] |= carry
	}
	return h, l, product[2]|product[3] == 0
}

// mul256 multiplies x, least significant part first, by m. The product must fit.
func mul256(x *[4]uint64, m uint64) {
	var carry uint64
	for i, part := range x {
		upper, lower := bits.Mul64(part, m)
		var over uint64
		x[i], over = bits.Add64(lower, carry, 0)
		carry = upper + over
	}
}

// twos returns how often 2 divides a number that is not 0.
func twos(hi, lo uint64) int {
	if lo == 0 {
		return 64 + bits.TrailingZeros64(hi)
	}
	return bits.TrailingZeros64(lo)
}

// fraction says how what a division cut off compares with half a unit of the last digit that is left.
type fraction int8

const (
	exact fraction = iota
	belowHalf
	half
	aboveHalf
)

// fractionOf returns what rem is of d.
func fractionOf(rem, d uint64) fraction {
	switch rest := d - rem; {
	case rem == 0:
		return exact
	case rem < rest:
		return belowHalf
	case rem == rest:
		return half
	}
	return aboveHalf
}

// divPow10 returns (hi, lo) / 10^k and what was cut off, for any k from 1.
func divPow10(hi, lo uint64, k int32) (h, l uint64, cut fraction) {
	if hi|lo == 0 {
		return 0, 0, exact
	}
	if k > 38 { // half of 10^39 is more than 128 bits hold
		return 0, 0, belowHalf
	}
	if k <= 19 {
		h, l, rem := div128(hi, lo, pow10[k])
		return h, l, fractionOf(rem, pow10[k])
	}
	hi, lo, first := div128(hi, lo, pow10[19])
	h, l, rem := div128(hi, lo, pow10[k-19])
	cut = fractionOf(rem, pow10[k-19])
	switch {
	case first == 0:
	case cut == exact:
		cut = belowHalf
	case cut == half:
		cut = aboveHalf
	}
	return h, l, cut
}

func cmp128(ahi, alo, bhi, blo uint64) int {
	switch {
	case ahi < bhi || ahi == bhi && alo < blo:
		return -1
	case ahi == bhi && alo == blo:
		return 0
	}
	return 1
}

func digits64(x uint64) int {
	n := bits.Len64(x|1) * 1233 >> 12 // log10(2) = 0.301, so that n or n+1 is the number of digits
	if n < len(pow10) && x >= pow10[n] {
		n++
	}
	return max(n, 1)
}

func digits128(hi, lo uint64) int {
	if hi == 0 {
		return digits64(lo)
	}
	hi, lo, _ = div128(hi, lo, pow10[19])
	return 19 + digits128(hi, lo)
}
