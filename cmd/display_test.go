package cmd

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
)

// heard is a display that writes down what it hears.
type heard []string

func (h *heard) Observe(e batch.Event) {
	line := fmt.Sprintf("%T", e)
	if n, ok := e.(batch.Notice); ok {
		line = n.Message
	}
	*h = append(*h, line)
}

func (h *heard) Say(message string) { *h = append(*h, message) }

func TestFirstLineOfARunIsTheJobNotANoticeFromBeforeIt(t *testing.T) {
	t.Parallel()
	var h heard
	shown := newTeller(&h)
	shown.Observe(batch.Notice{Message: "early"})
	shown.Observe(batch.JobStarted{})
	shown.Observe(batch.Notice{Message: "late"})
	if want := []string{"batch.JobStarted", "early", "late"}; !slices.Equal(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestNoticeOfAJobThatNeverBeganIsNotLost(t *testing.T) {
	t.Parallel()
	var h heard
	shown := newTeller(&h)
	shown.Observe(batch.Notice{Message: "early"})
	shown.flush()
	if want := []string{"early"}; !slices.Equal(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestTellerKnowsWhereTheRunningStepStands(t *testing.T) {
	t.Parallel()
	var h heard
	shown := newTeller(&h)
	step := &batch.StepExecution{ID: 3, Name: "load", Total: batch.Counters{Read: 1500, Write: 1400}}
	shown.tell(nil)
	shown.Observe(batch.StepStarted{Step: step})
	shown.tell(nil)
	shown.Observe(batch.StepProgress{Step: step, Counters: batch.Counters{Read: 3000, Write: 2800}, Done: 1, Total: 4})
	shown.tell(nil)
	shown.Observe(batch.StepEnded{Step: step})
	shown.tell(nil)
	want := []string{"no step is running", "batch.StepStarted", "step load: 1,500 read, 1,400 written", "batch.StepProgress",
		"step load: 3,000 read, 2,800 written, 25 %", "batch.StepEnded", "no step is running"}
	if !slices.Equal(h, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(h, "\n"), strings.Join(want, "\n"))
	}
	var out strings.Builder
	newTeller(silence{}).tell(&out)
	if out.String() != "no step is running\n" {
		t.Errorf("quiet: got %q", out.String())
	}
}

func TestLogHasALineOfProgressEveryTenSeconds(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	l := newLogObserver(slog.New(slog.NewTextHandler(&out, options)), "/m.db", func() time.Time { return now })
	step := &batch.StepExecution{ID: 5, Name: "load"}
	l.Observe(batch.JobStarted{Job: &batch.JobExecution{ID: 4, Instance: batch.JobInstance{Name: "pay"},
		Parameters: []batch.Parameter{{Name: "day", Value: "2026-11-20"}, {Name: "token", Value: "x", Secret: true}}}})
	for i := range 25 {
		now = now.Add(time.Second)
		l.Observe(batch.StepProgress{Step: step, Counters: batch.Counters{Read: int64(i)}, Done: int64(i), Total: 100})
	}
	want := `level=INFO msg="job started" job=pay execution_id=4 parameters.day=2026-11-20 parameters.token=*** meta=/m.db
level=INFO msg=progress job=pay execution_id=4 step=load step_execution_id=5 read_count=9 write_count=0 percent=9
level=INFO msg=progress job=pay execution_id=4 step=load step_execution_id=5 read_count=19 write_count=0 percent=19
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestLogTellsTheProgressOfEachBranch(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	l := newLogObserver(slog.New(slog.NewTextHandler(&out, nil)), "/m.db", func() time.Time { return now })
	l.Observe(batch.JobStarted{Job: &batch.JobExecution{ID: 4, Instance: batch.JobInstance{Name: "pay"}}})
	branches := []*batch.StepExecution{{ID: 5, Name: "left"}, {ID: 6, Name: "right"}, {ID: 7, Name: "late"}}
	for i := range 40 {
		if i == 15 {
			l.Observe(batch.StepStarted{Step: branches[2]})
		}
		for _, step := range branches {
			if step.Name != "late" || i >= 15 {
				l.Observe(batch.StepProgress{Step: step, Counters: batch.Counters{Read: int64(i)}})
			}
		}
		now = now.Add(time.Second)
	}
	for name, want := range map[string]int{"left": 3, "right": 3, "late": 2} {
		if got := strings.Count(out.String(), "msg=progress job=pay execution_id=4 step="+name); got != want {
			t.Errorf("%s: %d lines of progress in 40 s, want %d\n%s", name, got, want, out.String())
		}
	}
}
