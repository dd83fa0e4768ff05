package record

import (
	"strconv"
	"strings"
)

// The methods of this file make a value where it lies. A Value is too large for registers, so one that is returned is
// copied on its way into a row.

// SetText makes v the text s, which it does not copy.
func (v *Value) SetText(s string) { v.set(Text, 0, s, 0) }

// set sets all that values of most kinds have.
func (v *Value) set(kind Kind, lo uint64, text string, flag uint8) {
	v.text, v.lo, v.hi, v.aux, v.kind, v.flag = text, lo, 0, 0, kind, flag
}

// SetInt makes v the int that a text stands for, and keeps the text; false, with v undefined, where it stands for none.
func (v *Value) SetInt(text string) bool {
	if i, ok := plainInt(text); ok {
		v.set(Int, uint64(i), text, flagPlain)
		return true
	}
	i, err := strconv.ParseInt(text, 10, 64)
	v.set(Int, uint64(i), text, 0)
	var buf [20]byte
	if string(strconv.AppendInt(buf[:0], i, 10)) == text {
		v.flag = flagPlain
	}
	return err == nil
}

// plainInt reads an int of up to 18 digits that is written as strconv.AppendInt would.
func plainInt(s string) (i int64, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for at := range len(digits) {
		c := digits[at] - '0'
		if c > 9 {
			return 0, false
		}
		i = i*10 + int64(c)
	}
	if len(digits) < len(s) {
		i = -i
	}
	return i, true
}

// SetDecimal makes v the decimal that a text with a point stands for, as ParseNumber reads it, and keeps the text; false,
// with v undefined, where it stands for none.
func (v *Value) SetDecimal(text string) bool {
	if coefficient, scale, ok := plainDecimal(text); ok {
		v.set(Decimal, coefficient, text, flagPlain)
		v.aux = scale
		if text[0] == '-' {
			v.flag |= flagNegative
		}
		return true
	}
	n, err := ParseNumber(text)
	if err != nil {
		return false
	}
	*v = ofNumber(n).withForm(text, '.')
	return true
}

// plainDecimal reads a decimal of up to 19 digits that is written as Number.Append would. Of those below zero it leaves
// the ones that begin with 0, which may be none.
func plainDecimal(s string) (coefficient uint64, scale int32, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	switch {
	case len(digits) == 0 || len(digits) > 20 || digits[0]-'0' > 9 || digits[len(digits)-1]-'0' > 9:
		return 0, 0, false
	case digits[0] == '0' && len(s) > 1 && (len(digits) < len(s) || digits[1] != '.'):
		return 0, 0, false
	}
	point := len(digits) - 1 // as if it stood behind the last digit
	for at := range len(digits) {
		c := digits[at] - '0'
		if c > 9 {
			if digits[at] != '.' || scale > 0 {
				return 0, 0, false
			}
			point, scale = at, int32(len(digits)-at-1)
			continue
		}
		coefficient = coefficient*10 + uint64(c)
	}
	return coefficient, scale, scale > 0 || point < 19
}

// setBool makes v what true or false, in whatever case, stands for.
func (v *Value) setBool(text string) bool {
	switch {
	case text == "true":
		v.set(Bool, 1, text, flagPlain)
	case text == "false":
		v.set(Bool, 0, text, flagPlain)
	case strings.EqualFold(text, "true"):
		v.set(Bool, 1, text, 0)
	case strings.EqualFold(text, "false"):
		v.set(Bool, 0, text, 0)
	default:
		return false
	}
	return true
}
