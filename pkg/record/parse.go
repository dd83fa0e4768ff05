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
func (f *Format) Parse(kind Kind, text string) (v Value, err error) {
	err = f.ParseInto(&v, kind, text)
	return v, err
}

// ParseInto is Parse for a value that lies in a row already: it is made there, and not copied. Where text is refused v is
// absent.
func (f *Format) ParseInto(v *Value, kind Kind, text string) error {
	if !f.parse(v, kind, text) {
		*v = Value{}
		return f.mismatch(kind, text)
	}
	return nil
}

// parse sets v, all of it unless it returns false.
func (f *Format) parse(v *Value, kind Kind, text string) (ok bool) {
	switch kind {
	case Text, Absent:
		v.SetText(text)
		return true
	case Int:
		return v.SetInt(text)
	case Decimal:
		if f.DecimalSeparator == 0 || f.DecimalSeparator == '.' {
			return v.SetDecimal(text)
		}
		*v, ok = f.parseDecimal(text)
	case Float:
		*v, ok = f.parseFloat(text)
	case Bool:
		return v.setBool(text)
	case Date:
		return f.setDate(v, text)
	case DateTime:
		return f.setDateTime(v, text)
	case Bytes:
		*v, ok = OfBytes(text), true
	case JSON:
		*v, ok = OfJSON(text), json.Valid(unsafeBytes(text))
	}
	return ok
}

// parseDecimal reads a decimal with a separator that is not a point.
func (f *Format) parseDecimal(text string) (Value, bool) {
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

func (f *Format) setDate(v *Value, text string) bool {
	if f.Date == "" || f.Date == time.DateOnly {
		days, rest, ok := cutDate(text)
		*v = Value{kind: Date, hi: uint64(days), text: text, flag: flagPlain}
		return ok && rest == ""
	}
	t, err := time.Parse(f.Date, text)
	*v = OfDate(t).WithText(text)
	return err == nil
}

func (f *Format) setDateTime(v *Value, text string) bool {
	if f.DateTime == "" {
		return v.setISO(text)
	}
	t, err := time.Parse(f.DateTime, text)
	if layoutHasZone(f.DateTime) {
		*v = OfTime(t).WithText(text)
	} else {
		*v = OfLocalTime(t).WithText(text)
	}
	return err == nil
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
	var v Value
	return f.parse(&v, kind, text)
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
