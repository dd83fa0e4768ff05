package meta

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// TestOrder is when a target ledger saves the checkpoint. Whatever is not the zero TestOrder loses or doubles rows in a
// crash: nothing but tests may set it.
type TestOrder int

const (
	// TestTogether is in the rows' transaction, as it has to be.
	TestTogether TestOrder = iota
	// TestCheckpointBefore is in a transaction of its own, before the rows'.
	TestCheckpointBefore
	// TestCheckpointAfter is in a transaction of its own, after the rows'.
	TestCheckpointAfter
)

// commitApart commits rows and checkpoint in two transactions, in the order that is under trial.
func (l *targetLedger) commitApart(ctx context.Context, lane *targetLane, tx *sqldb.Tx, next batch.Checkpoint, fn func(batch.Tx) (batch.Checkpoint, error)) error {
	rows := func() error { return tx.Commit(ctx) }
	checkpoint := func() error {
		return inTransaction(ctx, l.db, func(own *sqldb.Tx) error { return l.swap(ctx, own, lane, next) })
	}
	first, second := rows, checkpoint
	if l.options.TestOrder == TestCheckpointBefore {
		first, second = checkpoint, rows
		if l.db.Dialect().Name() == "sqlite" {
			// A file has one writer at a time: the rows have to wait, and are written again.
			_ = tx.Rollback(ctx)
			second = func() error {
				return inTransaction(ctx, l.db, func(again *sqldb.Tx) error {
					_, err := fn(again)
					return err
				})
			}
		}
	}
	if err := first(); err != nil {
		return err
	}
	if l.options.TestBetween != nil {
		if err := l.options.TestBetween(); err != nil {
			return err
		}
	}
	return second()
}
