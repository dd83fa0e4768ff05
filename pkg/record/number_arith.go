package record

import "math/bits"

// Add returns n + m, exactly. The scale is the larger one. More than 1000 digits are an error of class validation, here
// and in the other operations.
func (n Number) Add(m Number) (Number, error) {
	if n.wide != nil || m.wide != nil {
		return addWide(n, m, false)
	}
	if sum, ok := addNarrow(n, m); ok {
		return sum, nil
	}
	return addWide(n, m, false)
}

// Sub returns n - m, exactly.
func (n Number) Sub(m Number) (Number, error) {
	if n.wide != nil || m.wide != nil {
		return addWide(n, m, true)
	}
	m.negative = !m.negative
	if difference, ok := addNarrow(n, m); ok {
		return difference, nil
	}
	m.negative = !m.negative
	return addWide(n, m, true)
}

func addNarrow(n, m Number) (Number, bool) {
	if !align(&n, &m) {
		return Number{}, false
	}
	if n.negative == m.negative {
		lo, carry := bits.Add64(n.lo, m.lo, 0)
		hi, carry := bits.Add64(n.hi, m.hi, carry)
		return narrow(hi, lo, n.scale, n.negative), carry == 0
	}
	if cmp128(n.hi, n.lo, m.hi, m.lo) < 0 {
		n, m = m, n
	}
	lo, borrow := bits.Sub64(n.lo, m.lo, 0)
	hi, _ := bits.Sub64(n.hi, m.hi, borrow)
	return narrow(hi, lo, n.scale, n.negative), true
}

// align brings two narrow numbers to the larger scale; false, and nothing changed, where 128 bits do not hold them there.
func align(n, m *Number) bool {
	if n.scale == m.scale {
		return true
	}
	if n.scale > m.scale {
		n, m = m, n
	}
	hi, lo, ok := mulPow10(n.hi, n.lo, m.scale-n.scale)
	if ok {
		n.hi, n.lo, n.scale = hi, lo, m.scale
	}
	return ok
}

// Mul returns n * m, exactly. The scale is the sum of both.
func (n Number) Mul(m Number) (Number, error) {
	scale := n.scale + m.scale
	if n.wide != nil || m.wide != nil || scale > maxDigits {
		return mulWide(n, m)
	}
	if n.hi != 0 {
		n, m = m, n
	}
	if n.hi == 0 {
		if hi, lo, ok := mul128(m.hi, m.lo, n.lo); ok {
			return narrow(hi, lo, scale, n.negative != m.negative), nil
		}
	}
	return mulWide(n, m)
}

// quotientDigits is how many digits behind the point a quotient has beyond the larger scale of its operands.
const quotientDigits = 20

// Quo returns n / m with 20 digits behind the point beyond the larger scale of both, half away from zero; zeros at the
// end of these 20 are left away, so 10 / 4 is 2.5 and 1.00 / 2 is 0.50. Dividing by 0 is an error of class validation.
func (n Number) Quo(m Number) (Number, error) {
	if m.Sign() == 0 {
		return Number{}, errDivision()
	}
	least := max(n.scale, m.scale)
	scale := min(least+quotientDigits, maxDigits)
	if n.wide == nil && m.wide == nil && m.hi == 0 {
		if hi, lo, ok := scaledQuo(n.hi, n.lo, scale-n.scale+m.scale, m.lo); ok {
			return trim(narrow(hi, lo, scale, n.negative != m.negative), least), nil
		}
	}
	q, err := quoWide(n, m, scale)
	return trim(q, least), err
}

// trim takes zeros at the end of n's fraction away, down to a scale of least.
func trim(n Number, least int32) Number {
	if n.wide != nil {
		return trimWide(n, least)
	}
	if n.hi|n.lo == 0 {
		n.scale = min(n.scale, least)
		return n
	}
	for _, step := range [...]int32{16, 8, 4, 2, 1} {
		for n.scale-step >= least && twos(n.hi, n.lo) >= int(step) { // what 10^k divides, 2^k does
			hi, lo, rem := div128(n.hi, n.lo, pow10[step])
			if rem != 0 {
				break
			}
			n.hi, n.lo, n.scale = hi, lo, n.scale-step
		}
	}
	return n
}

func trimWide(n Number, least int32) Number {
	coefficient, scale := n.big(), n.scale
	for _, step := range [...]int32{16, 8, 4, 2, 1} {
		for scale-step >= least && coefficient.TrailingZeroBits() >= uint(step) {
			q, cut := divBig(coefficient, bigPow10(step))
			if cut != exact {
				break
			}
			coefficient, scale = q, scale-step
		}
	}
	if scale == n.scale {
		return n
	}
	return fromBig(coefficient, scale, n.Sign() < 0)
}

// Trim returns n without the zeros at the end of its fraction, so that equal numbers look the same: 1.50 is 1.5.
func (n Number) Trim() Number { return trim(n, 0) }

// Mod returns what is left of n after taking m away a whole number of times; its sign is that of n, as in SQL. The
// scale is the larger one. Mod by 0 is an error of class validation.
func (n Number) Mod(m Number) (Number, error) {
	if m.Sign() == 0 {
		return Number{}, errDivision()
	}
	if n.wide == nil && m.wide == nil {
		a, b := n, m
		if align(&a, &b) && b.hi == 0 {
			_, _, rem := div128(a.hi, a.lo, b.lo)
			return narrow(0, rem, a.scale, n.negative), nil
		}
	}
	return modWide(n, m)
}

// Cmp returns -1, 0 or 1 as n is less than, equal to or greater than m. The scales do not matter: 1.5 equals 1.50.
func (n Number) Cmp(m Number) int {
	a, b := n.Sign(), m.Sign()
	if a != b {
		if a < b {
			return -1
		}
		return 1
	}
	if n.wide != nil || m.wide != nil || !align(&n, &m) {
		return cmpWide(n, m)
	}
	return a * cmp128(n.hi, n.lo, m.hi, m.lo)
}
