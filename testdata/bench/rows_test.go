package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Figures of two states of the code can be compared only where both were measured on the same data.
func TestReferenceDataDoNotChange(t *testing.T) {
	t.Parallel()
	const want = "5ad7eb3136eb79f2d536ec9517adc6d12cf1e310ca793bd64f32d45bab42db88"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(csvText(t, 1000)))); got != want {
		t.Errorf("the first thousand rows have the hash %s, want %s", got, want)
	}
}

func TestReferenceDataAreAsThePageSays(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	text := csvText(t, rows)
	if perRow := len(text) / rows; perRow < 105 || perRow > 118 {
		t.Errorf("a row has %d bytes, want about 112", perRow)
	}
	found, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(found) != rows+1 {
		t.Fatalf("%d records, %v", len(found), err)
	}
	count := map[string]int{}
	for _, row := range found[1:] {
		memo := row[8]
		for what, is := range map[string]bool{
			"paid": row[6] == "PAID", "quoted": strings.ContainsAny(memo, ",\"\n"), "korean": strings.ContainsAny(memo, "문배단"),
			"two lines": strings.Contains(memo, "\n"),
		} {
			if is {
				count[what]++
			}
		}
	}
	for what, share := range map[string]float64{"paid": 4.0 / 7, "quoted": 1.0 / 3, "korean": 0.25, "two lines": 1.0 / 12} {
		if got := float64(count[what]) / rows; got < share-0.02 || got > share+0.02 {
			t.Errorf("%s: a share of %.3f, want %.3f", what, got, share)
		}
	}
}

func TestLinesOfJSONHoldTheSameRows(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := fillFile(&text, ".jsonl", 300); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(csvText(t, 300))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(&text)
	lines.UseNumber()
	for i, row := range rows[1:] {
		var object map[string]any
		if err := lines.Decode(&object); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		for column, name := range rows[0] {
			if got := fmt.Sprint(object[name]); got != row[column] {
				t.Errorf("line %d: %s is %q, want %q", i+1, name, got, row[column])
			}
		}
	}
}
