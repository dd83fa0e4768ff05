package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func generate(t *testing.T, o options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSameSeedGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, form := range formatNames() {
		one := generate(t, options{rows: 500, seed: 7, format: form})
		if two := generate(t, options{rows: 500, seed: 7, format: form}); !bytes.Equal(one, two) {
			t.Errorf("%s: two files of one seed differ", form)
		}
		if other := generate(t, options{rows: 500, seed: 8, format: form}); bytes.Equal(one, other) {
			t.Errorf("%s: files of two seeds are the same", form)
		}
	}
}

func TestCommittedFileIsWhatTheGeneratorWrites(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile(filepath.Join("..", "payments.csv"))
	if err != nil {
		t.Fatal(err)
	}
	made := generate(t, options{rows: 1000, seed: 42, format: "csv"})
	if sum(committed) != sum(made) {
		t.Error("testdata/payments.csv differs; make it again with go run ./testdata/gen -o testdata/payments.csv")
	}
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func TestRowsParseAsCSV(t *testing.T) {
	t.Parallel()
	text := generate(t, options{rows: 20000, seed: 1, format: "csv"})
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 20001 {
		t.Fatalf("got %d rows and a header, want 20000", len(rows)-1)
	}
	for _, mark := range []string{",", `"`, "\n", "한", "ü"} {
		if !anyField(rows, mark) {
			t.Errorf("no field holds %q", mark)
		}
	}
	for i, row := range rows[1:] {
		if _, err := time.Parse(time.RFC3339, row[6]); err != nil {
			t.Fatalf("row %d: %v", i+1, err)
		}
	}
	if perRow := len(text) / 20000; perRow < 95 || perRow > 125 {
		t.Errorf("a row has %d bytes, want about 110", perRow)
	}
}

func anyField(rows [][]string, mark string) bool {
	for _, row := range rows {
		if strings.Contains(strings.Join(row, "\x00"), mark) {
			return true
		}
	}
	return false
}

func TestEveryFormatHoldsTheSameRows(t *testing.T) {
	t.Parallel()
	rows, err := csv.NewReader(bytes.NewReader(generate(t, options{rows: 300, seed: 3, format: "csv"}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var array []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(generate(t, options{rows: 300, seed: 3, format: "json"})))
	decoder.UseNumber()
	if err := decoder.Decode(&array); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(bytes.NewReader(generate(t, options{rows: 300, seed: 3, format: "jsonl"})))
	lines.UseNumber()
	for i, object := range array {
		var line map[string]any
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		for column, name := range rows[0] {
			want := rows[i+1][column]
			if got := text(object[name]); got != want {
				t.Fatalf("json row %d: %s is %q, want %q", i+1, name, got, want)
			}
			if got := text(line[name]); got != want {
				t.Fatalf("jsonl row %d: %s is %q, want %q", i+1, name, got, want)
			}
		}
	}
	if err := lines.Decode(new(any)); err != io.EOF {
		t.Errorf("jsonl goes on behind row 300: %v", err)
	}
	if len(array) != 300 {
		t.Errorf("json holds %d rows, want 300", len(array))
	}
}

func text(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	s, _ := v.(string)
	return s
}

func TestAsManyRowsAreBadAsAskedFor(t *testing.T) {
	t.Parallel()
	for _, bad := range []int64{0, 1, 7, 499, 1000} {
		rows, err := csv.NewReader(bytes.NewReader(generate(t, options{rows: 1000, bad: bad, seed: 5, format: "csv"}))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for _, row := range rows[1:] {
			_, dateErr := time.Parse(time.RFC3339, row[6])
			if dateErr != nil || strings.Contains(row[3], ",") {
				got++
			}
		}
		if got != bad {
			t.Errorf("got %d bad rows, want %d", got, bad)
		}
	}
}

func TestFailedWriteLeavesNoFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := save(options{rows: 1, format: "xml", out: filepath.Join(folder, "x")}, io.Discard); err == nil {
		t.Fatal("an unknown format is accepted")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestImpossibleNumbersAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "-1"}, {"-n", "5", "-bad", "6"}, {"-bad", "-1"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	for b.Loop() {
		if err := write(io.Discard, options{rows: 100_000, seed: 42, format: "csv"}); err != nil {
			b.Fatal(err)
		}
	}
}
