package sqldb

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/record"
)

// given makes into the value that lib/pq made of what PostgreSQL sent. Bytes are copied into the arena.
func given(into *record.Value, v any, kind record.Kind, arena *record.Arena) error {
	switch x := v.(type) {
	case nil:
		*into = record.NullValue
		return nil
	case string:
		return sentText(into, x, kind, arena)
	case int64:
		if kind == record.Int {
			*into = record.OfInt(x)
			return nil
		}
	case []byte:
		return sentText(into, arena.Copy(x), kind, arena)
	case bool:
		if kind == record.Bool {
			*into = record.OfBool(x)
			return nil
		}
	}
	return fmt.Errorf("%T is no value of a column of kind %s", v, kind)
}

func sentText(into *record.Value, text string, kind record.Kind, arena *record.Arena) (err error) {
	switch kind {
	case record.Text, record.Absent:
		into.SetText(text)
		return nil
	case record.JSON:
		*into = record.OfJSON(text)
		return nil
	case record.Float:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			*into = record.OfFloat(f).WithText(text)
			return nil
		}
	case record.Bytes:
		*into, err = hexBytes(text, arena)
		return err
	}
	format := record.Format{}
	if err = format.ParseInto(into, kind, text); err != nil && kind == record.DateTime {
		*into, err = oddOffset(text)
	}
	return err
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

// oddOffset reads a timestamp with seconds in its offset from UTC, +08:27:52 as of Seoul before 1908.
func oddOffset(text string) (record.Value, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999Z07:00:00", text)
	if err != nil {
		return record.Value{}, fmt.Errorf("%q is not a datetime", text)
	}
	return record.OfTime(t).WithText(text), nil
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
