package sqldb

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/record"
)

// sent returns the value of a text that PostgreSQL sent.
func sent(v any, kind record.Kind, arena *record.Arena) (record.Value, error) {
	if v == nil {
		return record.NullValue, nil
	}
	text, ok := v.(string)
	if !ok {
		return record.Value{}, fmt.Errorf("%T is no text", v)
	}
	switch kind {
	case record.Text, record.Absent:
		return record.OfText(text), nil
	case record.JSON:
		return record.OfJSON(text), nil
	case record.Bool:
		return record.OfBool(text == "true"), nil
	case record.Int:
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return record.OfInt(i), nil
		}
	case record.Float:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return record.OfFloat(f).WithText(text), nil
		}
	case record.Bytes:
		return hexBytes(text, arena)
	case record.DateTime:
		return postgresTime(text)
	}
	return parse(kind, text)
}

// parse reads a text in the forms that databases write: ISO dates and a decimal point.
func parse(kind record.Kind, text string) (record.Value, error) {
	format := record.Format{}
	return format.Parse(kind, text)
}

// hexBytes reads bytea_output = hex: \x and two digits for each byte.
func hexBytes(text string, arena *record.Arena) (record.Value, error) {
	digits, isHex := strings.CutPrefix(text, `\x`)
	if !isHex {
		return record.Value{}, fmt.Errorf("bytes are not in hexadecimal")
	}
	to := arena.Alloc(hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(to, []byte(digits)); err != nil {
		return record.Value{}, fmt.Errorf("bytes are not in hexadecimal: %w", err)
	}
	return record.OfBytes(record.String(to)), nil
}

// postgresTime reads a timestamp in ISO style: 2006-01-02 15:04:05.999999, with +00 or +05:30 behind it where it has a
// zone. Sessions run in UTC, so the offset is nearly always +00.
func postgresTime(text string) (record.Value, error) {
	if t, err := time.Parse("2006-01-02 15:04:05.999999", text); err == nil {
		return record.OfLocalTime(t).WithText(text), nil
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999Z07:00:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return record.OfTime(t).WithText(text), nil
		}
	}
	return record.Value{}, fmt.Errorf("%q is not a datetime", text)
}

// storedInt returns the value of an integer that SQLite stored: its column's kind says what is meant.
func storedInt(i int64, kind record.Kind) (record.Value, error) {
	switch {
	case kind == record.Bool && (i == 0 || i == 1):
		return record.OfBool(i == 1), nil
	case kind == record.Decimal:
		return record.OfNumber(record.NumberFromInt(i)), nil
	case kind == record.Float:
		return record.OfFloat(float64(i)), nil
	case kind == record.Int || kind == record.Absent:
		return record.OfInt(i), nil
	case kind == record.Text:
		return record.OfText(strconv.FormatInt(i, 10)), nil
	}
	return record.Value{}, fmt.Errorf("the stored integer %d is not a %s", i, kind)
}

func storedFloat(f float64, kind record.Kind) (record.Value, error) {
	switch kind {
	case record.Float, record.Absent:
		return record.OfFloat(f), nil
	case record.Decimal:
		n, err := record.ParseNumber(strconv.FormatFloat(f, 'f', -1, 64))
		return record.OfNumber(n), err
	case record.Text:
		return record.OfText(strconv.FormatFloat(f, 'g', -1, 64)), nil
	}
	return record.Value{}, fmt.Errorf("the stored number %v is of another kind than %s", f, kind)
}

func storedText(s string, kind record.Kind) (record.Value, error) {
	switch kind {
	case record.Absent, record.Text:
		return record.OfText(s), nil
	case record.JSON:
		return record.OfJSON(s), nil
	}
	return parse(kind, s)
}

func storedBytes(s string, kind record.Kind) (record.Value, error) {
	if kind == record.Text || kind == record.JSON {
		return storedText(s, kind)
	}
	return record.OfBytes(s), nil
}
