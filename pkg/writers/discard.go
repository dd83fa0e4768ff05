package writers

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/record"
)

type discardConf struct{}

func newDiscard(*discardConf, *catalog.Env) (batch.Writer, error) { return discard{}, nil }

// discard writes nowhere: for trials of readers and processors.
type discard struct{}

func (discard) Open(ctx context.Context, _ batch.State) error { return ctx.Err() }

func (discard) Write(ctx context.Context, _ batch.Tx, _ []record.Record) error { return ctx.Err() }

func (discard) State() (batch.State, error) { return nil, nil }

func (discard) Flush(ctx context.Context, _ batch.Tx) error { return ctx.Err() }

func (discard) Close() error { return nil }
