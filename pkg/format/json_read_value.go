package format

import (
	"strconv"

	"batchctl/pkg/record"
)

// Value returns the field's value: null, a boolean, an int with its text, a decimal with its text, a text, or the JSON
// of an object, an array, or a number with an exponent or more digits than a decimal takes. raw is the record's Raw as
// a text that lives as long as the value; a text with escapes is unescaped into the arena.
func (f *JSONField) Value(raw string, arena *record.Arena) record.Value {
	text := raw[f.Start:f.End]
	switch f.Kind {
	case record.Null:
		return record.NullValue
	case record.Bool:
		return record.OfBool(text == "true").WithText(text)
	case record.Text:
		return record.OfText(f.Text(raw, arena))
	case record.Int, record.Decimal:
		return numberValue(text, f.Kind == record.Int)
	}
	return record.OfJSON(text)
}

// Text returns a text field's text, unescaped; of any other its JSON.
func (f *JSONField) Text(raw string, arena *record.Arena) string {
	text := raw[f.Start:f.End]
	if !f.Escaped {
		return text
	}
	room := arena.Alloc(len(text)) // escapes are never shorter than what they stand for
	return record.String(appendUnescaped(room[:0], []byte(text)))
}

// maxIntDigits is how many characters an int has at most, with its sign.
const maxIntDigits = 20

func numberValue(text string, integer bool) record.Value {
	if integer && len(text) <= maxIntDigits {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return record.OfInt(i).WithText(text)
		}
	}
	n, err := record.ParseNumber(text)
	if err != nil {
		return record.OfJSON(text)
	}
	return record.OfNumber(n).WithText(text)
}
