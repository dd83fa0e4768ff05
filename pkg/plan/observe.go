package plan

import (
	"context"
	"sync"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/meta"
)

// remembering passes events on, and gives names what ended steps leave behind for later ones.
type remembering struct {
	to        batch.Observer
	names     *config.Names
	listeners *audience // nil where there are none
	mu        sync.Mutex
}

func (r *remembering) Observe(e batch.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case batch.StepRepeated:
		leave(r.names, e.Step)
	case batch.StepEnded:
		leave(r.names, e.Step)
	}
	r.to.Observe(e)
	if r.listeners != nil {
		r.listeners.Observe(e)
	}
}

// redacting is the job repository as the runner sees it: descriptions are stored without secrets.
type redacting struct {
	*meta.Store
	secrets *config.Secrets
}

func (r *redacting) SaveStep(ctx context.Context, step *batch.StepExecution) error {
	step.Exit.Description = r.secrets.Redact(step.Exit.Description)
	return r.Store.SaveStep(ctx, step)
}

func (r *redacting) SaveJob(ctx context.Context, job *batch.JobExecution) error {
	job.Exit.Description = r.secrets.Redact(job.Exit.Description)
	return r.Store.SaveJob(ctx, job)
}
