package batchtest

import (
	"context"

	"batchctl/pkg/batch"
)

// Tasklet returns t with its runs, and what it keeps on the way, counted. One that works in a transaction gets the bare one.
func (f *Fuse) Tasklet(t batch.Tasklet) batch.Tasklet {
	fused := fusedTasklet{t, f}
	if transactional, ok := t.(batch.TransactionalTasklet); ok {
		return fusedTransactional{fused, transactional}
	}
	return fused
}

type fusedTasklet struct {
	inner batch.Tasklet
	fuse  *Fuse
}

func (t fusedTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	return t.fuse.around("tasklet.run", func() error { return t.inner.Run(ctx, c) })
}

type fusedTransactional struct {
	fusedTasklet
	transactional batch.TransactionalTasklet
}

func (t fusedTransactional) Connection() string { return t.transactional.Connection() }

func (t fusedTransactional) RunIn(ctx context.Context, tx batch.Tx, c *batch.Contribution) error {
	return t.fuse.around("tasklet.run_in", func() error { return t.transactional.RunIn(ctx, Bare(tx), c) })
}
