package batchtest

import (
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/record"
)

// Render shows a record as `id=int:7 name=text:"Kim" note=null`: each field with its kind, and its text as it was read
// or, where it has none, its value. Fields that are absent are left out, since a schema may have grown since.
func Render(r record.Record) string {
	var b strings.Builder
	for i := range r.Schema.Len() {
		v := r.At(i)
		if v.Kind() == record.Absent {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.Schema.Field(i).Name + "=" + v.Kind().String())
		if v.Kind() != record.Null {
			b.WriteString(":" + renderValue(v))
		}
	}
	return b.String()
}

func renderValue(v record.Value) string {
	switch v.Kind() {
	case record.Text, record.Bytes:
		return strconv.Quote(v.Text())
	case record.JSON:
		return v.Text()
	}
	if v.Text() != "" {
		return v.Text()
	}
	switch v.Kind() {
	case record.Bool:
		return strconv.FormatBool(v.Bool())
	case record.Int:
		return itoa(v.Int())
	case record.Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case record.Decimal:
		return v.Number().String()
	case record.Date:
		return v.Time().Format(time.DateOnly)
	}
	return v.Time().Format(time.RFC3339Nano)
}

func itoa(i int64) string { return strconv.FormatInt(i, 10) }
