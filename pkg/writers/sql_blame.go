package writers

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// attempt writes the planned rows and, where that fails because of one of them, finds out which. A savepoint makes that
// possible and costs nothing worth mentioning, but for a plain COPY: there the server says the line itself, of most errors.
func (w *sqlTable) attempt(ctx context.Context, tx *sqldb.Tx) error {
	if w.bulk && !w.single() && w.bound.write.Mode == sqldb.Insert && w.conf.ExpectRows == 0 {
		err := w.apply(ctx, tx, 0, len(w.plan.order))
		if searchable(err) && !tx.Nested() {
			return w.retrace(ctx, tx.Conn().DB(), err)
		}
		return err
	}
	if err := tx.Savepoint(ctx); err != nil {
		return err
	}
	err := w.apply(ctx, tx, 0, len(w.plan.order))
	if err == nil {
		return tx.Release(ctx)
	}
	if undone := tx.RollbackTo(ctx); undone != nil {
		return err // the transaction is gone, or the connection: there is nothing left to search in
	}
	if searchable(err) {
		err = w.blame(ctx, tx, err)
		if undone := tx.RollbackTo(ctx); undone != nil {
			return err
		}
	}
	return errors.Join(err, tx.Release(ctx))
}

// searchable reports whether an error is about a row that is not known yet.
func searchable(err error) bool {
	var known *batch.RowError
	return err != nil && !errors.As(err, &known) && fault.ClassOf(err).Data()
}

// blame halves the planned rows until one stands alone that fails behind those before it, and returns its error. Where
// that cannot be done it returns why. What it writes on the way the caller rolls back.
func (w *sqlTable) blame(ctx context.Context, tx *sqldb.Tx, why error) error {
	lo, hi := 0, len(w.plan.order)
	for lo < hi {
		mid := lo + max(1, (hi-lo)/2)
		if err := tx.Savepoint(ctx); err != nil {
			return why
		}
		err := w.apply(ctx, tx, lo, mid)
		if err != nil && tx.RollbackTo(ctx) != nil || tx.Release(ctx) != nil {
			return why
		}
		var row *batch.RowError
		switch {
		case err == nil:
			lo = mid
		case errors.As(err, &row):
			return err
		case !fault.ClassOf(err).Data():
			return why
		case mid-lo == 1:
			return &batch.RowError{Row: w.plan.order[lo].row, Err: err}
		default:
			hi = mid
		}
	}
	return why // it did not fail again
}

// retraceTime bounds the search on a connection of its own.
const retraceTime = 3 * time.Second

// retrace searches on another connection, for the transaction is aborted and has no savepoint to go back to. It can wait
// for nobody: an aborted transaction holds no locks.
func (w *sqlTable) retrace(ctx context.Context, db *sqldb.DB, why error) error {
	ctx, cancel := context.WithTimeout(ctx, retraceTime)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return why
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return why
	}
	defer func() { _ = tx.Rollback(ctx) }()
	return w.blame(ctx, tx, why)
}
