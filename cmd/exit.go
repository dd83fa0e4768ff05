package cmd

import (
	"encoding/json"
	"errors"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/plan"
	"batchctl/pkg/runner"
)

// The exit codes. They are documented, and never given another meaning.
const (
	exitCompleted      = 0
	exitFailed         = 1
	exitUsage          = 2
	exitEnvironment    = 3
	exitSkips          = 4
	exitTooManySkips   = 5
	exitRunning        = 6
	exitComplete       = 7
	exitNotRestartable = 8
	exitNothingRead    = 9
	exitTimedOut       = 10
	exitStopped        = 11
	exitInterrupted    = 130
	exitTerminated     = 143
)

// exitCode is the one place where errors become exit codes. started says that an execution was recorded, worked that it
// committed something.
func exitCode(err error, started, worked bool) int {
	var foreign *batch.ForeignError
	var signalled *signalError
	switch {
	case err == nil:
		return exitCompleted
	case errors.As(err, &signalled):
		return signalled.code()
	case errors.Is(err, errSkips):
		return exitSkips
	case errors.Is(err, runner.ErrTimedOut):
		return exitTimedOut
	case errors.Is(err, batch.ErrStopped):
		return exitStopped
	case errors.Is(err, batch.ErrRunning):
		return exitRunning
	case errors.Is(err, batch.ErrComplete):
		return exitComplete
	case errors.Is(err, batch.ErrNotRestartable), errors.Is(err, meta.ErrNoExecution), errors.As(err, &foreign):
		return exitNotRestartable
	case errors.Is(err, runner.ErrSkipLimit), errors.Is(err, runner.ErrCheckFailed):
		return exitTooManySkips
	case errors.Is(err, runner.ErrNothingRead):
		return exitNothingRead
	case errors.Is(err, meta.ErrNotRunning):
		return exitUsage
	case fault.CodeOf(err) == meta.TakenOver:
		return exitFailed
	case fault.ClassOf(err) == fault.Environment && !worked, fault.ClassOf(err) == fault.Transient && !started:
		return exitEnvironment
	case fault.ClassOf(err) == fault.Definition && !started:
		return exitUsage
	}
	return exitFailed
}

// codedError is an error whose exit code is known where it happened.
type codedError struct {
	err  error
	code int
	said bool // it has been printed, as part of a summary
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// report prints an error, unless that has been done, and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitCompleted
	}
	coded := &codedError{err: err, code: exitCode(err, false, false)}
	errors.As(err, &coded)
	if !coded.said {
		a.say(err)
	}
	return coded.code
}

// say prints an error: to standard error for people, to standard output as a JSON document where JSON is asked for.
func (a *app) say(err error) {
	if a.json() {
		a.document(struct {
			Errors []errorDocument `json:"errors"`
		}{plan.SummarizeErrors(err)})
		a.annotate(err)
		return
	}
	fmt.Fprint(a.stderr, fault.Render(err))
	a.annotate(err)
	var refusal *meta.Refusal
	if errors.As(err, &refusal) && refusal.Diff != "" {
		fmt.Fprintln(a.stderr, refusal.Diff)
	}
}

// document prints a value as the one JSON document of standard output.
func (a *app) document(v any) {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // Main looks whether standard output took everything
}
