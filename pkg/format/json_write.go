package format

import (
	"strconv"
	"unicode/utf8"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// JSONWriter makes JSON objects (RFC 8259) of records, each on one line. It makes no allocation for a record.
//
// Nulls are written as null, absent fields left out. Decimals are numbers with their own digits, or strings where
// DecimalsAsText says so, for readers that hold numbers in floats; dates and datetimes are strings as in ISO 8601, bytes
// base64 strings, JSON values stand as they were read but for line breaks.
type JSONWriter struct {
	DecimalsAsText bool

	names []string
	keys  [][]byte // ,"name":
}

// SetColumns says what the objects' keys are, in their order.
func (w *JSONWriter) SetColumns(names []string) error {
	w.names, w.keys = names, make([][]byte, len(names))
	for i, name := range names {
		if !utf8.ValidString(name) {
			return fault.New(fault.Validation, "the column name %q is not UTF-8", name)
		}
		w.keys[i] = append(record.AppendJSONString([]byte{','}, name), ':')
	}
	return nil
}

// AppendRecord appends one object: the values of r at positions, one for each column; a negative position is absent. A
// text that is not UTF-8 is an error of class validation, and dst then to be cut back by the caller.
func (w *JSONWriter) AppendRecord(dst []byte, r record.Record, positions []int) ([]byte, error) {
	dst = append(dst, '{')
	comma := 1 // of the first key, which has none before it
	for i, at := range positions {
		if at < 0 || at >= len(r.Values) || r.Values[at].Kind() == record.Absent {
			continue
		}
		dst = append(dst, w.keys[i][comma:]...)
		comma = 0
		var err error
		if dst, err = w.appendValue(dst, i, &r.Values[at]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendValue appends the value of a column.
func (w *JSONWriter) appendValue(dst []byte, column int, v *record.Value) ([]byte, error) {
	switch v.Kind() {
	case record.Text:
		dst, valid := record.AppendJSONText(dst, v.Text())
		if !valid {
			return dst, notUTF8(w.names[column], v.Text())
		}
		return dst, nil
	case record.JSON:
		if !utf8.ValidString(v.Text()) {
			return dst, notUTF8(w.names[column], v.Text())
		}
	case record.Float:
		if !v.Finite() {
			return dst, notFinite(w.names[column], *v)
		}
	case record.Decimal:
		if w.DecimalsAsText {
			return append(v.AppendCanonical(append(dst, '"')), '"'), nil
		}
	}
	return v.AppendJSON(dst), nil
}

// notFinite is the error for a float that JSON has no number for.
func notFinite(column string, v record.Value) error {
	return fault.New(fault.Validation, "column %s: %s is not a number in JSON", column, v.AppendCanonical(nil)).
		WithHint("filter such records, or convert the column to text")
}

func notUTF8(column, text string) error {
	const shown = 40
	if len(text) > shown {
		text = text[:shown]
	}
	return fault.New(fault.Validation, "column %s: %s is not UTF-8, which JSON asks for", column, strconv.Quote(text)).
		WithHint("set the encoding of the file on the reader, or drop the column")
}
