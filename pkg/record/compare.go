package record

import (
	"cmp"
	"math"
	"strings"
)

// Compare returns -1, 0 or 1 as v is less than, equal to or greater than w. ok is false where the two have no order:
// one is null, they are of kinds that do not go together, a float is NaN, or only one of two datetimes knows its offset.
// Numbers of all kinds compare by their exact values, texts by their bytes, false comes before true.
func (v Value) Compare(w Value) (order int, ok bool) {
	if v.kind != w.kind {
		if v.kind.Numeric() && w.kind.Numeric() {
			return compareNumbers(v, w)
		}
		return 0, false
	}
	switch v.kind {
	case Int:
		return cmp.Compare(int64(v.lo), int64(w.lo)), true
	case Decimal:
		return v.Number().Cmp(w.Number()), true
	case Float:
		a, b := v.Float(), w.Float()
		return cmp.Compare(a, b), a == a && b == b
	case Text, Bytes:
		return strings.Compare(v.text, w.text), true
	case Bool:
		return cmp.Compare(v.lo, w.lo), true
	case Date:
		return cmp.Compare(int64(v.hi), int64(w.hi)), true
	case DateTime:
		if c := cmp.Compare(int64(v.hi), int64(w.hi)); c != 0 {
			return c, v.Zoned() == w.Zoned()
		}
		return cmp.Compare(v.lo, w.lo), v.Zoned() == w.Zoned()
	case JSON:
		return 0, v.text == w.text
	}
	return 0, false
}

// Equal reports whether v and w are the same: null and absent are, 1 and 1.0 are; values of kinds that do not go
// together are not. Two JSON values are the same where their texts are.
func (v Value) Equal(w Value) bool {
	if v.IsNull() || w.IsNull() {
		return v.IsNull() && w.IsNull()
	}
	order, ok := v.Compare(w)
	return ok && order == 0
}

// Numeric reports whether k is Int, Float or Decimal.
func (k Kind) Numeric() bool { return k == Int || k == Float || k == Decimal }

// compareNumbers compares numbers of different kinds.
func compareNumbers(v, w Value) (int, bool) {
	if v.kind == Float {
		order, ok := compareNumbers(w, v)
		return -order, ok
	}
	if w.kind != Float {
		return v.Number().Cmp(w.Number()), true
	}
	f := w.Float()
	if math.IsNaN(f) {
		return 0, false
	}
	if math.IsInf(f, 0) {
		return cmp.Compare(0, f), true
	}
	n, err := NumberFromFloat(f)
	return v.Number().Cmp(n), err == nil
}
