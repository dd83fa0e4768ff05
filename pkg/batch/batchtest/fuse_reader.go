package batchtest

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// Reader returns r with every Open and Read counted; what r is beside a Reader (batch.Estimator, batch.Locator) the
// result is too.
func (f *Fuse) Reader(r batch.Reader) batch.Reader {
	fused := &fusedReader{Reader: r, fuse: f}
	estimator, estimates := r.(batch.Estimator)
	locator, locates := r.(batch.Locator)
	switch {
	case estimates && locates:
		return struct {
			*fusedReader
			batch.Estimator
			batch.Locator
		}{fused, estimator, locator}
	case estimates:
		return struct {
			*fusedReader
			batch.Estimator
		}{fused, estimator}
	case locates:
		return struct {
			*fusedReader
			batch.Locator
		}{fused, locator}
	}
	return fused
}

type fusedReader struct {
	batch.Reader
	fuse *Fuse
}

func (r *fusedReader) Open(ctx context.Context, from batch.State) error {
	if err := r.fuse.Step("reader.open"); err != nil {
		return err
	}
	return r.Reader.Open(ctx, from)
}

func (r *fusedReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := r.fuse.Step("reader.read"); err != nil {
		return err
	}
	return r.Reader.Read(ctx, into)
}
