package runner

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"batchctl/pkg/batch"
)

// progress is how far an instance is: what the branches of a job's flow share.
type progress struct {
	runner *Runner
	job    *batch.JobExecution

	mu      sync.Mutex // guards what follows, and the steps and the context of job
	history map[string][]*batch.StepExecution
	visits  map[string]int // how often a step has been entered by this execution
}

// newProgress loads what earlier executions of the instance did. The job's context is emptied: what completed steps have
// put into it is put there again as the flow passes them, so that decisions are made on what they were made on before.
func newProgress(ctx context.Context, r *Runner, job *batch.JobExecution) (*progress, error) {
	p := &progress{runner: r, job: job, history: map[string][]*batch.StepExecution{}, visits: map[string]int{}}
	steps, err := r.Repository.StepHistory(ctx, job.Instance.ID)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		p.history[s.Name] = append(p.history[s.Name], s)
	}
	kept := job.Context.Kept()
	job.Context = batch.Context{}
	job.Context.Keep(kept)
	return p, nil
}

// visit says which visit of a step this is, counted from 0, and which execution has been the last at it, nil where there
// was none. Entered again by the same execution, a step is run again; replayed by a later one, each visit has its result.
func (p *progress) visit(step *Step) (visit int, last *batch.StepExecution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	visit = p.visits[step.Name]
	p.visits[step.Name]++
	history := p.history[step.Name]
	if step.AllowRerun && len(history) > 0 {
		last = history[len(history)-1]
		if last.Status == batch.Completed || last.Status == batch.Abandoned && visit > 0 {
			return last.Visit + 1, nil
		}
		return last.Visit, last
	}
	for _, s := range slices.Backward(history) {
		if s.Visit == visit {
			return visit, s
		}
	}
	return visit, nil
}

// lastOf returns the newest execution of a step at a visit, nil where there is none behind the execution since.
func (p *progress) lastOf(name string, visit int, since int64) *batch.StepExecution {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Backward(p.history[name]) {
		if s.Visit == visit && s.ID > since {
			return s
		}
	}
	return nil
}

// started returns how many executions of a step the instance has had.
func (p *progress) started(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.history[name])
}

// add notes a step execution that begins, or, taken over, is that of an earlier job execution.
func (p *progress) add(s *batch.StepExecution, takenOver bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.job.Steps = append(p.job.Steps, s)
	if !takenOver {
		p.history[s.Name] = append(p.history[s.Name], s)
	}
}

// export puts what a step leaves behind into the job's context.
func (p *progress) export(ctx context.Context, s *batch.StepExecution) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	exported := s.Context.Exported()
	if len(exported) == 0 {
		return nil
	}
	maps.Copy(p.job.Context, exported)
	return p.runner.Repository.SaveJob(ctx, p.job)
}

// abandon marks failed steps that the flow goes on from, so that a restart does not run them again.
func (p *progress) abandon(ctx context.Context, failed []*batch.StepExecution) error {
	for _, s := range failed {
		if err := move(&s.Status, batch.Abandoned); err != nil {
			return err
		}
		if err := p.runner.Repository.SaveStep(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// stopsKey is where the places are kept at which the flow has been stopped by itself.
const stopsKey = "stops"

func (p *progress) stops() []string {
	var places []string
	if raw := p.job.Context.Kept()[stopsKey]; raw != nil {
		_ = json.Unmarshal(raw, &places) // it is checked by the repository, and written by rememberStop only
	}
	return places
}

// stoppedAt reports whether an earlier execution of the instance was stopped by the flow at a place.
func (p *progress) stoppedAt(place string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.stops(), place)
}

func (p *progress) rememberStop(ctx context.Context, place string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	places := p.stops()
	if slices.Contains(places, place) {
		return nil
	}
	raw, err := json.Marshal(append(places, place))
	if err != nil {
		return err
	}
	p.job.Context.Keep(batch.Context{stopsKey: raw})
	return p.runner.Repository.SaveJob(ctx, p.job)
}
