package plan

import (
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/runner"
)

// Summary is what a run did, as the JSON that it prints, writes into reports and hands to listeners.
type Summary struct {
	Event       *EventSummary     `json:"event,omitempty"` // for listeners: what happened
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
	Steps       []StepSummary     `json:"steps"`
	DeadLetters []LetterSummary   `json:"dead_letters,omitempty"`
	ListLetters string            `json:"list_dead_letters,omitempty"` // the command that lists them
	Errors      []ErrorSummary    `json:"errors,omitempty"`
	Restart     string            `json:"restart,omitempty"` // the command that continues it
}

// StepSummary is what a step execution did.
type StepSummary struct {
	Name        string           `json:"name"`
	ExecutionID int64            `json:"step_execution_id"`
	Status      batch.Status     `json:"status"`
	ExitStatus  string           `json:"exit_status"`
	Repeated    bool             `json:"completed_before,omitempty"` // by an earlier execution of the instance
	PartitionOf string           `json:"partition_of,omitempty"`     // the step whose counters have those of this one
	Seconds     float64          `json:"elapsed_seconds"`
	Counters    map[string]int64 `json:"counters"` // of the instance: all attempts together
	Attempt     map[string]int64 `json:"attempt"`  // of this execution
	Times       *batch.Times     `json:"times,omitempty"`
}

// LetterSummary says how many dead letters of a step are where.
type LetterSummary struct {
	Step  string `json:"step"`
	Count int64  `json:"count"`
	Where string `json:"where"`
}

// ErrorSummary is an error as an object.
type ErrorSummary struct {
	Code    string      `json:"code,omitempty"`
	Class   fault.Class `json:"class"`
	File    string      `json:"file,omitempty"`
	Line    int         `json:"line,omitempty"`
	Column  int         `json:"column,omitempty"`
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
}

// Summarize says what a run did that was started, and how it ended. Secrets are hidden; place is where the job repository
// is, as people are told.
func Summarize(o *Outcome, err error, secrets *config.Secrets, place string) Summary {
	e := o.Execution
	s := begunSummary(e, secrets, place)
	s.Continues, s.Status, s.ExitStatus, s.Seconds = o.Continues, o.Status(err), e.Exit.Code, seconds(o.Elapsed)
	for _, step := range e.Steps {
		s.Steps = append(s.Steps, SummarizeStep(step, e.ID))
	}
	for _, l := range o.Letters {
		s.DeadLetters = append(s.DeadLetters, LetterSummary{l.Step, l.Count, secrets.Redact(l.Where)})
		s.ListLetters = o.ListLetters()
	}
	if err != nil {
		s.Errors = RedactedErrors(SummarizeErrors(err), secrets)
		s.Restart = o.RestartCommand(err)
	}
	return s
}

// begunSummary is what can be said of an execution as soon as it is recorded.
func begunSummary(e *batch.JobExecution, secrets *config.Secrets, place string) Summary {
	s := Summary{
		Job: e.Instance.Name, ExecutionID: e.ID, InstanceID: e.Instance.ID, Parameters: ShownParameters(e.Parameters),
		Status: e.Status, Meta: place, Steps: []StepSummary{},
	}
	for name, value := range s.Parameters {
		s.Parameters[name] = secrets.Redact(value)
	}
	return s
}

// SummarizeStep says what a step execution did. execution is the job execution that it is looked at from.
func SummarizeStep(s *batch.StepExecution, execution int64) StepSummary {
	whole := ""
	if s.IsPartition() {
		whole = batch.WholeOf(s.Name)
	}
	var times *batch.Times
	if s.Times != (batch.Times{}) {
		times = &s.Times
	}
	return StepSummary{
		Times: times, Name: s.Name, PartitionOf: whole, ExecutionID: s.ID, Status: s.Status, ExitStatus: s.Exit.Code, Repeated: s.JobID != execution,
		Seconds: seconds(Took(s)), Counters: s.Total.Named(), Attempt: s.Counters.Named(),
	}
}

// Took is how long an attempt at a step took, 0 where its end could not be recorded.
func Took(s *batch.StepExecution) time.Duration {
	if s.Started.IsZero() || s.Ended.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Started)
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// SummarizeErrors returns the errors that err holds as objects.
func SummarizeErrors(err error) []ErrorSummary {
	var list fault.List
	var objects []ErrorSummary
	if errors.As(err, &list) {
		for _, e := range list {
			objects = append(objects, SummarizeError(e))
		}
		return objects
	}
	for _, e := range fault.Parts(err) {
		objects = append(objects, SummarizeError(e))
	}
	return objects
}

// SummarizeError returns an error as an object.
func SummarizeError(err error) ErrorSummary {
	at := fault.PositionOf(err)
	return ErrorSummary{
		Code: fault.CodeOf(err), Class: fault.ClassOf(err), File: at.File, Line: at.Line, Column: at.Column,
		Message: fault.Printable(err.Error()), Hint: fault.HintOf(err),
	}
}

// RedactedErrors takes secrets out of errors, in place.
func RedactedErrors(errors []ErrorSummary, secrets *config.Secrets) []ErrorSummary {
	for i, e := range errors {
		errors[i].Message, errors[i].Hint, errors[i].File = secrets.Redact(e.Message), secrets.Redact(e.Hint), secrets.Redact(e.File)
	}
	return errors
}

// ShownParameters returns parameters as they may be seen.
func ShownParameters(parameters []batch.Parameter) map[string]string {
	shown := map[string]string{}
	for _, p := range parameters {
		shown[p.Name] = p.Value
		if p.Secret {
			shown[p.Name] = config.Hidden
		}
	}
	return shown
}

// Status is the status that a run ended with: what the next look at the job repository will find where the end of a run
// that did everything could not be recorded.
func (o *Outcome) Status(err error) batch.Status {
	var unrecorded *runner.RecordError
	if errors.As(err, &unrecorded) {
		return batch.Failed
	}
	return o.Execution.Status
}

// ListLetters is the command that lists the dead letters of the execution's instance.
func (o *Outcome) ListLetters() string {
	return fmt.Sprintf("batchctl dead-letters list %d", o.Execution.ID)
}

// RestartCommand is the command that continues an execution, "" where none can.
func (o *Outcome) RestartCommand(err error) string {
	if !o.Status(err).Restartable() || fault.CodeOf(err) == meta.TakenOver {
		return ""
	}
	if o.Anew {
		return fmt.Sprintf("batchctl restart %d --fresh", o.Execution.ID)
	}
	return fmt.Sprintf("batchctl restart %d", o.Execution.ID)
}
