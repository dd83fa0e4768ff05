package meta

import (
	"fmt"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Refusal is a launch, or another wish about an execution, that was decided against. It wraps batch.ErrRunning,
// batch.ErrComplete, batch.ErrNotRestartable, ErrNoExecution or ErrNotRunning, and a fault.Error with hint and code.
type Refusal struct {
	Err       error
	Execution int64  // the execution that stands in the way, 0 where it is not known
	Message   string // one line
	Hint      string
	Diff      string // of the definition, where that is the reason: changed lines, each behind - or + and its number
	Owner     *Owner // of a running execution, where it is known
	Overtaken bool   // the execution that was to be continued was continued already; Execution is the last one
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the decision and the error as others are shown.
func (r *Refusal) Unwrap() []error {
	return []error{r.Err, fault.New(fault.Environment, "%s", r.Message).WithHint("%s", r.Hint).WithCode(refusalCodes[r.Err])}
}

var refusalCodes = map[error]string{
	batch.ErrRunning:        "running",
	batch.ErrComplete:       "complete",
	batch.ErrNotRestartable: "not_restartable",
	ErrNoExecution:          "no_execution",
	ErrNotRunning:           "not_running",
}

func (r *Refusal) hint(format string, args ...any) *Refusal {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

func noExecution(id int64) error {
	return (&Refusal{Err: ErrNoExecution, Execution: id, Message: fmt.Sprintf("there is no execution %d in this job repository", id)}).
		hint("batchctl list shows what there is; another repository is named with --meta")
}

// running is the refusal of an instance whose owner holds its lock.
func running(name string, e *batch.JobExecution, who *Owner) error {
	return (&Refusal{Err: batch.ErrRunning, Execution: e.ID, Owner: who,
		Message: fmt.Sprintf("job %s is running already: execution %d since %s, %s", name, e.ID, describeDate(e.Created), who.Process)}).
		hint("wait for it, or stop it with: batchctl stop %d", e.ID)
}

// justNow is the refusal of an instance whose lock is held, although no execution of it is running.
func justNow(r Request) error {
	return (&Refusal{Err: batch.ErrRunning, Message: fmt.Sprintf("job %s is being started or ended by another process just now", r.Job)}).
		hint("try again in a moment")
}

// elsewhere is the refusal of an execution that is recorded as running, by an owner that cannot be judged from here.
func (s *Store) elsewhere(e *batch.JobExecution, who *Owner) error {
	if who == nil {
		return damaged("the record of job execution %d, which runs without an owner,", e.ID)
	}
	if !who.LeaseUntil.IsZero() {
		return s.leasedElsewhere(e, who)
	}
	message := fmt.Sprintf("job %s is recorded as running: execution %d since %s, %s, last heard from at %s; "+
		"its lock lies in another folder, so whether it lives cannot be seen from here",
		e.Instance.Name, e.ID, describeDate(e.Created), who.Process, describeDate(who.LastHeard))
	return (&Refusal{Err: batch.ErrRunning, Execution: e.ID, Owner: who, Message: message}).
		hint("where the repository was moved, move its lock folder %s along, to %s", who.LockFolderPath, s.locks.Folder())
}

// leasedElsewhere is the refusal of an execution whose owner holds a lease and lives, if it does, where its lock cannot be
// seen.
func (s *Store) leasedElsewhere(e *batch.JobExecution, who *Owner) error {
	left := max(time.Second, who.LeaseLeft.Round(time.Second))
	message := fmt.Sprintf("job %s is running already: execution %d since %s, %s; its lease lasts until %s, for another %s unless it is prolonged",
		e.Instance.Name, e.ID, describeDate(e.Created), who.Process, describeDate(who.LeaseUntil), left)
	return (&Refusal{Err: batch.ErrRunning, Execution: e.ID, Owner: who, Message: message}).
		hint("wait for it, or stop it with: batchctl stop %d; where that process is dead, the next start after the end of its lease takes over", e.ID)
}

func complete(r Request, last *batch.JobExecution) error {
	ended := describeDate(last.Ended)
	if last.Ended.IsZero() {
		ended = describeDate(last.Updated)
	}
	refusal := &Refusal{Err: batch.ErrComplete, Execution: last.ID,
		Message: fmt.Sprintf("job %s is complete already for these parameters: execution %d, %s", r.Job, last.ID, ended)}
	if r.EachRun {
		refusal.Message = fmt.Sprintf("execution %d of job %s completed at %s", last.ID, r.Job, ended)
		return refusal.hint("batchctl run starts a new instance")
	}
	return refusal.hint("another value of an identifying parameter (%s) makes another instance", identifying(last.Parameters))
}

func identifying(parameters []batch.Parameter) string {
	var names []string
	for _, p := range parameters {
		if p.Identifying {
			names = append(names, p.Name)
		}
	}
	if names == nil {
		return "there is none"
	}
	return strings.Join(names, ", ")
}

func notContinued(last *batch.JobExecution, why string) *Refusal {
	return &Refusal{Err: batch.ErrNotRestartable, Execution: last.ID,
		Message: fmt.Sprintf("%s cannot be continued: %s", describeExecution(last), why)}
}

func abandoned(r Request, last *batch.JobExecution) error {
	refusal := notContinued(last, "it was abandoned")
	if r.EachRun {
		return refusal.hint("batchctl run starts a new instance")
	}
	return refusal.hint("another value of an identifying parameter (%s) makes another instance", identifying(last.Parameters))
}

func overtaken(asked int64, last *batch.JobExecution) error {
	return (&Refusal{Err: batch.ErrNotRestartable, Execution: last.ID, Overtaken: true,
		Message: fmt.Sprintf("execution %d was continued already, by execution %d (%s)", asked, last.ID, last.Status)}).
		hint("batchctl restart %d", last.ID)
}

func otherJob(e *batch.JobExecution, name string) error {
	return (&Refusal{Err: batch.ErrNotRestartable, Execution: e.ID,
		Message: fmt.Sprintf("execution %d is one of job %s, and the definition is of job %s", e.ID, e.Instance.Name, name)}).
		hint("the definition it ran is %s: was the job renamed?", e.Definition.Path)
}

func otherParameters(e *batch.JobExecution) error {
	return (&Refusal{Err: batch.ErrNotRestartable, Execution: e.ID,
		Message: fmt.Sprintf("%s has other identifying parameters now: its instance would be another one", describeExecution(e))}).
		hint("the parameters it ran with: %s", describeParameters(e.Parameters))
}

// unfinished is the refusal of a run whose job has an unfinished instance that is not what was asked for.
func unfinished(e *batch.JobExecution, differs string) error {
	return (&Refusal{Err: batch.ErrNotRestartable, Execution: e.ID,
		Message: fmt.Sprintf("%s is unfinished, and was run with %s: %s", describeExecution(e), differs, describeParameters(e.Parameters))}).
		hint("finish it with: batchctl restart %d; or leave it and start anew with: batchctl run --new", e.ID)
}

func definitionChanged(last *batch.JobExecution, diff string) error {
	if diff == "" {
		diff = "(only the end of the last line differs)"
	}
	return (&Refusal{Err: batch.ErrNotRestartable, Execution: last.ID, Diff: diff,
		Message: fmt.Sprintf("the definition was changed since %s, which has committed something already", describeExecution(last))}).
		hint("go on with the changed one: --accept-changes; with the one that ran: --as-recorded")
}

// describeParameters returns name=value pairs; of secret ones only the name.
func describeParameters(parameters []batch.Parameter) string {
	if len(parameters) == 0 {
		return "no parameters"
	}
	var all []string
	for _, p := range sorted(parameters) {
		if p.Secret {
			all = append(all, p.Name+"=(secret)")
			continue
		}
		all = append(all, p.Name+"="+p.Value)
	}
	return strings.Join(all, " ")
}

func describeDate(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func describeExecution(e *batch.JobExecution) string {
	return fmt.Sprintf("execution %d of job %s (%s, %s)", e.ID, e.Instance.Name, e.Status, describeDate(e.Created))
}
