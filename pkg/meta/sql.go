package meta

import (
	"context"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// bind puts the dialect's placeholders where query has question marks. Queries of this package hold none in literals.
func bind(d sqldb.Dialect, query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(d.Placeholder(n))
		query = after
	}
}

// exec runs a statement with question marks as placeholders and returns the number of rows it affected.
func exec(ctx context.Context, q sqldb.Querier, query string, args ...any) (int64, error) {
	return q.Exec(ctx, bind(q.Dialect(), query), args...)
}

// each calls scan for every row of a query with question marks as placeholders.
func each(ctx context.Context, q sqldb.Querier, scan func(*sqldb.Rows) error, query string, args ...any) (err error) {
	rows, err := q.Query(ctx, bind(q.Dialect(), query), args...)
	if err != nil {
		return err
	}
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return unreadable(err)
		}
	}
	return sqldb.Classify(rows.Err())
}

// unreadable is the error of a row that cannot be what was written: what scan says itself, or a value of another type.
func unreadable(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return fault.Wrap(fault.Environment, err, "a row is damaged").WithCode(checksumCode).
		WithHint("the database was damaged, or the row was changed by hand; restore it from a copy")
}

// one scans the first row of a query into dest and reports whether there is one.
func one(ctx context.Context, q sqldb.Querier, dest []any, query string, args ...any) (found bool, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(dest...)
	}, query, args...)
	return found, err
}

// to lists where the columns of a row go.
func to(dest ...any) []any { return dest }
