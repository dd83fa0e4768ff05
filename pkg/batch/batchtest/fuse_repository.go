package batchtest

import (
	"context"

	"batchctl/pkg/batch"
)

// Repository returns r with every save counted.
func (f *Fuse) Repository(r batch.Repository) batch.Repository {
	return &fusedRepository{inner: r, fuse: f}
}

type fusedRepository struct {
	inner batch.Repository
	fuse  *Fuse
}

func (r *fusedRepository) StartStep(ctx context.Context, step *batch.StepExecution) error {
	return r.fuse.around("repository.start_step", func() error { return r.inner.StartStep(ctx, step) })
}

func (r *fusedRepository) SaveStep(ctx context.Context, step *batch.StepExecution) error {
	return r.fuse.around("repository.save_step", func() error { return r.inner.SaveStep(ctx, step) })
}

func (r *fusedRepository) SaveJob(ctx context.Context, job *batch.JobExecution) error {
	return r.fuse.around("repository.save_job", func() error { return r.inner.SaveJob(ctx, job) })
}

func (r *fusedRepository) StepHistory(ctx context.Context, instance int64) ([]*batch.StepExecution, error) {
	if err := r.fuse.Step("repository.step_history"); err != nil {
		return nil, err
	}
	return r.inner.StepHistory(ctx, instance)
}

func (r *fusedRepository) StopRequested(ctx context.Context, execution int64) (bool, error) {
	if r.fuse.Dead() {
		return false, r.fuse.dead("repository.stop_requested")
	}
	return r.inner.StopRequested(ctx, execution)
}
