package cmd

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"batchctl/pkg/batch"
	"batchctl/pkg/plan"
	"batchctl/pkg/runner"
)

// runDocument is the summary of a run as JSON.
type runDocument struct {
	Job         string            `json:"job,omitempty"`
	ExecutionID int64             `json:"execution_id,omitempty"`
	InstanceID  int64             `json:"instance_id,omitempty"`
	Continues   int64             `json:"continues_execution_id,omitempty"`
	Parameters  map[string]string `json:"parameters"`
	Status      batch.Status      `json:"status"`
	Reason      string            `json:"reason,omitempty"` // why it was not started, where that is no error
	ExitStatus  string            `json:"exit_status,omitempty"`
	Meta        string            `json:"meta,omitempty"`
	Seconds     float64           `json:"elapsed_seconds"`
	Steps       []stepDocument    `json:"steps"`
	DeadLetters []leftDocument    `json:"dead_letters,omitempty"`
	ListLetters string            `json:"list_dead_letters,omitempty"` // the command that lists them
	Errors      []errorDocument   `json:"errors,omitempty"`
	Restart     string            `json:"restart,omitempty"` // the command that continues it
}

// leftDocument says how many dead letters of a step are where.
type leftDocument struct {
	Step  string `json:"step"`
	Count int64  `json:"count"`
	Where string `json:"where"`
}

// notStarted is the status of a run that has no execution.
const notStarted batch.Status = "NOT STARTED"

type stepDocument struct {
	Name        string           `json:"name"`
	ExecutionID int64            `json:"step_execution_id"`
	Status      batch.Status     `json:"status"`
	ExitStatus  string           `json:"exit_status"`
	Repeated    bool             `json:"completed_before,omitempty"` // by an earlier execution of the instance
	Seconds     float64          `json:"elapsed_seconds"`
	Counters    map[string]int64 `json:"counters"` // of the instance: all attempts together
	Attempt     map[string]int64 `json:"attempt"`  // of this execution
}

func (a *app) runDocument(o *plan.Outcome, err error) runDocument {
	e := o.Execution
	d := runDocument{
		Job: e.Instance.Name, ExecutionID: e.ID, InstanceID: e.Instance.ID, Continues: o.Continues,
		Parameters: shownParameters(e.Parameters), Status: endStatus(o, err), ExitStatus: e.Exit.Code,
		Seconds: seconds(o.Elapsed), Steps: []stepDocument{},
	}
	for _, s := range e.Steps {
		d.Steps = append(d.Steps, newStepDocument(s, e.ID))
	}
	for _, l := range o.Letters {
		d.DeadLetters = append(d.DeadLetters, leftDocument{l.Step, l.Count, a.secrets.Redact(l.Where)})
		d.ListLetters = listLetters(o)
	}
	if err != nil {
		d.Errors = a.redacted(errorDocuments(err))
		d.Restart = restartCommand(o, err)
	}
	d.Meta = a.metaShown()
	for name, value := range d.Parameters {
		d.Parameters[name] = a.secrets.Redact(value)
	}
	return d
}

// redacted takes secrets out of errors, for texts that do not pass through the standard streams.
func (a *app) redacted(errors []errorDocument) []errorDocument {
	for i, e := range errors {
		errors[i].Message, errors[i].Hint, errors[i].File = a.secrets.Redact(e.Message), a.secrets.Redact(e.Hint), a.secrets.Redact(e.File)
	}
	return errors
}

func newStepDocument(s *batch.StepExecution, execution int64) stepDocument {
	return stepDocument{
		Name: s.Name, ExecutionID: s.ID, Status: s.Status, ExitStatus: s.Exit.Code, Repeated: s.JobID != execution,
		Seconds: seconds(s.Ended.Sub(s.Started)), Counters: s.Total.Named(), Attempt: s.Counters.Named(),
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

const hidden = "***"

func shownParameters(parameters []batch.Parameter) map[string]string {
	shown := map[string]string{}
	for _, p := range parameters {
		shown[p.Name] = p.Value
		if p.Secret {
			shown[p.Name] = hidden
		}
	}
	return shown
}

// headline is the first line of a run: the job, its execution and its parameters.
func headline(e *batch.JobExecution) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d", e.Instance.Name, e.ID)
	shown := shownParameters(e.Parameters)
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
	elapsed := s.Ended.Sub(s.Started)
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

// endStatus is the status that a run ended with: what the next look at the job repository will find where the end of a run
// that did everything could not be recorded.
func endStatus(o *plan.Outcome, err error) batch.Status {
	var unrecorded *runner.RecordError
	if errors.As(err, &unrecorded) {
		return batch.Failed
	}
	return o.Execution.Status
}

// statusLine says how a run ended.
func statusLine(o *plan.Outcome, err error) (status, rest string) {
	skipped := int64(0)
	for _, s := range o.Execution.Steps {
		if !s.IsPartition() {
			skipped += s.Total.Skip()
		}
	}
	status = string(endStatus(o, err))
	if skipped > 0 && endStatus(o, err) == batch.Completed {
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

// listLetters is the command that lists the dead letters of an execution's instance.
func listLetters(o *plan.Outcome) string {
	return fmt.Sprintf("batchctl dead-letters list %d", o.Execution.ID)
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
