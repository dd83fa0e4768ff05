package plan

import (
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/runner"
)

func endOf(status batch.Status) string {
	switch status {
	case batch.Completed:
		return job.StepCompleted
	case batch.Stopped:
		return job.StepStopped
	}
	return job.StepFailed
}

func stepText(e batch.StepEnded) string {
	if e.Err != nil && e.Step.Status != batch.Stopped {
		reason := e.Err
		var failed *runner.StepError
		if errors.As(e.Err, &failed) {
			reason = failed.Err // the line says of which step
		}
		return "failed: " + reason.Error()
	}
	text := "completed"
	if e.Step.Status == batch.Stopped {
		text = "stopped"
	}
	if total := e.Step.Total; !e.Step.IsTasklet() {
		text += fmt.Sprintf(": %d read, %d written, %d filtered, %d skipped", total.Read, total.Write, total.Filter, total.Skip())
	}
	return text
}

func skipText(e batch.RecordSkipped) string {
	place := ""
	if e.Source != "" {
		place = " (" + e.Source + ")"
	}
	if e.Source != "" && e.Line > 0 {
		place = fmt.Sprintf(" (%s:%d)", e.Source, e.Line)
	}
	return fmt.Sprintf("record %d%s was skipped in %s: %s", e.Ordinal, place, e.Phase, fault.Text(e.Err))
}

func howItEnded(o *Outcome, err error) (name, text string) {
	switch o.Status(err) {
	case batch.Completed:
		if err == nil {
			return job.JobCompleted, "ended with exit status " + o.Execution.Exit.Code + " in " + o.Elapsed.Round(time.Millisecond).String()
		}
	case batch.Stopped:
		return job.JobStopped, "stopped" + continued(o, err)
	}
	return job.JobFailed, "failed: " + err.Error() + continued(o, err)
}

func continued(o *Outcome, err error) string {
	if command := o.RestartCommand(err); command != "" {
		return "; to continue: " + command
	}
	return ""
}
