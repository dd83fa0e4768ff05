package sqldb

import (
	"encoding/hex"
	"strings"
	"time"

	"batchctl/pkg/record"
)

// appendPlain appends a value as both databases read it: dates and times as ISO 8601, decimals as their digits, booleans
// as true and false, bytes in hexadecimal.
func appendPlain(dst []byte, v record.Value) []byte {
	switch v.Kind() {
	case record.Decimal:
		if t := v.Text(); plainDecimal(t) {
			return append(dst, t...)
		}
		return v.Number().Append(dst)
	case record.Date:
		if t := v.Text(); isoDate(t) {
			return append(dst, t...)
		}
		return v.Time().AppendFormat(dst, time.DateOnly)
	case record.DateTime:
		return appendTime(dst, v)
	case record.Bytes:
		return hex.AppendEncode(dst, []byte(v.Text()))
	}
	return append(dst, v.Text()...)
}

func appendTime(dst []byte, v record.Value) []byte {
	if v.Zoned() {
		return v.Time().AppendFormat(dst, time.RFC3339Nano)
	}
	return v.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999999")
}

// plainDecimal reports whether a text is digits with an optional minus and point, and nothing a database might read
// in a way of its own.
func plainDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' {
			return false
		}
	}
	return true
}

// isoDate reports whether a text has the form 2006-01-02.
func isoDate(s string) bool {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && i != 4 && i != 7 {
			return false
		}
	}
	return true
}
