package plan

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// RestartRequest names an execution that is to be continued.
type RestartRequest struct {
	Which      string            // id of an execution, name of a job, or "" for the only candidate
	Parameters map[string]string // secret ones, and changes of those that do not identify the instance
	Drift      Drift
	Overrides
}

// Restart continues a failed or stopped execution as a new execution of its instance, with its parameters.
func (e *Engine) Restart(ctx context.Context, r RestartRequest, w Watcher) (*Outcome, error) {
	outcome, err := e.restart(ctx, r, w)
	if _, named := strconv.ParseInt(r.Which, 10, 64); named != nil && continuedAlready(err) {
		// On a server the launch of a process that was killed may have been recorded after the candidate was chosen.
		outcome, err = e.restart(ctx, r, w)
	}
	return outcome, err
}

// continuedAlready reports whether a restart was refused because the execution is not its instance's last one any more.
func continuedAlready(err error) bool {
	var refusal *meta.Refusal
	return errors.As(err, &refusal) && refusal.Overtaken
}

func (e *Engine) restart(ctx context.Context, r RestartRequest, w Watcher) (*Outcome, error) {
	store, err := e.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	previous, replayed, err := find(ctx, store, r.Which)
	if err != nil {
		return nil, err
	}
	p, err := e.again(previous, r)
	if err != nil {
		return nil, err
	}
	p.overrides = r.Overrides
	p.replayAgain(replayed, previous, r.Parameters)
	if err := e.checkLaunch(p); err != nil {
		return nil, err
	}
	return e.launch(ctx, store, p, meta.Request{Restart: previous.ID, Drift: r.Drift.definition()}, r.Drift, w)
}

// find returns the execution that is to be continued, and what it replays, nil where it is a run.
func find(ctx context.Context, store *meta.Store, which string) (*batch.JobExecution, *meta.Replay, error) {
	id, err := strconv.ParseInt(which, 10, 64)
	if err != nil {
		if id, err = onlyCandidate(ctx, store, which); err != nil {
			return nil, nil, err
		}
	}
	details, err := store.Execution(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	replayed, err := store.Replay(ctx, details.Execution.Instance.ID)
	return details.Execution, replayed, err
}

// onlyCandidate returns the id of the one execution that can be restarted, of a job or of all.
func onlyCandidate(ctx context.Context, store *meta.Store, job string) (int64, error) {
	candidates, err := store.Candidates(ctx, job)
	if err == nil && len(candidates) > 1 {
		candidates, err = withoutChildren(ctx, store, candidates)
	}
	if err != nil {
		return 0, err
	}
	switch len(candidates) {
	case 1:
		return candidates[0].Execution.ID, nil
	case 0:
		return onlyRunning(ctx, store, job)
	}
	var lines []string
	for _, c := range candidates {
		lines = append(lines, fmt.Sprintf("%d (%s, %s)", c.Execution.ID, c.Execution.Instance.Name, c.Execution.Status))
	}
	return 0, fault.New(fault.Definition, "%d executions can be restarted: %s", len(candidates), strings.Join(lines, ", ")).
		WithCode("ambiguous").WithHint("name one: batchctl restart %d", candidates[0].Execution.ID)
}

// withoutChildren leaves out what another candidate has started as a step of its own, and goes on with when it is
// restarted itself.
func withoutChildren(ctx context.Context, store *meta.Store, candidates []meta.ExecutionSummary) ([]meta.ExecutionSummary, error) {
	children := map[int64]bool{}
	for _, c := range candidates {
		details, err := store.Execution(ctx, c.Execution.ID)
		if err != nil {
			return nil, err
		}
		for _, step := range details.Execution.Steps {
			record, _, err := childOf(step)
			if err != nil {
				return nil, err
			}
			children[record.Execution] = true
		}
	}
	return slices.DeleteFunc(candidates, func(c meta.ExecutionSummary) bool { return children[c.Execution.ID] }), nil
}

// onlyRunning returns the id of the one execution that is running, of a job or of all: it may be waited for, and be
// restarted where it fails.
func onlyRunning(ctx context.Context, store *meta.Store, job string) (int64, error) {
	running, err := store.Executions(ctx, meta.Filter{Job: job, Status: []batch.Status{batch.Starting, batch.Started, batch.Stopping}, Limit: 2})
	if err != nil {
		return 0, err
	}
	if len(running) != 1 {
		return 0, noCandidate(ctx, store, job)
	}
	return running[0].Execution.ID, nil
}

// noCandidate says why there is nothing to restart: a job that runs, is complete, or was never run.
func noCandidate(ctx context.Context, store *meta.Store, name string) error {
	if name == "" {
		running, err := store.Executions(ctx, meta.Filter{Status: []batch.Status{batch.Starting, batch.Started, batch.Stopping}, Limit: 1})
		if err != nil {
			return err
		}
		if len(running) > 0 {
			e := running[0].Execution
			return fault.Wrap(fault.Definition, batch.ErrRunning, "there is nothing to restart, and execution %d of job %s", e.ID, e.Instance.Name).
				WithCode("running").WithHint("wait for it, or stop it with: batchctl stop %d", e.ID)
		}
		return fault.New(fault.Definition, "there is nothing to restart: no execution failed or was stopped").WithCode("nothing_to_restart")
	}
	found, err := store.Executions(ctx, meta.Filter{Job: name, Limit: 1})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return unknownJob(ctx, store, name)
	}
	last := found[0].Execution
	e := fault.New(fault.Definition, "nothing of job %s can be restarted: its last execution, %d, is %s", name, last.ID, last.Status).
		WithCode("nothing_to_restart")
	if last.Status.Running() {
		e.Err = batch.ErrRunning
	}
	return e
}

