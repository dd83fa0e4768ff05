package record

import (
	"math"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
)

func TestParseIsStrictAndKeepsTheText(t *testing.T) {
	t.Parallel()
	comma := &Format{DecimalSeparator: ','}
	german := &Format{Date: "02.01.2006", DateTime: "02.01.2006 15:04"}
	for _, c := range []struct {
		format    *Format
		kind      Kind
		text      string
		canonical string
	}{
		{&Format{}, Int, "12", "12"}, {&Format{}, Int, "+7", "7"}, {&Format{}, Int, "-007", "-7"}, {&Format{}, Int, "-9223372036854775808", "-9223372036854775808"},
		{&Format{}, Decimal, "12.50", "12.50"}, {&Format{}, Decimal, ".5", "0.5"}, {&Format{}, Decimal, "1e3", "1000"}, {&Format{}, Decimal, "-0.5", "-0.5"},
		{&Format{}, Decimal, "-5.", "-5"}, {&Format{}, Decimal, "-1E2", "-100"}, {&Format{}, Decimal, "00.5", "0.5"}, {&Format{}, Decimal, "5.", "5"},
		{&Format{}, Decimal, strings.Repeat("9", 50) + ".10", strings.Repeat("9", 50) + ".10"},
		{comma, Decimal, "12,50", "12.50"}, {comma, Decimal, "1200", "1200"}, {comma, Decimal, strings.Repeat("9", 50) + ",10", strings.Repeat("9", 50) + ".10"},
		{comma, Float, "1,25", "1.25"}, {&Format{}, Float, "1e3", "1000"}, {&Format{}, Float, "1e-9", "1e-09"},
		{&Format{}, Bool, "true", "true"}, {&Format{}, Bool, "FALSE", "false"},
		{&Format{}, Date, "2024-02-29", "2024-02-29"}, {german, Date, "29.02.2024", "2024-02-29"}, {german, DateTime, "29.02.2024 13:05", "2024-02-29T13:05:00"},
		{&Format{}, DateTime, "2024-02-29 13:05:06", "2024-02-29T13:05:06"}, {&Format{}, DateTime, "2024-02-29T13:05:06.120Z", "2024-02-29T13:05:06.12Z"},
		{&Format{}, DateTime, "2024-02-29 13:05:06+09", "2024-02-29T13:05:06+09:00"}, {&Format{}, DateTime, "2024-02-29 13:05:06-0330", "2024-02-29T13:05:06-03:30"},
		{&Format{}, DateTime, "2024-02-29", "2024-02-29T00:00:00"}, {&Format{}, DateTime, "1969-12-31T23:59:59.5+00:00", "1969-12-31T23:59:59.5Z"},
		{&Format{}, JSON, `{"a": [1]}`, `{"a": [1]}`}, {&Format{}, Text, " x ", " x "}, {&Format{}, Bytes, "\x00\xff", "\x00\xff"},
	} {
		v, err := c.format.Parse(c.kind, c.text)
		if err != nil {
			t.Errorf("parse %s %q: %v", c.kind, c.text, err)
			continue
		}
		if got := string(v.Append(nil)); got != c.text {
			t.Errorf("%s %q is written as %q", c.kind, c.text, got)
		}
		if got := string(v.AppendCanonical(nil)); got != c.canonical || v.Canonical() != c.canonical {
			t.Errorf("%s %q has the canonical form %q, want %q", c.kind, c.text, got, c.canonical)
		}
		if again, err := new(Format).Parse(c.kind, c.canonical); err != nil || c.kind != JSON && !again.Equal(v) {
			t.Errorf("%s %q does not come back from %q: %v", c.kind, c.text, c.canonical, err)
		}
	}
}

