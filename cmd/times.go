package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/plan"
)

// leastShown is the least work whose times say something.
const leastShown = 10 * time.Millisecond

// writeTimes writes what the steps of an execution spent their time on, and what each waits for.
func writeTimes(to io.Writer, e *batch.JobExecution) {
	steps := slices.DeleteFunc(slices.Clone(e.Steps), func(s *batch.StepExecution) bool {
		return s.IsPartition() || s.JobID != e.ID || s.Times.Busy() < leastShown
	})
	if len(steps) == 0 {
		return
	}
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "time\tread\tprocess\twrite\tcommit\tpause\ton the clock\twaits for")
	for _, s := range steps {
		t := s.Times
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, timeText(t.Read), timeText(t.Process), timeText(t.Write), timeText(t.Commit),
			timeText(t.Pause), timeText(plan.Took(s)), waitsFor(t))
	}
	w.Flush()
	fmt.Fprintln(to, "  (these run side by side, so that they may add up to more than the clock shows: see docs/performance.md)")
}

// timeText is a time that may be none, or not known.
func timeText(d time.Duration) string {
	if d < time.Millisecond {
		return "-"
	}
	return shortDuration(d)
}

// waitsFor says what bounds a step's speed, and how long the others waited for that.
func waitsFor(t batch.Times) string {
	var idle []string
	if t.ReaderWait >= time.Millisecond {
		idle = append(idle, "reading idled "+shortDuration(t.ReaderWait))
	}
	if t.WriterWait >= time.Millisecond {
		idle = append(idle, "writing idled "+shortDuration(t.WriterWait))
	}
	text := string(t.WaitsFor())
	if n := many(t); n != "" {
		idle = append([]string{n}, idle...)
	}
	if len(idle) > 0 {
		text += " (" + strings.Join(idle, ", ") + ")"
	}
	return text
}

// many says how many goroutines the times are the sums of.
func many(t batch.Times) string {
	switch {
	case t.Readers > 1:
		return fmt.Sprintf("%d partitions", t.Readers)
	case t.Writers > 1:
		return fmt.Sprintf("%d workers that process and write", t.Workers)
	case t.Workers > 1:
		return fmt.Sprintf("%d workers that process", t.Workers)
	}
	return ""
}
