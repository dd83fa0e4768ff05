package cmd

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"batchctl/pkg/batch"
)

// stage is bars on a terminal of some width, with a clock that the test moves.
type barStage struct {
	out  strings.Builder
	bars *bars
	now  time.Time
}

func newBarStage(columns int) *barStage {
	s := &barStage{now: time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)}
	s.bars = newBars(&s.out, func() int { return columns }, "/state/batchctl.db", func() time.Time { return s.now })
	return s
}

func (s *barStage) progress(step *batch.StepExecution, read, done, total int64) {
	s.bars.Observe(batch.StepProgress{Step: step, Counters: batch.Counters{Read: read}, Done: done, Total: total})
	s.now = s.now.Add(time.Second)
}

// run is a job of two steps, the first of which goes on at 80 % and whose reader can estimate.
func (s *barStage) run() {
	job := &batch.JobExecution{ID: 12, Instance: batch.JobInstance{Name: "settlement"}}
	s.bars.Observe(batch.JobStarted{Job: job})
	first := &batch.StepExecution{ID: 1, Name: "settle", Started: s.now, Total: batch.Counters{Read: 800}}
	s.bars.Observe(batch.StepStarted{Step: first, Resumed: true})
	s.progress(first, 800, 8000, 10000)
	s.progress(first, 900, 9000, 10000)
	s.bars.Observe(batch.Notice{Step: first, Message: "mind \x1b[31m this"})
	s.progress(first, 1000, 10000, 10000)
	s.bars.Say("step settle: 1,000 read")
	first.Total, first.Counters = batch.Counters{Read: 1000, Write: 1000}, batch.Counters{Read: 200, Write: 200}
	first.Status, first.Ended = batch.Completed, s.now
	s.bars.Observe(batch.StepEnded{Step: first})
	second := &batch.StepExecution{ID: 2, Name: "a step with a very long name, longer than a line", Started: s.now}
	s.bars.Observe(batch.StepStarted{Step: second})
	s.progress(second, 10, 0, 0)
	second.Status, second.Ended, second.Total = batch.Failed, s.now, batch.Counters{Read: 10}
	second.Counters = second.Total
	s.bars.Observe(batch.StepEnded{Step: second})
}

// screen returns the lines that a terminal shows in the end, and every state that the last line has had.
func screen(text string) (lines, drawn []string) {
	for _, line := range strings.Split(text, "\n") {
		states := strings.Split(line, "\r")
		shown := ""
		for _, state := range states {
			switch {
			case strings.HasPrefix(state, "\x1b[K"):
				shown = strings.TrimPrefix(state, "\x1b[K")
			case state != "":
				shown = state
				drawn = append(drawn, state)
			}
		}
		lines = append(lines, strings.TrimRight(shown, " "))
	}
	return lines, drawn
}

func TestBarsLeaveOneLineForEachStepAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newBarStage(80)
	s.run()
	lines, _ := screen(s.out.String())
	want := []string{
		"settlement #12    history in /state/batchctl.db",
		`  note: mind \x1b[31m this`,
		"  step settle: 1,000 read",
		"  settle                  1,000 read        1,000 written     3.0 s  67 /s   (200 read in this attempt)",
		"  a step with a very long name, longer than a line           10 read            0 written     1.0 s  10 /s   FAILED",
		"",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestBarShowsRecordsRatePercentAndTimeLeftOfThisAttempt(t *testing.T) {
	t.Parallel()
	s := newBarStage(80)
	s.run()
	_, drawn := screen(s.out.String())
	text := strings.Join(drawn, "\n")
	for _, want := range []string{
		"  settle                    800 records                         80% |",
		"  settle                    900 records   100 /s      1 s left  90% |",
		"  settle                  1,000 records   100 /s      0 s left  99% |",
		" a step with a v…           10 records ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestBarIsNarrowerThanTheTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{20, 40, 60, 76, 80, 120, 200} {
		s := newBarStage(columns)
		s.run()
		_, drawn := screen(s.out.String())
		for _, line := range drawn {
			if strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "|") {
				if width := utf8.RuneCountInString(line); width >= columns && !strings.Contains(line, "note:") && strings.Contains(line, "records") {
					t.Errorf("%d columns: %d letters: %q", columns, width, line)
				}
			}
		}
	}
}

func TestBarMovesFromTheStart(t *testing.T) {
	t.Parallel()
	s := newBarStage(80)
	step := &batch.StepExecution{ID: 1, Name: "load", Started: s.now}
	s.bars.Observe(batch.StepStarted{Step: step})
	for percent := range int64(100) {
		s.progress(step, percent, percent, 100)
	}
	_, drawn := screen(s.out.String())
	for percent := range 100 {
		if want := fmt.Sprintf(" %d%% |", percent); !strings.Contains(strings.Join(drawn, "\n"), want) {
			t.Errorf("%d %% was never shown", percent)
		}
	}
}

func TestStepsSideBySideShareALine(t *testing.T) {
	t.Parallel()
	for columns, want := range map[int]string{
		80: "  left 1,500 50%  right 7  a step with a longer name 10 10%",
		60: "  left 1,500 50%  right 7  and 1 more",
		30: "  left 1,500 50%  and 2 more",
		20: "  and 3 more",
	} {
		s := newBarStage(columns)
		var steps []*batch.StepExecution
		for i, name := range []string{"left", "right", "a step with a longer name"} {
			steps = append(steps, &batch.StepExecution{ID: int64(i + 1), Name: name, Started: s.now})
			s.bars.Observe(batch.StepStarted{Step: steps[i]})
		}
		s.progress(steps[0], 1500, 50, 100)
		s.progress(steps[2], 10, 1, 10)
		s.progress(steps[1], 7, 0, 0)
		if got := lastLine(s.out.String()); got != want || utf8.RuneCountInString(got) >= columns {
			t.Errorf("%d columns: got %q, want %q", columns, got, want)
		}
		steps[1].Status, steps[1].Ended = batch.Completed, s.now
		s.bars.Observe(batch.StepEnded{Step: steps[1]})
		if got := lastLine(s.out.String()); strings.Contains(got, "right  ") {
			t.Errorf("%d columns: a step that has ended is still drawn: %q", columns, got)
		}
	}
}

// lastLine returns what the last line of a terminal shows.
func lastLine(text string) string {
	text = text[strings.LastIndex(text, "\x1b[K")+len("\x1b[K"):]
	return text[strings.LastIndex(text, "\n")+1:]
}