func TestParseRefusesWhatIsNotAllOfTheValue(t *testing.T) {
	t.Parallel()
	comma := &Format{DecimalSeparator: ','}
	for _, c := range []struct {
		format *Format
		kind   Kind
		text   string
		want   string
		hint   string
	}{
		{&Format{}, Int, "12abc", `"12abc" is not an int`, ""}, {&Format{}, Int, "1.9", `"1.9" is not an int`, "decimal"}, {&Format{}, Int, "", `"" is not an int`, "null_text"},
		{&Format{}, Int, "9223372036854775808", `is not an int`, ""}, {&Format{}, Int, "1_000", `is not an int`, ""}, {&Format{}, Int, " 1", `" 1" is not an int`, "blanks"},
		{&Format{}, Decimal, "12,50", `"12,50" is not a decimal`, `decimal_separator: ","`}, {comma, Decimal, "1.200,50", "is not a decimal", ""},
		{comma, Decimal, "12.50", "is not a decimal", ""}, {comma, Decimal, "1,2,3", "is not a decimal", ""},
		{&Format{}, Float, "NaN", "is not a float", ""}, {&Format{}, Float, "0x1p4", "is not a float", ""}, {&Format{}, Float, "1e999", "is not a float", ""},
		{&Format{}, Bool, "yes", "is not a bool", ""}, {&Format{}, Bool, "1", "is not a bool", ""},
		{&Format{}, Date, "2024-02-30", "is not a date", ""}, {&Format{}, Date, "2023-02-29", "is not a date", ""}, {&Format{}, Date, "2024-1-2", "is not a date", ""},
		{&Format{}, Date, "2024-01-02T00:00:00", "is not a date", "datetime"}, {&Format{}, Date, "", "is not a date", "null_text"},
		{&Format{}, DateTime, "2024-01-02 25:00", "is not a datetime", ""}, {&Format{}, DateTime, "2024-01-02T10:00:00+9", "is not a datetime", ""},
		{&Format{}, DateTime, "2024-01-02T10:00:00.", "is not a datetime", ""}, {&Format{}, DateTime, "2024-01-02T10:00:00.1234567891", "is not a datetime", ""},
		{&Format{}, JSON, "{", "is not a json", ""}, {&Format{}, Null, "", "is not a null", ""},
	} {
		v, err := c.format.Parse(c.kind, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || fault.ClassOf(err) != fault.Validation {
			t.Errorf("parse %s %q = %v, %v (hint %q), want %q", c.kind, c.text, v, err, fault.HintOf(err), c.want)
		}
	}
}

func TestISOReadingAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2024-02-29T13:05:06Z", "2024-02-29T13:05:06.123456789+09:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-11:30",
		"1900-02-28T01:02:03.5Z"} {
		want, err := time.Parse(time.RFC3339Nano, text)
		var v Value
		ok := v.setISO(text)
		if err != nil || !ok || !v.Time().Equal(want) {
			t.Errorf("%s = %v, %v, want %v", text, v.Time(), ok, want)
		}
		if got := string(v.AppendCanonical(nil)); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
}

// RFC 3339, 5.6: hours of an offset end with 23, minutes with 59. The standard library reads one more of each, as what it comes to.
func TestOffsetsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, offset := range []string{"+00:60", "-24:00", "+24", "+0060", "+1:00", "+01:0", "09:00", "+0a:00"} {
		var v Value
		if text := "2024-02-29T13:05:06" + offset; v.setISO(text) {
			t.Errorf("%s is read as %v", text, v.Time())
		}
	}
}

func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"0000-01-01T00:00:00+00:60", "2024-02-29T13:05:06-24:00", "2024-02-29T13:05:06Z", "2024-02-29 13:05", "2024-02-30", "2024-02-29T13:05:06.5+0900"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(time.RFC3339Nano, s)
		var v Value
		ok := v.setISO(s)
		if err == nil && isStrict(s, want) {
			if !ok || !v.Time().Equal(want) {
				t.Fatalf("%q = %v, %v, want %v", s, v.Time(), ok, want)
			}
		}
		if ok {
			var again Value
			ok := again.setISO(string(v.AppendCanonical(nil)))
			if !ok || !again.Equal(v) {
				t.Fatalf("%q -> %s -> %v", s, v.AppendCanonical(nil), ok)
			}
		}
	})
}

// isStrict reports whether a text that the standard library reads as a time is one of RFC 3339, with nanoseconds at most.
func isStrict(s string, read time.Time) bool {
	zone := strings.Replace(s, "Z", "+00:00", 1)
	return !strings.Contains(s, ",") && len(s) <= 35 && digitsIn(afterPoint(s)) <= 9 && s[11:19] == read.Format("15:04:05") &&
		strings.HasSuffix(zone, read.Format("-07:00")) && !strings.HasPrefix(zone[len(zone)-5:], "24")
}

func afterPoint(s string) string {
	_, after, _ := strings.Cut(s, ".")
	return after
}