func unknownJob(ctx context.Context, store *meta.Store, name string) error {
	jobs, err := store.Jobs(ctx)
	if err != nil {
		return err
	}
	known := make([]string, len(jobs))
	for i, j := range jobs {
		known[i] = j.Name
	}
	return fault.New(fault.Definition, "no execution of a job %q in %s", name, store.Location()).
		WithCode("unknown_job").WithHint("%s", fault.DidYouMean(name, known))
}

// again prepares the definition of an execution with the parameters it had. Secrets come from their source again.
func (e *Engine) again(previous *batch.JobExecution, r RestartRequest) (*prepared, error) {
	recorded := previous.Definition
	if r.Drift.AsRecorded {
		j, err := job.Load(recorded.Path, []byte(recorded.Text))
		if err != nil {
			return nil, err
		}
		return e.prepareAgain(j, previous, r, recorded.Base)
	}
	j, err := e.load(e.shown(recorded.Path))
	if err != nil {
		var missing *fault.Error
		if errors.As(err, &missing) && missing.Code == "unreadable" {
			missing.Hint = "put the definition back, or continue with the recorded text: --as-recorded"
		}
		return nil, err
	}
	return e.prepareAgain(j, previous, r, "")
}

// shown is a path relative to the current folder where it lies below it, for messages.
func (e *Engine) shown(path string) string {
	if relative, err := filepath.Rel(e.Folder, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

func (e *Engine) prepareAgain(j *job.Job, previous *batch.JobExecution, r RestartRequest, base string) (*prepared, error) {
	given := map[string]string{}
	identifying := map[string]string{}
	for _, p := range previous.Parameters {
		if _, declared := j.Params.Get(p.Name); declared && !p.Secret {
			given[p.Name] = p.Value
		}
		if p.Identifying {
			identifying[p.Name] = p.Value
		}
	}
	for name, value := range r.Parameters {
		if old, ok := identifying[name]; ok && old != value {
			return nil, fault.New(fault.Definition, "parameter %s identifies the instance and cannot change in a restart: it is %s", name, old).
				WithCode("identifying_parameter").WithHint("start another instance with batchctl run")
		}
		given[name] = value
	}
	return e.prepare(j, given, base)
}
