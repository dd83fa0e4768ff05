package record

import (
	"encoding/base64"
	"math"
	"strconv"
)

// Append appends the text that v was read from to dst, and its canonical form where it was not read from a text:
// what goes into a file of texts. Null and absent append nothing.
func (v Value) Append(dst []byte) []byte {
	if v.text != "" {
		return append(dst, v.text...)
	}
	return v.AppendCanonical(dst)
}

// AppendCanonical appends the one form that every program reads: plain numbers with a point, true and false, dates as
// 2006-01-02, datetimes as 2006-01-02T15:04:05.999999999 with Z or +09:00 where the offset is known; Text, Bytes and
// JSON as they are. Null and absent append nothing.
func (v Value) AppendCanonical(dst []byte) []byte {
	if v.flag&flagPlain != 0 {
		return append(dst, v.text...)
	}
	switch v.kind {
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int:
		return strconv.AppendInt(dst, int64(v.lo), 10)
	case Float:
		return appendFloat(dst, v.Float())
	case Decimal:
		return v.Number().Append(dst)
	case Date:
		return appendDate(dst, v.Wall())
	case DateTime:
		return appendDateTime(dst, v)
	}
	return append(dst, v.text...)
}

// Canonical returns what AppendCanonical appends, without copying where v holds it already.
func (v Value) Canonical() string {
	if v.flag&flagPlain != 0 || v.kind >= Text {
		return v.text
	}
	return string(v.AppendCanonical(nil))
}

// String returns what Append appends; null and absent give their names. For messages.
func (v Value) String() string {
	if v.IsNull() {
		return v.kind.String()
	}
	return string(v.Append(nil))
}

// appendFloat appends the shortest text that reads back as f, in plain notation unless that is long.
func appendFloat(dst []byte, f float64) []byte {
	if size := math.Abs(f); size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// AppendJSON appends v as JSON: numbers as they were read where that is a JSON number (RFC 8259, section 6), else in
// canonical form; dates and texts as strings; bytes as a base64 string; a JSON value as it is, without line breaks
// between its tokens; null and absent as null. A float that is not finite, which JSON has no number for, becomes a string
// as PostgreSQL's to_json makes it; see Finite.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Absent, Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int, Decimal, Float:
		return v.appendJSONNumber(dst)
	case Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, unsafeBytes(v.text))
		return append(dst, '"')
	case JSON:
		return appendOneLine(dst, v.text)
	case Date, DateTime:
		if v.text == "" {
			dst = append(dst, '"')
			return append(v.AppendCanonical(dst), '"')
		}
	}
	return AppendJSONString(dst, v.text)
}

// AppendJSON appends r as a JSON object with its fields in their order, without absent ones.
func (r Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	begin := len(dst)
	for i := range r.Schema.Len() {
		v := r.At(i)
		if v.kind == Absent {
			continue
		}
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = append(AppendJSONString(dst, r.Schema.Field(i).Name), ':')
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}

func (v Value) appendJSONNumber(dst []byte) []byte {
	if v.text != "" && (v.flag&flagPlain != 0 || isJSONNumber(v.text)) {
		return append(dst, v.text...)
	}
	if !v.Finite() {
		dst = append(dst, '"')
		return append(v.AppendCanonical(dst), '"')
	}
	return v.AppendCanonical(dst)
}

// Finite reports whether v is anything but a float that is NaN or infinite.
func (v Value) Finite() bool {
	return v.kind != Float || !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0)
}

// isJSONNumber reports whether s is -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?.
func isJSONNumber(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	whole := digitsIn(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if s != "" && s[0] == '.' {
		fraction := digitsIn(s[1:])
		if fraction == 0 {
			return false
		}
		s = s[1+fraction:]
	}
	if s != "" && s[0]|0x20 == 'e' {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		return s != "" && digitsIn(s) == len(s)
	}
	return s == ""
}

// digitsIn counts the digits that s begins with.
func digitsIn(s string) int {
	n := 0
	for n < len(s) && s[n]-'0' <= 9 {
		n++
	}
	return n
}

// appendOneLine appends a JSON text without its line breaks, which can only stand between tokens.
func appendOneLine(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			dst = append(dst, s[from:i]...)
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}
