package record

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// Format says how texts stand for values. The zero Format is ISO 8601 dates and a decimal point.
type Format struct {
	DecimalSeparator byte           // '.' where 0
	Date             string         // a Go layout, see Layout; 2006-01-02 where empty
	DateTime         string         // a Go layout, see Layout; ISO 8601 in its usual forms where empty
	Location         *time.Location // of wall clock readings that are converted to moments
}

// Parse returns the value of a kind that text stands for, keeping the text. It is strict: all of the text must be the
// value, so "12abc" is no int and "1.9" neither. The error, of class validation, says `"12abc" is not an int`.
func (f *Format) Parse(kind Kind, text string) (Value, error) {
	v, ok := f.parse(kind, text)
	if !ok {
		return Value{}, f.mismatch(kind, text)
	}
	return v, nil
}

func (f *Format) parse(kind Kind, text string) (v Value, ok bool) {
	switch kind {
	case Text, Absent:
		return OfText(text), true
	case Int:
		return parseInt(text)
	case Decimal:
		return f.parseDecimal(text)
	case Float:
		return f.parseFloat(text)
	case Bool:
		return parseBool(text)
	case Date:
		return f.parseDate(text)
	case DateTime:
		return f.parseDateTime(text)
	case Bytes:
		return OfBytes(text), true
	case JSON:
		return OfJSON(text), json.Valid(unsafeBytes(text))
	}
	return Value{}, false
}

func parseInt(text string) (Value, bool) {
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return Value{}, false
	}
	if isPlainNumber(text) {
		return OfInt(i).withPlainText(text), true
	}
	return OfInt(i).WithText(text), true
}

// isPlainNumber reports whether a text that is known to be a number is written as Number.Append would.
func isPlainNumber(text string) bool {
	if text[0] == '-' {
		return len(text) > 1 && text[1] >= '1' && text[1] <= '9' && text[len(text)-1] != '.' && strings.IndexByte(text, 'e') < 0 &&
			strings.IndexByte(text, 'E') < 0
	}
	if text[0] == '0' && len(text) > 1 && text[1] != '.' || text[0]-'0' > 9 {
		return false
	}
	for _, c := range []byte(text) {
		if c > '9' {
			return false
		}
	}
	return text[len(text)-1] != '.'
}

func (f *Format) parseDecimal(text string) (Value, bool) {
	if f.DecimalSeparator == 0 || f.DecimalSeparator == '.' {
		n, err := ParseNumber(text)
		if err != nil {
			return Value{}, false
		}
		if isPlainNumber(text) {
			return ofNumber(n).withPlainText(text), true
		}
		return ofNumber(n).withForm(text, '.'), true
	}
	var buf [64]byte
	plain, ok := f.pointed(buf[:0], text)
	if !ok {
		return Value{}, false
	}
	if n, short := parseShort(plain); short {
		return OfNumber(n).WithText(text), true
	}
	n, err := ParseNumber(strings.Clone(plain))
	return ofNumber(n).withForm(text, f.DecimalSeparator), err == nil
}

// ofNumber is OfNumber without the text of a number of more than 128 bits.
func ofNumber(n Number) Value {
	if n.wide != nil {
		return Value{kind: Decimal, flag: flagWide}
	}
	return OfNumber(n)
}

// withForm returns v, made by ofNumber, as read from text.
func (v Value) withForm(text string, separator byte) Value {
	v.text = text
	if v.flag&flagWide != 0 {
		v.aux = int32(separator)
	}
	return v
}

// pointed returns text with a point for the decimal separator, in buf; false where it has a point already.
func (f *Format) pointed(buf []byte, text string) (string, bool) {
	if strings.IndexByte(text, '.') >= 0 {
		return "", false
	}
	buf = append(buf, text...)
	if at := strings.IndexByte(text, f.DecimalSeparator); at >= 0 {
		buf[at] = '.'
	}
	return String(buf), true
}

// parseFloat reads a float in decimal notation; names such as NaN and hexadecimal are refused.
func (f *Format) parseFloat(text string) (Value, bool) {
	var buf [64]byte
	plain, ok := text, true
	if f.DecimalSeparator != 0 && f.DecimalSeparator != '.' {
		plain, ok = f.pointed(buf[:0], text)
	}
	for _, c := range []byte(plain) {
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			return Value{}, false
		}
	}
	x, err := strconv.ParseFloat(plain, 64)
	return OfFloat(x).WithText(text), ok && err == nil
}

func parseBool(text string) (Value, bool) {
	switch {
	case text == "true" || text == "false":
		return OfBool(text == "true").withPlainText(text), true
	case strings.EqualFold(text, "true"):
		return OfBool(true).WithText(text), true
	case strings.EqualFold(text, "false"):
		return OfBool(false).WithText(text), true
	}
	return Value{}, false
}

func (f *Format) parseDate(text string) (Value, bool) {
	if f.Date == "" || f.Date == time.DateOnly {
		v, ok := parseDate(text)
		return v.withPlainText(text), ok
	}
	t, err := time.Parse(f.Date, text)
	return OfDate(t).WithText(text), err == nil
}

func (f *Format) parseDateTime(text string) (Value, bool) {
	if f.DateTime == "" {
		v, ok := parseISO(text)
		return v.WithText(text), ok
	}
	t, err := time.Parse(f.DateTime, text)
	if err != nil {
		return Value{}, false
	}
	if layoutHasZone(f.DateTime) {
		return OfTime(t).WithText(text), true
	}
	return OfLocalTime(t).WithText(text), true
}

func (f *Format) mismatch(kind Kind, text string) error {
	e := fault.New(fault.Validation, "%q is not %s", clip(text), withArticle(kind)).WithCode("type_mismatch")
	switch {
	case text == "":
		e.Hint = "an empty text is no " + kind.String() + ": say what stands for null with null_text, or give the column a default"
	case strings.TrimSpace(text) != text:
		e.Hint = "there are blanks around it"
	case (kind == Decimal || kind == Float) && f.readsWithComma(kind, text):
		e.Hint = `set decimal_separator: ","`
	case kind == Int && f.readsAs(Decimal, text):
		e.Hint = "the column is a decimal"
	case kind == Date && f.readsAs(DateTime, text):
		e.Hint = "the column is a datetime"
	}
	return e
}

func (f *Format) readsAs(kind Kind, text string) bool {
	_, ok := f.parse(kind, text)
	return ok
}

func (f *Format) readsWithComma(kind Kind, text string) bool {
	if f.DecimalSeparator != 0 && f.DecimalSeparator != '.' {
		return false
	}
	return (&Format{DecimalSeparator: ','}).readsAs(kind, text)
}

// withArticle returns "an int", "a decimal".
func withArticle(kind Kind) string {
	if kind == Int || kind == Absent {
		return "an " + kind.String()
	}
	return "a " + kind.String()
}
