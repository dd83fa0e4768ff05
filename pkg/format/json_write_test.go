package format

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func newJSON(t testing.TB, columns ...string) *JSONWriter {
	t.Helper()
	w := new(JSONWriter)
	if err := w.SetColumns(columns); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestJSONWriterWritesEveryKind(t *testing.T) {
	t.Parallel()
	format := new(record.Format)
	parsed := func(kind record.Kind, text string) record.Value {
		v, err := format.Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	day := time.Date(2026, 11, 20, 9, 30, 0, 0, time.FixedZone("", 9*3600))
	for _, c := range []struct {
		name  string
		value record.Value
		want  string
	}{
		{"null", record.NullValue, `{"a":null}`},
		{"absent", record.Value{}, `{}`},
		{"bool", record.OfBool(true), `{"a":true}`},
		{"bool as read", parsed(record.Bool, "TRUE"), `{"a":true}`},
		{"int", record.OfInt(math.MinInt64), `{"a":-9223372036854775808}`},
		{"int with zeros", parsed(record.Int, "007"), `{"a":7}`},
		{"int with a sign", parsed(record.Int, "+7"), `{"a":7}`},
		{"decimal keeps its digits", parsed(record.Decimal, "12.50"), `{"a":12.50}`},
		{"decimal of 30 digits", parsed(record.Decimal, "123456789012345678901234567890.1"), `{"a":123456789012345678901234567890.1}`},
		{"decimal with a sign", parsed(record.Decimal, "+1.0"), `{"a":1.0}`},
		{"float", record.OfFloat(0.1), `{"a":0.1}`},
		{"date", record.OfDate(day), `{"a":"2026-11-20"}`},
		{"datetime", record.OfTime(day), `{"a":"2026-11-20T09:30:00+09:00"}`},
		{"text", record.OfText("say \"hi\" \\ \n\t\x00 가"), `{"a":"say \"hi\" \\ \n\t\u0000 가"}`},
		{"empty text", record.OfText(""), `{"a":""}`},
		{"bytes", record.OfBytes("\xff\x00"), `{"a":"/wA="}`},
		{"json on one line", record.OfJSON("{\n \"x\": [1,\r\n2]}"), `{"a":{ "x": [1,2]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newJSON(t, "a")
			r, positions := rowOf(t, c.value)
			got, err := w.AppendRecord(nil, r, positions)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want || !json.Valid(got) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestJSONWriterLeavesAbsentFieldsOut(t *testing.T) {
	t.Parallel()
	w := newJSON(t, "x", `y"`, "z")
	absent := record.Value{}
	for _, c := range []struct {
		values    []record.Value
		positions []int
		want      string
	}{
		{[]record.Value{absent, record.OfInt(2), record.OfInt(3)}, []int{0, 1, 2}, `{"y\"":2,"z":3}`},
		{[]record.Value{record.OfInt(1), absent, record.OfInt(3)}, []int{0, 1, 2}, `{"x":1,"z":3}`},
		{[]record.Value{record.OfInt(1), record.OfInt(2)}, []int{1, -1, 5}, `{"x":2}`},
		{nil, []int{0, 1, 2}, `{}`},
	} {
		r, _ := rowOf(t, c.values...)
		if got, err := w.AppendRecord(nil, r, c.positions); string(got) != c.want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
	}
}

func TestJSONWriterMakesDecimalsTextWhereAsked(t *testing.T) {
	t.Parallel()
	w := newJSON(t, "a", "b")
	w.DecimalsAsText = true
	amount, err := new(record.Format).Parse(record.Decimal, "12.50")
	if err != nil {
		t.Fatal(err)
	}
	r, positions := rowOf(t, amount, record.OfInt(3))
	if got, _ := w.AppendRecord(nil, r, positions); string(got) != `{"a":"12.50","b":3}` {
		t.Errorf("got %s", got)
	}
}

func TestTextThatIsNotUTF8IsABadRecord(t *testing.T) {
	t.Parallel()
	w := newJSON(t, "name")
	for _, v := range []record.Value{record.OfText("\xb1\xe8"), record.OfText(strings.Repeat("a", 50) + "\xff"), record.OfJSON("\"\xff\"")} {
		r, positions := rowOf(t, v)
		_, err := w.AppendRecord(nil, r, positions)
		if fault.ClassOf(err) != fault.Validation || !strings.HasPrefix(err.Error(), "column name: ") || fault.HintOf(err) == "" {
			t.Errorf("got %v", err)
		}
	}
	if err := w.SetColumns([]string{"\xff"}); err == nil {
		t.Error("a column name that is not UTF-8 was taken")
	}
}

func TestJSONWriterMakesNoAllocations(t *testing.T) {
	r, positions := payment(t, `quoted, "memo"`)
	w := newJSON(t, r.Schema.Names()...)
	dst := make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() { dst, _ = w.AppendRecord(dst[:0], r, positions) })
	if n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkJSONLWriter(b *testing.B) {
	r, positions := payment(b, "monthly settlement")
	w := newJSON(b, r.Schema.Names()...)
	dst, _ := w.AppendRecord(nil, r, positions)
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = w.AppendRecord(dst[:0], r, positions)
	}
}
