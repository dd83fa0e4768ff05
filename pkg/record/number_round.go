package record

// rounding says which way a number goes that lies between two results.
type rounding uint8

const (
	halfAwayFromZero rounding = iota
	halfToEven
	towardZero
	down
	up
)

// up reports whether a number without its sign, of which cut was taken away, becomes one unit larger. odd is about the
// last digit that is left.
func (r rounding) up(cut fraction, odd, negative bool) bool {
	switch r {
	case halfAwayFromZero:
		return cut >= half
	case halfToEven:
		return cut == aboveHalf || cut == half && odd
	case down:
		return cut != exact && negative
	case up:
		return cut != exact && !negative
	}
	return false
}

// Round returns n with places digits behind the point, as SQL's round: half away from zero, and zeros added where n has
// fewer. Negative places round to tens, hundreds, ... and leave a scale of 0.
func (n Number) Round(places int) (Number, error) { return n.rescale(places, halfAwayFromZero) }

// RoundEven is Round with halves going to the even neighbour, as bankers do it: 0.125 gives 0.12.
func (n Number) RoundEven(places int) (Number, error) { return n.rescale(places, halfToEven) }

// Trunc is Round towards zero.
func (n Number) Trunc(places int) (Number, error) { return n.rescale(places, towardZero) }

// Floor returns the largest integer that is not above n.
func (n Number) Floor() (Number, error) { return n.rescale(0, down) }

// Ceil returns the smallest integer that is not below n.
func (n Number) Ceil() (Number, error) { return n.rescale(0, up) }

func (n Number) rescale(places int, mode rounding) (Number, error) {
	if places < -maxDigits || places > maxDigits {
		return Number{}, errOverflow()
	}
	cut := n.scale - int32(places)
	if cut <= 0 {
		return n.pad(-cut)
	}
	rounded, err := n.cut(cut, mode)
	if places >= 0 || err != nil {
		return rounded, err
	}
	rounded, err = rounded.withScale(0).pad(int32(-places)) // what is left counts tens, hundreds, ...
	if err != nil {
		return Number{}, err
	}
	return rounded.withScale(0), nil
}

// cut takes the last k digits away.
func (n Number) cut(k int32, mode rounding) (Number, error) {
	if n.wide != nil {
		return roundWide(n, k, mode)
	}
	hi, lo, rest := divPow10(n.hi, n.lo, k)
	if mode.up(rest, lo&1 == 1, n.negative) {
		lo++
		if lo == 0 {
			hi++
		}
	}
	return narrow(hi, lo, n.scale-k, n.negative), nil
}

// pad adds k zeros at the end.
func (n Number) pad(k int32) (Number, error) {
	if k == 0 {
		return n, nil
	}
	if n.wide == nil && n.scale+k <= maxDigits {
		if hi, lo, ok := mulPow10(n.hi, n.lo, k); ok {
			return narrow(hi, lo, n.scale+k, n.negative), nil
		}
	}
	return fromSigned(n.signedBig(k), n.scale+k)
}

// withScale returns the number that n's coefficient is with another scale.
func (n Number) withScale(scale int32) Number {
	if n.wide != nil {
		return fromBig(n.big(), scale, n.Sign() < 0)
	}
	n.scale = scale
	return n
}
