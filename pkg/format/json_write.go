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
	keys  [][]byte // "name":
}

// SetColumns says what the objects' keys are, in their order.
func (w *JSONWriter) SetColumns(names []string) error {
	w.names, w.keys = names, make([][]byte, len(names))
	for i, name := range names {
		if !utf8.ValidString(name) {
			return fault.New(fault.Validation, "the column name %q is not UTF-8", name)
		}
		w.keys[i] = append(record.AppendJSONString(nil, name), ':')
	}
	return nil
}

// AppendRecord appends one object: the values of r at positions, one for each column; a negative position is absent. A
// text that is not UTF-8 is an error of class validation, and dst then to be cut back by the caller.
func (w *JSONWriter) AppendRecord(dst []byte, r record.Record, positions []int) ([]byte, error) {
	dst = append(dst, '{')
	empty := true
	for i, at := range positions {
		if at < 0 || at >= len(r.Values) {
			continue
		}
		v := &r.Values[at]
		kind := v.Kind()
		if kind == record.Absent {
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = append(dst, w.keys[i]...)
		if (kind == record.Text || kind == record.JSON) && !utf8.ValidString(v.Text()) {
			return dst, notUTF8(w.names[i], v.Text())
		}
		if !v.Finite() {
			return dst, notFinite(w.names[i], *v)
		}
		if kind == record.Decimal && w.DecimalsAsText {
			dst = append(v.AppendCanonical(append(dst, '"')), '"')
			continue
		}
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}'), nil
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
