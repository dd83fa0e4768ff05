package record

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"
)

func TestValueHasTheSizeThatChunksAreCountedIn(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Value{}); size != 40 {
		t.Errorf("a value takes %d bytes, want 40", size)
	}
}

func TestJSONNumbersKeepTheirTextWhereItIsJSON(t *testing.T) {
	t.Parallel()
	comma := &Format{DecimalSeparator: ','}
	parse := func(f *Format, kind Kind, text string) Value {
		v, err := f.Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name string
		v    Value
		want string
	}{
		{"int", OfInt(-5), "-5"}, {"decimal as read", parse(&Format{}, Decimal, "1.50"), "1.50"}, {"exponent as read", parse(&Format{}, Decimal, "1.5E+3"), "1.5E+3"},
		{"plus sign", parse(&Format{}, Int, "+5"), "5"}, {"leading zeros", parse(&Format{}, Int, "007"), "7"}, {"no digit before the point", parse(&Format{}, Decimal, ".5"), "0.5"},
		{"comma", parse(comma, Decimal, "12,50"), "12.50"}, {"float", OfFloat(0.1), "0.1"}, {"small float", OfFloat(1e-9), "1e-09"}, {"NaN", OfFloat(math.NaN()), `"NaN"`},
		{"infinity", OfFloat(math.Inf(-1)), `"-Inf"`}, {"null", NullValue, "null"}, {"absent", Value{}, "null"}, {"bool", OfBool(true), "true"},
		{"date", OfDays(1), `"1970-01-02"`}, {"date as read", OfDays(1).WithText(`2.1."70`), `"2.1.\"70"`}, {"bytes", OfBytes("\x00\xff"), `"AP8="`},
		{"json on one line", OfJSON("{\n  \"a\": 1\r\n}"), `{  "a": 1}`}, {"text", OfText("a\"\\\n\t\x01ä\u2028"), `"a\"\\\n\t\u0001ä` + "\u2028\""},
		{"text that is not UTF-8", OfText("a\xff" + "b\xed\xa0\x80"), "\"a\uFFFDb\uFFFD\uFFFD\uFFFD\""}, {"datetime", OfTime(time.Unix(0, 0)), `"1970-01-01T00:00:00Z"`},
	} {
		got := string(c.v.AppendJSON(nil))
		if got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzJSONString(f *testing.F) {
	f.Add("plain text that is longer than a word")
	f.Add("1234567\"12345678\\\x00\x1f\x7f\x80\xff한국")
	f.Fuzz(func(t *testing.T, s string) {
		got, valid := AppendJSONText(nil, s)
		if valid != utf8.ValidString(s) {
			t.Fatalf("%q counts as UTF-8: %v", s, valid)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q -> %s: %v", s, got, err)
		}
		var want string
		encoded, _ := json.Marshal(s)
		_ = json.Unmarshal(encoded, &want)
		if back != want {
			t.Fatalf("%q -> %q, the standard library says %q", s, back, want)
		}
	})
}

func FuzzJSONNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.5e+3", "01", "1.", ".5", "1e", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := json.Valid([]byte(s)) && s != "" && (s[0] == '-' || s[0]-'0' <= 9) && strings.TrimSpace(s) == s
		if got := isJSONNumber(s); got != want {
			t.Fatalf("%q: %v, the standard library says %v", s, got, want)
		}
	})
}

func TestCompareOrdersWhatGoesTogether(t *testing.T) {
	t.Parallel()
	decimal := func(s string) Value { return OfNumber(mustNumber(t, s)) }
	seoul := time.FixedZone("", 9*3600)
	const none = 9
	for _, c := range []struct {
		name string
		a, b Value
		want int
	}{
		{"ints", OfInt(-1), OfInt(1), -1}, {"int and decimal", OfInt(2), decimal("1.99"), 1}, {"scales do not count", decimal("1.5"), decimal("1.50"), 0},
		{"float and decimal", OfFloat(0.1), decimal("0.1"), 0}, {"large int and float", OfInt(1<<53 + 1), OfFloat(1 << 53), 1}, {"infinity", OfInt(1), OfFloat(math.Inf(1)), -1},
		{"minus infinity", OfFloat(math.Inf(-1)), decimal("-1e100"), -1}, {"NaN", OfFloat(math.NaN()), OfFloat(1), none}, {"NaN and int", OfInt(1), OfFloat(math.NaN()), none},
		{"texts", OfText("a"), OfText("B"), 1}, {"text and number", OfText("1"), OfInt(1), none}, {"bools", OfBool(false), OfBool(true), -1},
		{"dates", OfDays(-1), OfDays(1), -1}, {"date and datetime", OfDays(0), OfTime(time.Unix(0, 0)), none}, {"null", NullValue, NullValue, none},
		{"moments in zones", OfTime(time.Unix(5, 1).In(seoul)), OfTime(time.Unix(5, 1).UTC()), 0}, {"nanoseconds", OfTime(time.Unix(5, 1)), OfTime(time.Unix(5, 2)), -1},
		{"zoned and not", OfTime(time.Unix(5, 0)), OfLocalTime(time.Unix(5, 0)), none}, {"wide", decimal("1e50"), decimal("1e51"), -1},
	} {
		got, ok := c.a.Compare(c.b)
		back, _ := c.b.Compare(c.a)
		if !ok {
			got, back = none, -none
		}
		if got != c.want || back != -c.want {
			t.Errorf("%s: %d and back %d, want %d", c.name, got, back, c.want)
		}
	}
	if !NullValue.Equal(Value{}) || NullValue.Equal(OfInt(0)) || !OfInt(1).Equal(decimal("1.0")) || OfText("1").Equal(OfInt(1)) {
		t.Error("Equal: null equals absent and nothing else; 1 equals 1.0; texts are no numbers")
	}
}

func TestValuesKeepWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	seoul := time.FixedZone("", 9*3600)
	at := time.Date(1965, 3, 1, 1, 2, 3, 4, seoul)
	if got := OfDate(at); got.String() != "1965-03-01" {
		t.Errorf("date: %s", got)
	}
	if got := OfTime(at); !got.Time().Equal(at) || got.String() != "1965-03-01T01:02:03.000000004+09:00" || got.Wall().Hour() != 1 || got.Moment().Hour() != 16 {
		t.Errorf("time: %s", got)
	}
	if got := OfLocalTime(at); got.Zoned() || got.String() != "1965-03-01T01:02:03.000000004" {
		t.Errorf("local time: %s", got)
	}
	odd := OfTime(time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 8*3600+27*60+52)))
	if got := odd.String(); got != "1899-12-31T15:32:08Z" {
		t.Errorf("an offset with seconds: %s", got)
	}
	wide := OfNumber(mustNumber(t, strings.Repeat("7", 60)))
	if got := wide.WithText("abc").Number().String(); got != strings.Repeat("7", 60) {
		t.Errorf("a wide decimal lost its digits to a text: %s", got)
	}
	if got := wide.WithText("+" + strings.Repeat("7", 60)); got.Text()[0] != '+' || got.Number().Cmp(wide.Number()) != 0 {
		t.Errorf("a wide decimal did not take its text: %s", got)
	}
}

func TestWritingValuesDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 256)
	values := []Value{OfInt(12345), OfNumber(mustNumber(t, "123.45")), OfDays(19000), OfTime(time.Unix(1e9, 5).In(time.FixedZone("", 3600))), OfText("some text that is plain"),
		OfFloat(1.5), OfBool(true), NullValue}
	if got := testing.AllocsPerRun(100, func() {
		for _, v := range values {
			buf = v.Append(buf[:0])
			buf = v.AppendCanonical(buf[:0])
			buf = v.AppendJSON(buf[:0])
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
	f := &Format{DecimalSeparator: ','}
	texts := []string{"12", "12,50", "1,5", "true", "2024-01-02", "2024-01-02 10:11:12"}
	kinds := []Kind{Int, Decimal, Float, Bool, Date, DateTime}
	if got := testing.AllocsPerRun(100, func() {
		for i, text := range texts {
			if _, err := f.Parse(kinds[i], text); err != nil {
				t.Fatal(err)
			}
		}
	}); got != 0 {
		t.Errorf("%v allocations for reading, want 0", got)
	}
}

func BenchmarkValue(b *testing.B) {
	buf := make([]byte, 0, 256)
	f := &Format{}
	text := OfText(strings.Repeat("plain text ", 10))
	moment, _ := f.Parse(DateTime, "2024-01-02 10:11:12")
	moment.text = ""
	b.Run("json string of 110 bytes", func(b *testing.B) {
		for b.Loop() {
			buf = text.AppendJSON(buf[:0])
		}
	})
	b.Run("parse datetime", func(b *testing.B) {
		for b.Loop() {
			_, _ = f.Parse(DateTime, "2024-01-02 10:11:12")
		}
	})
	b.Run("format datetime", func(b *testing.B) {
		for b.Loop() {
			buf = moment.AppendCanonical(buf[:0])
		}
	})
	b.Run("parse decimal", func(b *testing.B) {
		for b.Loop() {
			_, _ = f.Parse(Decimal, "12345.67")
		}
	})
}
