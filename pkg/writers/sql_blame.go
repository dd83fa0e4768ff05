package writers

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sectionRows is how many rows are searched at most for the one that a statement of several rows fails with.
const sectionRows = 500

// attempt writes the planned rows. COPY has no savepoints: of most errors the server says the line itself, of others the
// runner divides the rows, or calls Blame. Statements are run in sections, and a section that fails is searched at once.
func (w *sqlTable) attempt(ctx context.Context, tx *sqldb.Tx) error {
	n := len(w.plan.order)
	if w.bulk.Copy && !w.single() {
		return w.load(ctx, tx, 0, n)
	}
	return nested(ctx, tx, func() error {
		for lo := 0; lo < n; lo += sectionRows {
			if err := w.section(ctx, tx, lo, min(lo+sectionRows, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// section writes the planned rows from lo to hi and, where that fails because of one of them, finds out which.
func (w *sqlTable) section(ctx context.Context, tx *sqldb.Tx, lo, hi int) error {
	err := nested(ctx, tx, func() error { return w.apply(ctx, tx, lo, hi) })
	if searchable(err) {
		return w.search(ctx, tx, lo, hi, err, func(lo, hi int) error { return w.apply(ctx, tx, lo, hi) })
	}
	return err
}

// nested runs do under a savepoint, and undoes it where do fails.
func nested(ctx context.Context, tx *sqldb.Tx, do func() error) error {
	if err := tx.Savepoint(ctx); err != nil {
		return err
	}
	err := do()
	if err != nil && tx.RollbackTo(ctx) != nil {
		return err // the transaction is gone, or the connection
	}
	return errors.Join(err, tx.Release(ctx))
}

// searchable reports whether an error is about a row that is not known yet.
func searchable(err error) bool {
	var known *batch.RowError
	return err != nil && !errors.As(err, &known) && fault.ClassOf(err).Data()
}

// search halves the planned rows from lo to hi until one stands alone that try fails for, behind those before it, and
// returns its error. Where that cannot be done it returns why. What try writes on the way the caller undoes.
func (w *sqlTable) search(ctx context.Context, tx *sqldb.Tx, lo, hi int, why error, try func(lo, hi int) error) error {
	for lo < hi {
		mid := lo + max(1, (hi-lo)/2)
		err := nested(ctx, tx, func() error { return try(lo, mid) })
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

// blameTime bounds the search on a connection of its own.
const blameTime = 10 * time.Second

// Blame implements batch.Blamer for COPY, and for constraints that show at COMMIT. It is given no transaction to search in:
// the one that failed is undone, and so will be the one it makes.
func (w *sqlTable) Blame(ctx context.Context, rows []record.Record, why error) error {
	if len(rows) == 0 || !searchable(why) {
		return why
	}
	ctx, cancel := context.WithTimeout(ctx, blameTime)
	defer cancel()
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return why
	}
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
	defer w.forget(why)
	defer func() { w.plan.rows = nil }() // they are the caller's
	if tx.CheckDeferred(ctx) != nil || w.prepare(ctx, tx, rows) != nil {
		return why
	}
	return w.search(ctx, tx, 0, len(w.plan.order), why, func(lo, hi int) error {
		return errors.Join(w.apply(ctx, tx, lo, hi), tx.CheckDeferred(ctx))
	})
}
