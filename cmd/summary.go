package cmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"batchctl/pkg/batch"
	"batchctl/pkg/plan"
)

// The JSON of a run is that which listeners get.
type (
	runDocument   = plan.Summary
	stepDocument  = plan.StepSummary
	errorDocument = plan.ErrorSummary
)

// notStarted is the status of a run that has no execution.
const notStarted batch.Status = "NOT STARTED"

func (a *app) runDocument(o *plan.Outcome, err error) runDocument {
	return plan.Summarize(o, err, a.secrets, a.metaShown())
}

// redacted takes secrets out of errors, for texts that do not pass through the standard streams.
func (a *app) redacted(errors []errorDocument) []errorDocument {
	return plan.RedactedErrors(errors, a.secrets)
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// headline is the first line of a run: the job, its execution and its parameters.
func headline(e *batch.JobExecution) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d", e.Instance.Name, e.ID)
	shown := plan.ShownParameters(e.Parameters)
	for _, p := range e.Parameters {
		fmt.Fprintf(&b, "  %s=%s", p.Name, shown[p.Name])
	}
	return b.String()
}

// writeSteps writes a line for each step: name, counters, time and rate, in columns.
func writeSteps(w io.Writer, e *batch.JobExecution) {
	width := nameWidth
	steps := slices.DeleteFunc(slices.Clone(e.Steps), (*batch.StepExecution).IsPartition)
	for _, s := range steps {
		width = max(width, utf8.RuneCountInString(s.Name))
	}
	for _, s := range steps {
		fmt.Fprintln(w, stepText(s, s.JobID != e.ID, width))
	}
}

func stepText(s *batch.StepExecution, repeated bool, width int) string {
	return fmt.Sprintf("  %-*s %s", width, s.Name, stepLine(s, repeated))
}

func stepLine(s *batch.StepExecution, repeated bool) string {
	total := s.Total
	var b strings.Builder
	switch {
	case s.IsTasklet() && total.Write > 0:
		fmt.Fprintf(&b, "%17s %12s written", "", grouped(total.Write))
	case s.IsTasklet():
		fmt.Fprintf(&b, "%38s", "")
	default:
		fmt.Fprintf(&b, "%12s read %12s written", grouped(total.Read), grouped(total.Write))
	}
	if total.Filter > 0 {
		fmt.Fprintf(&b, " %9s filtered", grouped(total.Filter))
	}
	if total.Skip() > 0 {
		fmt.Fprintf(&b, " %7s skipped", grouped(total.Skip()))
	}
	if repeated {
		b.WriteString("   completed before")
		return b.String()
	}
	elapsed := plan.Took(s)
	fmt.Fprintf(&b, " %9s", shortDuration(elapsed))
	if s.Counters.Read > 0 && elapsed > 0 {
		fmt.Fprintf(&b, "  %s", rate(s.Counters.Read, elapsed))
	}
	if s.Counters.Read != total.Read {
		fmt.Fprintf(&b, "   (%s read in this attempt)", grouped(s.Counters.Read))
	}
	if s.Status != batch.Completed {
		fmt.Fprintf(&b, "   %s", s.Status)
	}
	return b.String()
}

// statusLine says how a run ended.
func statusLine(o *plan.Outcome, err error) (status, rest string) {
	skipped := int64(0)
	for _, s := range o.Execution.Steps {
		if !s.IsPartition() {
			skipped += s.Total.Skip()
		}
	}
	status = string(o.Status(err))
	if skipped > 0 && o.Status(err) == batch.Completed {
		status += " WITH SKIPS"
	}
	rest = "in " + shortDuration(o.Elapsed)
	if exit := o.Execution.Exit.Code; exit != string(o.Execution.Status) && exit != "" && !strings.HasSuffix(status, exit) {
		rest = "(exit status " + exit + ") " + rest
	}
	for i, l := range o.Letters {
		between := ", "
		if i == 0 {
			between = "     "
		}
		rest += between + counted(l.Count, "dead letter") + " in " + l.Where
	}
	return status, rest
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(digits) - 3; i > start; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func shortDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d m", int(d.Hours()), int(d.Minutes())%60)
}

// wholeSeconds is a duration as an estimate has it: to the second.
func wholeSeconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	}
	return shortDuration(d)
}

func rate(records int64, elapsed time.Duration) string {
	perSecond := float64(records) / elapsed.Seconds()
	switch {
	case perSecond >= 1e6:
		return fmt.Sprintf("%.1f M/s", perSecond/1e6)
	case perSecond >= 1e3:
		return fmt.Sprintf("%.0f k/s", perSecond/1e3)
	}
	return fmt.Sprintf("%.0f /s", perSecond)
}
