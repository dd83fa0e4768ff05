package batchtest

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// Writer returns w with every operation counted; what w is beside a Writer (batch.Publisher, batch.Target) the result is
// too. It hands the transaction of a wrapped ledger on without its wrapper, so that w sees the type it knows.
func (f *Fuse) Writer(w batch.Writer) batch.Writer {
	fused := &fusedWriter{inner: w, fuse: f}
	publisher, publishes := w.(batch.Publisher)
	target, targets := w.(batch.Target)
	publishing := fusedPublisher{inner: publisher, fuse: f}
	switch {
	case publishes && targets:
		return struct {
			*fusedWriter
			fusedPublisher
			batch.Target
		}{fused, publishing, target}
	case publishes:
		return struct {
			*fusedWriter
			fusedPublisher
		}{fused, publishing}
	case targets:
		return struct {
			*fusedWriter
			batch.Target
		}{fused, target}
	}
	return fused
}

type fusedWriter struct {
	inner batch.Writer
	fuse  *Fuse
}

func (w *fusedWriter) Open(ctx context.Context, from batch.State) error {
	return w.fuse.around("writer.open", func() error { return w.inner.Open(ctx, from) })
}

func (w *fusedWriter) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	return w.fuse.around("writer.write", func() error { return w.inner.Write(ctx, Bare(tx), rows) })
}

// State has no effect and is not counted; a dead process gets none.
func (w *fusedWriter) State() (batch.State, error) {
	if w.fuse.Dead() {
		return nil, w.fuse.dead("writer.state")
	}
	return w.inner.State()
}

func (w *fusedWriter) Flush(ctx context.Context, tx batch.Tx) error {
	return w.fuse.around("writer.flush", func() error { return w.inner.Flush(ctx, Bare(tx)) })
}

func (w *fusedWriter) Close() error { return w.inner.Close() }

type fusedPublisher struct {
	inner batch.Publisher
	fuse  *Fuse
}

func (p fusedPublisher) Finish(ctx context.Context) error {
	return p.fuse.around("writer.finish", func() error { return p.inner.Finish(ctx) })
}

func (p fusedPublisher) Publish(ctx context.Context) error {
	return p.fuse.around("writer.publish", func() error { return p.inner.Publish(ctx) })
}
