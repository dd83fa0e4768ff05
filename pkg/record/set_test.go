package record

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

func TestNumbersThatAreSetAgreeWithTheGeneralReading(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "-", "0", "-0", "00", "-1", ".5", "5.", "-0.5", "0.50", "1.2.3", "9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "9999999999999999999", "99999999999999999999", "0.9999999999999999999", "999999999999999999.9", "999999999999999999"}
	for range 50_000 {
		text := make([]byte, random.IntN(22))
		for i := range text {
			text[i] = "00123456789012345678901234567890123456789.-+e"[random.IntN(45)]
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		var v Value
		i, err := strconv.ParseInt(text, 10, 64)
		if ok := v.SetInt(text); ok != (err == nil) || ok && (v.Int() != i || v.Text() != text || v.Kind() != Int) {
			t.Fatalf("int %q = %v, %v, want %d, %v", text, v, ok, i, err)
		}
		if plain := v.flag&flagPlain != 0; err == nil && plain != (strconv.FormatInt(i, 10) == text) {
			t.Fatalf("int %q counts as canonical: %v", text, plain)
		}
		n, err := ParseNumber(text)
		if ok := v.SetDecimal(text); ok != (err == nil) || ok && (v.Number().Cmp(n) != 0 || v.Number().Scale() != n.Scale() || v.Text() != text) {
			t.Fatalf("decimal %q = %v, %v, want %v, %v", text, v.Number(), ok, n, err)
		}
		if err == nil && v.flag&flagPlain != 0 && n.String() != text {
			t.Fatalf("decimal %q counts as canonical, which is %s", text, n)
		}
	}
}

func TestEveryDayOfTheCalendarIsCounted(t *testing.T) {
	t.Parallel()
	day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	for want := day.Unix() / secondsPerDay; day.Year() <= 9999; want++ {
		year, month, number := day.Date()
		if got := daysTo(year, int(month), number); got != want {
			t.Fatalf("%s is day %d, want %d", day.Format(time.DateOnly), got, want)
		}
		next := day.AddDate(0, 0, 1)
		if last := next.Day() == 1; last && daysIn(year, int(month)) != number {
			t.Fatalf("%d-%d has %d days, want %d", year, month, daysIn(year, int(month)), number)
		}
		day = next
	}
}

// What is made in place must not depend on what was there before.
func TestParseIntoOverwritesTheWholeValue(t *testing.T) {
	t.Parallel()
	used := []Value{OfNumber(mustNumber(t, "-12345678901234567890123456789.5")), OfTime(time.Unix(1e9, 5).In(time.FixedZone("", 3600))), OfText("x")}
	for kind, text := range map[Kind]string{
		Text: "a", Int: "12", Decimal: "1.50", Float: "1.5", Bool: "true", Date: "2024-01-02", DateTime: "2024-01-02T10:11:12", Bytes: "b", JSON: "{}",
	} {
		want, err := new(Format).Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range used {
			if err := new(Format).ParseInto(&v, kind, text); err != nil || v != want {
				t.Errorf("%s %q = %+v, %v, want %+v", kind, text, v, err, want)
			}
			if err := new(Format).ParseInto(&v, Null, text); err == nil || v != (Value{}) {
				t.Errorf("after a refusal %+v, %v is left", v, err)
			}
		}
	}
}
