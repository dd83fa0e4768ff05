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
