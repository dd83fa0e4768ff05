// Package record is what flows through a job: values, schemas, records, and the chunks that own their memory.
package record

import (
	"math"
	"strings"
	"time"
)

// Kind is the sort of a value, and the type a column can be declared as.
type Kind uint8

const (
	Absent   Kind = iota // the record has no such field: a JSON object without the key
	Null                 // the field is there and has no value
	Bool                 // true or false
	Int                  // 64 bits, signed
	Float                // IEEE 754 binary64
	Decimal              // exact, see type Number
	Date                 // a day of the calendar, without a zone
	DateTime             // a moment with its zone's offset, or a wall clock reading without one; nanoseconds
	Text                 // UTF-8
	Bytes                // any bytes
	JSON                 // a JSON text as it was read: an object, an array, or a number that fits no other kind
)

var kindNames = [...]string{"absent", "null", "bool", "int", "float", "decimal", "date", "datetime", "text", "bytes", "json"}

// String returns the name that a definition uses.
func (k Kind) String() string { return kindNames[k] }

// Value is one field of one record: a closed union of 40 bytes that holds no pointer but its text. A value that was read
// from text keeps that text, so that writing it unchanged gives the bytes that were read. The text may lie in a chunk's
// arena: whoever keeps a value longer than the chunk calls Clone.
type Value struct {
	text string
	lo   uint64 // Bool, Int, Float: the bits; Decimal: low half of the coefficient; DateTime: nanoseconds
	hi   uint64 // Decimal: high half of the coefficient; Date: days since 1970-01-01; DateTime: seconds since then
	aux  int32  // Decimal: scale, or where wide the text's decimal separator; DateTime: offset east of UTC in seconds
	kind Kind
	flag uint8
}

const (
	flagNegative uint8 = 1 << iota // Decimal: the coefficient counts negative
	flagWide                       // Decimal: more than 128 bits, to be had from the text
	flagZoned                      // DateTime: the offset is known
	flagPlain                      // the text is the canonical form
)

// NullValue is null; the zero Value is absent.
var NullValue = Value{kind: Null}

// OfBool returns b as a value.
func OfBool(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.lo = 1
	}
	return v
}

// OfInt returns i as a value.
func OfInt(i int64) Value { return Value{kind: Int, lo: uint64(i)} }

// OfFloat returns f as a value.
func OfFloat(f float64) Value { return Value{kind: Float, lo: math.Float64bits(f)} }

// OfText returns s as a value; it does not copy s.
func OfText(s string) Value { return Value{kind: Text, text: s} }

// OfBytes returns the bytes of s as a value; it does not copy them.
func OfBytes(s string) Value { return Value{kind: Bytes, text: s} }

// OfJSON returns a JSON text as a value; it does not copy or check it.
func OfJSON(s string) Value { return Value{kind: JSON, text: s} }

// OfNumber returns a decimal as a value. One of more than 128 bits is held as a text, which is made here.
func OfNumber(n Number) Value {
	if n.wide != nil {
		return Value{kind: Decimal, flag: flagWide | flagPlain, text: n.String()}
	}
	v := Value{kind: Decimal, hi: n.hi, lo: n.lo, aux: n.scale}
	if n.negative {
		v.flag = flagNegative
	}
	return v
}

// OfDate returns the day of t in t's zone.
func OfDate(t time.Time) Value {
	_, offset := t.Zone()
	seconds := t.Unix() + int64(offset)
	return OfDays(floorDiv(seconds, secondsPerDay))
}

// OfDays returns the day that many days after 1970-01-01.
func OfDays(days int64) Value { return Value{kind: Date, hi: uint64(days)} }

const secondsPerDay = 86400

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// OfTime returns the moment t with its offset.
func OfTime(t time.Time) Value {
	_, offset := t.Zone()
	return Value{kind: DateTime, flag: flagZoned, hi: uint64(t.Unix()), lo: uint64(t.Nanosecond()), aux: int32(offset)}
}

// OfLocalTime returns the wall clock reading of t, without a zone.
func OfLocalTime(t time.Time) Value {
	_, offset := t.Zone()
	return Value{kind: DateTime, hi: uint64(t.Unix() + int64(offset)), lo: uint64(t.Nanosecond())}
}

// WithText returns v as read from the text s, which it does not copy. A decimal of more than 128 bits keeps the text it
// has where s is not a plain notation of it.
func (v Value) WithText(s string) Value {
	if v.flag&flagWide != 0 {
		if n, err := ParseNumber(s); err != nil || n.Cmp(v.Number()) != 0 {
			return v
		}
		v.aux = 0
	}
	v.text = s
	v.flag &^= flagPlain
	return v
}

// WithoutText returns v without the text it was read from, so that it is written in canonical form. Kinds whose text is
// the value stay as they are.
func (v Value) WithoutText() Value {
	if v.kind >= Text || v.flag&flagWide != 0 {
		return v
	}
	v.text = ""
	v.flag &^= flagPlain
	return v
}

// Kind returns the sort of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null or absent.
func (v Value) IsNull() bool { return v.kind <= Null }

// Bool returns a Bool's value.
func (v Value) Bool() bool { return v.lo != 0 }

// Int returns an Int's value.
func (v Value) Int() int64 { return int64(v.lo) }

// Float returns a Float's value.
func (v Value) Float() float64 { return math.Float64frombits(v.lo) }

// Number returns a Decimal's or an Int's value.
func (v Value) Number() Number {
	switch {
	case v.kind == Int:
		return NumberFromInt(int64(v.lo))
	case v.flag&flagWide != 0:
		return v.wideNumber()
	}
	return Number{hi: v.hi, lo: v.lo, form: form{v.aux, v.flag&flagNegative != 0}}
}

// wideNumber reads a decimal of more than 128 bits from the text that holds it.
func (v Value) wideNumber() Number {
	text := v.text
	if v.aux != 0 {
		text = strings.ReplaceAll(text, string(rune(v.aux)), ".")
	}
	n, _ := ParseNumber(text)
	return n
}

// Wall returns a DateTime's wall clock reading, as if it were UTC; a Date's midnight. It does not allocate.
func (v Value) Wall() time.Time {
	if v.kind == Date {
		return time.Unix(int64(v.hi)*secondsPerDay, 0).UTC()
	}
	return time.Unix(int64(v.hi)+int64(v.aux), int64(v.lo)).UTC()
}

// Days returns a Date's days since 1970-01-01.
func (v Value) Days() int64 { return int64(v.hi) }

// Moment returns a zoned DateTime's moment in UTC. It does not allocate.
func (v Value) Moment() time.Time { return time.Unix(int64(v.hi), int64(v.lo)).UTC() }

// Time returns a DateTime's moment, or its wall clock reading as UTC where it has no zone; a Date's midnight in UTC.
func (v Value) Time() time.Time {
	if v.kind == Date {
		return v.Wall()
	}
	t := time.Unix(int64(v.hi), int64(v.lo))
	if v.flag&flagZoned == 0 || v.aux == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", int(v.aux)))
}

// Zoned reports whether a DateTime knows its offset from UTC.
func (v Value) Zoned() bool { return v.flag&flagZoned != 0 }

// Text returns the text that v holds: all of a Text, Bytes or JSON; of other kinds what they were read from, or "".
func (v Value) Text() string { return v.text }

// Clone returns v with a text of its own, that outlives the chunk it came from.
func (v Value) Clone() Value {
	v.text = strings.Clone(v.text)
	return v
}
