package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someRows = 500

func csvText(t *testing.T, rows int64) string {
	t.Helper()
	var out bytes.Buffer
	if err := fillFile(&out, ".csv", rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func checkText(t *testing.T, text string, want expectation, cents map[int]int64) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return newChecker(someRows, want, cents).checkCSV(path)
}

// A check that sees nothing would let a wrong program win.
func TestCheckSeesEachWrongOutput(t *testing.T) {
	t.Parallel()
	right := csvText(t, someRows)
	lines := strings.SplitAfter(right, "\n")
	header, last := lines[0], strings.TrimPrefix(right, csvText(t, someRows-1))
	cases := []struct{ name, text, want string }{
		{"right", right, ""},
		{"nothing", header, "want more"},
		{"empty file", "", "header"},
		{"last one is missing", strings.TrimSuffix(right, last), "want more"},
		{"one too many", right + last, "after the 500"},
		{"one in the middle is missing", strings.Replace(right, lines[1], "", 1), "field 1"},
		{"another digit", strings.Replace(right, "tx-", "tx-0", 1), "field 2"},
		{"another amount", strings.Replace(right, "34419.08", "34419.09", 1), "field 5"},
		{"a field more", strings.Replace(right, "KRW", "KRW,", 1), "fields"},
	}
	for _, c := range cases {
		err := checkText(t, c.text, asIs, map[int]int64{4: 0})
		if got := message(err); !strings.Contains(got, c.want) || (c.want == "") != (err == nil) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDecimalsMayBeWrittenInOtherWays(t *testing.T) {
	t.Parallel()
	cases := []struct {
		got, want string
		within    int64
		ok        bool
	}{
		{"1.50", "1.50", 0, true}, {"1.5", "1.50", 0, true}, {"1.51", "1.50", 0, false}, {"1.51", "1.50", 1, true},
		{"1.52", "1.50", 1, false}, {"", "1.50", 1, false}, {"x", "1.50", 1, false},
	}
	for _, c := range cases {
		checker := newChecker(0, asIs, map[int]int64{0: c.within})
		if got := checker.close(0, []byte(c.got), []byte(c.want)); got != c.ok {
			t.Errorf("%s for %s within %d: got %v, want %v", c.got, c.want, c.within, got, c.ok)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
