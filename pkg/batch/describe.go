package batch

import (
	"context"

	"batchctl/pkg/record"
)

// A Describer is a Reader that knows its columns before it reads its records, so that expressions and target columns can
// be checked without running the job.
type Describer interface {
	// Schema returns the columns of the records to come, or nil where only reading the records can tell. It is called
	// before Open, or instead of it, and needs no Close.
	Schema(ctx context.Context) (*record.Schema, error)
}
