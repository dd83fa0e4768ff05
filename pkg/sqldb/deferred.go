package sqldb

import (
	"context"
	"fmt"

	"batchctl/pkg/fault"
)

// CheckDeferred makes constraints that are deferred to COMMIT be checked now, and from now on at once. SQLite has no such
// switch: there it looks through all foreign keys, if any is deferred, and returns one more that is violated than at the
// first call in tx as an error of class constraint. So the first call comes before anything is written.
func (tx *Tx) CheckDeferred(ctx context.Context) error {
	if isPostgres(tx.Dialect()) {
		if tx.immediate {
			return nil
		}
		_, err := tx.Exec(ctx, "set constraints all immediate")
		tx.immediate = err == nil && tx.depth == 0 // a savepoint that is rolled back takes the setting with it
		return err
	}
	if tx.orphans == nil {
		deferred, err := tx.deferredKeys(ctx)
		if err != nil {
			return err
		}
		before := 0
		if deferred {
			if before, err = tx.countOrphans(ctx); err != nil {
				return err
			}
		}
		tx.orphans = &orphans{deferred, before}
		return nil
	}
	if !tx.orphans.possible {
		return nil
	}
	now, err := tx.countOrphans(ctx)
	if err != nil || now <= tx.orphans.before {
		return err
	}
	return tx.orphanError(ctx)
}

// orphans is what a transaction on SQLite knows of rows without a parent.
type orphans struct {
	possible bool // some foreign key may be deferred; a violation of the others is an error of its statement
	before   int  // rows that had none when the transaction began: nobody checks what is there
}

// deferredKeys reports whether the schema has foreign keys that are checked at COMMIT. It may also be a column's name that
// says so, which costs time only.
func (tx *Tx) deferredKeys(ctx context.Context) (bool, error) {
	n, err := tx.count(ctx, "select count(*) from sqlite_schema where type = 'table' and sql like '%deferred%'")
	return n > 0, err
}

func (tx *Tx) countOrphans(ctx context.Context) (int, error) {
	return tx.count(ctx, "select count(*) from pragma_foreign_key_check")
}

func (tx *Tx) count(ctx context.Context, query string) (int, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, Classify(err)
		}
	}
	return n, Classify(rows.Err())
}

// orphanError names the row without a parent, where there is but one that it can be.
func (tx *Tx) orphanError(ctx context.Context) error {
	const code = "SQLITE_CONSTRAINT_FOREIGNKEY"
	if tx.orphans.before > 0 {
		return fault.New(fault.Constraint, "FOREIGN KEY constraint failed").WithCode(code)
	}
	rows, err := tx.Query(ctx, "pragma foreign_key_check")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return Classify(rows.Err())
	}
	var table, parent string
	var row, key any
	if err := rows.Scan(&table, &row, &parent, &key); err != nil {
		return Classify(err)
	}
	return fault.New(fault.Constraint, "FOREIGN KEY constraint failed: %s, row %s, has no parent in %s", table, rowName(row), parent).WithCode(code)
}

func rowName(row any) string {
	if row == nil {
		return "unknown"
	}
	return fmt.Sprint(row)
}
