package format

import (
	"unsafe"

	"batchctl/pkg/record"
)

// Value returns the field's value: null, a boolean, an int with its text, a decimal with its text, a text, or the JSON
// of an object, an array, or a number with an exponent or more digits than a decimal takes. raw is the record's Raw as
// a text that lives as long as the value; a text with escapes is unescaped into the arena.
func (f *JSONField) Value(raw string, arena *record.Arena) (v record.Value) {
	f.ValueInto(&v, raw, arena)
	return v
}

// ValueInto is Value for a value that lies in a row already.
func (f *JSONField) ValueInto(v *record.Value, raw string, arena *record.Arena) {
	text := raw[f.Start:f.End]
	switch f.Kind {
	case record.Null:
		*v = record.NullValue
	case record.Bool:
		*v = record.OfBool(text == "true").WithText(text)
	case record.Text:
		v.SetText(f.Text(raw, arena))
	case record.Int:
		if !v.SetInt(text) && !v.SetDecimal(text) {
			*v = record.OfJSON(text)
		}
	case record.Decimal:
		if !v.SetDecimal(text) {
			*v = record.OfJSON(text)
		}
	default:
		*v = record.OfJSON(text)
	}
}

// Text returns a text field's text, unescaped; of any other its JSON.
func (f *JSONField) Text(raw string, arena *record.Arena) string {
	text := raw[f.Start:f.End]
	if !f.Escaped {
		return text
	}
	room := arena.Alloc(len(text)) // escapes are never shorter than what they stand for
	return record.String(appendUnescaped(room[:0], unsafe.Slice(unsafe.StringData(text), len(text))))
}
