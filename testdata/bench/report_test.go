package main

import (
	"strings"
	"testing"
	"time"
)

func resultOf(peak int64, walls ...float64) *result {
	r := &result{}
	for _, wall := range walls {
		r.Rounds = append(r.Rounds, usage{wall: time.Duration(wall * float64(time.Second)), peak: peak << 20})
	}
	return r
}

func TestGoalsAreJudgedByTheMedian(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		goal         goal
		ours, theirs *result
		missed       string
	}{
		{"fast enough", goal{speed: 0.7, peakMiB: 48}, resultOf(48, 1, 2, 10), resultOf(9, 1, 1.4, 1), ""},
		{"too slow", goal{speed: 0.8}, resultOf(48, 2, 2, 1), resultOf(9, 1, 1.4, 1), "speed"},
		{"too large", goal{speed: 0.5, peakMiB: 47}, resultOf(48, 1), resultOf(9, 1), "memory"},
		{"not much longer", goal{times: 1.08}, resultOf(1, 1.08), resultOf(1, 1), ""},
		{"longer", goal{times: 1.08, samePeak: true}, resultOf(12, 1.2), resultOf(10, 1), "time memory"},
		{"quick", goal{wall: 15 * time.Millisecond}, resultOf(1, 0.014, 0.5, 0.001), nil, ""},
		{"not quick", goal{wall: 15 * time.Millisecond}, resultOf(1, 0.016), nil, "time"},
	}
	for _, c := range cases {
		taking := map[string]*result{"ours": c.ours, "theirs": c.theirs}
		against := ""
		if c.theirs != nil {
			against = "theirs"
		}
		l := (&bench{}).judge(claim{by: "ours", against: against, goal: c.goal}, taking)
		if got := strings.Join(l.misses, " "); got != c.missed {
			t.Errorf("%s: missed %q, want %q", c.name, got, c.missed)
		}
	}
}

func TestMissingPeerIsSaidInItsLine(t *testing.T) {
	t.Parallel()
	l := (&bench{}).judge(claim{job: "CSV to SQLite", by: "ours", against: "theirs"}, map[string]*result{"ours": resultOf(1, 1)})
	if got := l.String(); !strings.Contains(got, "CSV to SQLite") || !strings.Contains(got, "not measured") {
		t.Errorf("got %q", got)
	}
}

func TestTablesOfThePageAreReplaced(t *testing.T) {
	t.Parallel()
	const page = "above\n<!-- one -->\nold\n<!-- end of one -->\nbelow\n<!-- two -->\n<!-- end of two -->\n"
	got, err := replaceTable(page, "one", func(string) string { return "new\n" })
	if want := strings.Replace(page, "old", "new", 1); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err = replaceTable(got, "two", func(string) string { return "new\n" }); err != nil || !strings.HasSuffix(got, "<!-- two -->\nnew\n<!-- end of two -->\n") {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := replaceTable(page, "three", func(string) string { return "new\n" }); err == nil {
		t.Error("a page without a place for the table is accepted")
	}
}

func TestSettingsHaveATableOfTheirOwn(t *testing.T) {
	t.Parallel()
	taking := map[string]*result{"ours": resultOf(1, 1), "theirs": resultOf(1, 2)}
	lines := []line{
		(&bench{}).judge(claim{job: "a job", by: "ours", against: "theirs"}, taking),
		(&bench{}).judge(claim{job: "a setting", by: "ours", against: "theirs", setting: true}, taking),
	}
	for i, t2 := range tables() {
		text := t2.text(lines)
		if strings.Contains(text, "a job") != (i == 0) || strings.Contains(text, "a setting") != (i == 1) || !strings.Contains(text, "**2.00**") {
			t.Errorf("table %s: %s", t2.name, text)
		}
	}
}

func TestLinesThatWereLeftOutStay(t *testing.T) {
	t.Parallel()
	const head = "| job | against | x |\n|---|---|---|\n"
	old := "some machine\n\n" + head + "| a | p | 1 |\n| b | p | 2 |\n| b | q | 3 |\n"
	got := merged(old, head+"| b | p | 22 |\n| c | p | 4 |\n")
	if want := head + "| a | p | 1 |\n| b | p | 22 |\n| b | q | 3 |\n| c | p | 4 |\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	settings := "| s | speed |\n|---|---|\n| a | **1.00** (1 to 1) | 2 |\n"
	if got := merged(settings, "| a | **2.00** (2 to 2) | 3 |\n"); strings.Contains(got, "**1.00**") || !strings.Contains(got, "**2.00**") {
		t.Errorf("got\n%s", got)
	}
	all := (&bench{options: options{rows: 1, rounds: 1}}).renewed(old, head+"| c | p | 4 |\n")
	if strings.Contains(all, "| a |") || !strings.Contains(all, "| c |") {
		t.Errorf("where everything was measured, older lines stay:\n%s", all)
	}
}
