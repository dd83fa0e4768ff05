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

func TestTableOfThePageIsReplaced(t *testing.T) {
	t.Parallel()
	page := "above\n" + tableBegin + "\nold\n" + tableEnd + "\nbelow\n"
	got, err := replaceTable(page, "new\n")
	if want := "above\n" + tableBegin + "\nnew\n" + tableEnd + "\nbelow\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := replaceTable("no table", "new\n"); err == nil {
		t.Error("a page without a place for the table is accepted")
	}
}
