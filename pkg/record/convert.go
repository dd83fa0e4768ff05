package record

import (
	"math"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"
)

// Convert returns v as a value of another kind. Nothing is lost on the way: 2.0 becomes the int 2, 1.5 is an error of
// class validation; only a datetime that becomes a date loses its time of day. Null and absent stay what they are.
//
//	from            to
//	text            any, by Parse
//	any             text: the canonical form, in the format's separator and layouts; bytes only where they are UTF-8
//	int             decimal; float where it holds the int exactly; bool where it is 0 or 1
//	decimal         int where it has no fraction; float where the float's shortest text is the same number; bool: 0 or 1
//	float           decimal: its shortest text; int where it has no fraction
//	bool            int, decimal: 0 or 1
//	date            datetime: midnight in Location, or without a zone where there is none
//	datetime        date: the day in Location, or as it reads where there is none
//	json            int, decimal, float, bool where the JSON is such a scalar
//	any but bytes   json
//	text            bytes
func (f *Format) Convert(v Value, kind Kind) (Value, error) { return f.ConvertIn(nil, v, kind) }

// ConvertIn is Convert with the texts it makes in arena, or in memory of their own where arena is nil.
func (f *Format) ConvertIn(arena *Arena, v Value, kind Kind) (Value, error) {
	if v.kind == kind || kind == Absent || v.IsNull() {
		return v, nil
	}
	switch {
	case v.kind == Text:
		return f.Parse(kind, v.text)
	case kind == Text:
		return f.toText(arena, v)
	case kind == JSON && v.kind != Bytes && v.Finite():
		var buf [64]byte
		return OfJSON(keep(arena, v.AppendJSON(buf[:0]))), nil
	}
	out, ok := f.toKind(v, kind)
	if !ok {
		return Value{}, noConversion(v, kind)
	}
	return out, nil
}

func (f *Format) toKind(v Value, kind Kind) (Value, bool) {
	switch kind {
	case Int:
		return toInt(v)
	case Decimal:
		return toDecimal(v)
	case Float:
		return toFloat(v)
	case Bool:
		return toBool(v)
	case Date:
		if v.kind == DateTime {
			return f.toDate(v), true
		}
	case DateTime:
		if v.kind == Date {
			return f.toDateTime(v), true
		}
	}
	return Value{}, false
}

func toInt(v Value) (Value, bool) {
	switch v.kind {
	case Bool:
		return OfInt(int64(v.lo)), true
	case Decimal:
		i, ok := v.Number().Int64()
		return OfInt(i), ok
	case Float:
		x := v.Float()
		return OfInt(int64(x)), x == math.Trunc(x) && x >= -1<<63 && x < 1<<63
	case JSON:
		ok := v.SetInt(strings.TrimSpace(v.text))
		return v, ok
	}
	return Value{}, false
}

func toDecimal(v Value) (Value, bool) {
	switch v.kind {
	case Bool, Int:
		return OfNumber(NumberFromInt(int64(v.lo))), true
	case Float:
		n, err := NumberFromFloat(v.Float())
		return OfNumber(n), err == nil
	case JSON:
		ok := v.SetDecimal(strings.TrimSpace(v.text))
		return v, ok
	}
	return Value{}, false
}

func toFloat(v Value) (Value, bool) {
	switch v.kind {
	case Int:
		x := float64(int64(v.lo))
		return OfFloat(x), x < 1<<63 && int64(x) == int64(v.lo)
	case Decimal:
		x := v.Number().Float64()
		n, err := NumberFromFloat(x)
		return OfFloat(x), err == nil && n.Cmp(v.Number()) == 0
	case JSON:
		return (&Format{}).parseFloat(strings.TrimSpace(v.text))
	}
	return Value{}, false
}

func toBool(v Value) (Value, bool) {
	switch v.kind {
	case Int, Decimal:
		i, ok := v.Number().Int64()
		return OfBool(i == 1), ok && (i == 0 || i == 1)
	case JSON:
		ok := v.setBool(strings.TrimSpace(v.text))
		return v, ok
	}
	return Value{}, false
}

func (f *Format) toDate(v Value) Value {
	if v.Zoned() && f.Location != nil {
		return OfDate(v.Moment().In(f.Location))
	}
	return OfDate(v.Wall())
}

func (f *Format) toDateTime(v Value) Value {
	if f.Location == nil {
		return OfLocalTime(v.Wall())
	}
	return f.Locate(OfLocalTime(v.Wall()))
}

// Locate returns a datetime without a zone as the moment at which clocks in Location read so; other values as they are.
func (f *Format) Locate(v Value) Value {
	if v.kind != DateTime || v.Zoned() || f.Location == nil {
		return v
	}
	return OfTime(InLocation(v.Wall(), f.Location))
}

func (f *Format) toText(arena *Arena, v Value) (Value, error) {
	if v.kind == Bytes && !utf8.ValidString(v.text) {
		return Value{}, noConversion(v, Text)
	}
	if v.kind >= Text {
		return OfText(v.text), nil
	}
	var buf [64]byte
	text := buf[:0]
	switch {
	case v.kind == Date && f.Date != "":
		text = v.Wall().AppendFormat(text, f.Date)
	case v.kind == DateTime && f.DateTime != "":
		text = v.Time().AppendFormat(text, f.DateTime)
	case v.flag&flagPlain != 0 && f.DecimalSeparator == 0:
		return OfText(v.text), nil
	default:
		text = v.AppendCanonical(text)
	}
	if f.DecimalSeparator != 0 && (v.kind == Decimal || v.kind == Float) {
		for i, c := range text {
			if c == '.' {
				text[i] = f.DecimalSeparator
			}
		}
	}
	return OfText(keep(arena, text)), nil
}

// keep copies b, which may lie on the stack.
func keep(arena *Arena, b []byte) string {
	if arena == nil {
		return string(b)
	}
	return arena.Copy(b)
}

func noConversion(v Value, kind Kind) error {
	e := fault.New(fault.Validation, "%s is not %s", describe(v), withArticle(kind)).WithCode("type_mismatch")
	if kind == Int && (v.kind == Decimal || v.kind == Float) {
		e.Hint = "round or truncate it first: nothing is cut off silently"
	}
	return e
}

// describe names a value in a message: texts quoted, others as they are, what has no short text by its kind.
func describe(v Value) string {
	switch v.kind {
	case Bytes, JSON:
		return "the " + v.kind.String() + " value"
	case Date, DateTime:
		return "the " + v.kind.String() + " " + v.String()
	}
	return clip(v.String())
}
