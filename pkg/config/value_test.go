package config

import (
	"testing"

	"batchctl/pkg/record"
)

func TestScalarsHaveTheKindThatYAMLTakesThemFor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]record.Value{
		"1": record.OfInt(1).WithText("1"), "-7": record.OfInt(-7).WithText("-7"), "true": record.OfBool(true).WithText("true"),
		"null": record.NullValue, "~": record.NullValue, "x y": record.OfText("x y"), `"1"`: record.OfText("1"), `'null'`: record.OfText("null"),
		"007": record.OfText("007"), "0x1f": record.OfText("0x1f"), "1_000": record.OfText("1_000"), "2026-11-21": record.OfText("2026-11-21"), ".inf": record.OfText(".inf"),
		"[1]": record.NullValue,
	} {
		document, err := Parse("job.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := document.Root.Value(); got != want {
			t.Errorf("%s: got %s %q, want %s %q", text, got.Kind(), got.Text(), want.Kind(), want.Text())
		}
	}
	for text, want := range map[string]string{"1.50": "1.50", "1e3": "1e3", "12345678901234567890": "12345678901234567890"} {
		document, err := Parse("job.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := document.Root.Value(); got.Kind() != record.Decimal || got.Text() != want {
			t.Errorf("%s: got %s %q", text, got.Kind(), got.Text())
		}
	}
}