func TestConvertLosesNothing(t *testing.T) {
	t.Parallel()
	seoul := time.FixedZone("KST", 9*3600)
	moment := OfTime(time.Date(2024, 1, 2, 20, 0, 0, 0, time.UTC))
	decimal := func(s string) Value { return OfNumber(mustNumber(t, s)) }
	bad := "!"
	for _, c := range []struct {
		name   string
		format Format
		from   Value
		kind   Kind
		want   string
	}{
		{"whole decimal to int", Format{}, decimal("2.0"), Int, "2"}, {"fraction to int", Format{}, decimal("1.5"), Int, bad},
		{"large decimal to int", Format{}, decimal("1e19"), Int, bad}, {"whole float to int", Format{}, OfFloat(2), Int, "2"},
		{"fraction of a float to int", Format{}, OfFloat(2.5), Int, bad}, {"large float to int", Format{}, OfFloat(1 << 63), Int, bad},
		{"bool to int", Format{}, OfBool(true), Int, "1"}, {"date to int", Format{}, OfDays(1), Int, bad},
		{"int to decimal", Format{}, OfInt(-3), Decimal, "-3"}, {"float to decimal", Format{}, OfFloat(0.1), Decimal, "0.1"},
		{"NaN to decimal", Format{}, OfFloat(math.NaN()), Decimal, bad},
		{"decimal to float", Format{}, decimal("0.10"), Float, "0.1"}, {"long decimal to float", Format{}, decimal("0.1000000000000000000001"), Float, bad},
		{"int to float", Format{}, OfInt(1 << 53), Float, "9007199254740992"}, {"odd int to float", Format{}, OfInt(1<<53 + 1), Float, bad},
		{"largest int to float", Format{}, OfInt(math.MaxInt64), Float, bad}, {"one to bool", Format{}, OfInt(1), Bool, "true"}, {"two to bool", Format{}, OfInt(2), Bool, bad},
		{"text to bool", Format{}, OfText("true"), Bool, "true"}, {"text to int", Format{}, OfText("12"), Int, "12"}, {"text to json", Format{}, OfText(`[1]`), JSON, "[1]"},
		{"date to datetime", Format{}, OfDays(0), DateTime, "1970-01-01T00:00:00"}, {"date to datetime in a place", Format{Location: seoul}, OfDays(0), DateTime, "1970-01-01T00:00:00+09:00"},
		{"datetime to date", Format{}, moment, Date, "2024-01-02"}, {"datetime to date in a place", Format{Location: seoul}, moment, Date, "2024-01-03"},
		{"date to text", Format{}, OfDays(0), Text, "1970-01-01"}, {"date to text by layout", Format{Date: "02.01.06"}, OfDays(0), Text, "01.01.70"},
		{"decimal to text", Format{}, decimal("1.50"), Text, "1.50"}, {"decimal to text with comma", Format{DecimalSeparator: ','}, decimal("1.50"), Text, "1,50"},
		{"read decimal to text", Format{}, decimal("1000").WithText("1e3"), Text, "1000"}, {"json to text", Format{}, OfJSON(`{"a":1}`), Text, `{"a":1}`},
		{"json to int", Format{}, OfJSON("12"), Int, "12"}, {"json object to int", Format{}, OfJSON("{}"), Int, bad},
		{"bytes to text", Format{}, OfBytes("ä"), Text, "ä"}, {"bytes to text that are none", Format{}, OfBytes("\xff"), Text, bad},
		{"text to bytes", Format{}, OfText("ä"), Bytes, "ä"}, {"decimal to json", Format{}, decimal("1.50"), JSON, "1.50"}, {"null", Format{}, NullValue, Int, ""},
	} {
		got, err := c.format.Convert(c.from, c.kind)
		switch {
		case c.want == bad:
			if err == nil || fault.ClassOf(err) != fault.Validation {
				t.Errorf("%s = %v, %v, want an error of class validation", c.name, got, err)
			}
		case err != nil || string(got.AppendCanonical(nil)) != c.want || !got.IsNull() && got.Kind() != c.kind:
			t.Errorf("%s = %s %v, %v, want %s", c.name, got.Kind(), got, err, c.want)
		}
	}
}

func TestLayoutReadsJavaPatterns(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"yyyyMMdd": "20060102", "dd.MM.yyyy": "02.01.2006", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX": "2006-01-02T15:04:05.000Z07:00", "d/M/yy h:mm a": "2/1/06 3:04 PM",
		"02/01/2006": "02/01/2006", "yyyy'년' M'월'": "2006년 1월", "yyyy''": "2006'",
	} {
		if got, err := Layout(pattern); err != nil || got != want {
			t.Errorf("Layout(%q) = %q, %v, want %q", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"", "YYYY-MM-dd", "yyyy-MM-ddT", "yyyy'", "HHmmssSSS", "yyyy 'Monday'", "yyyy-1"} {
		if got, err := Layout(pattern); err == nil {
			t.Errorf("Layout(%q) = %q, want an error", pattern, got)
		}
	}
}
