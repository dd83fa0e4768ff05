package sqldb

import (
	"context"
	"slices"
	"strings"
)

// UniqueKeys returns the sets of columns that a table holds at most one row for, each in the order of its index: what
// "on conflict (...)" can name. Partial, deferrable and expression indexes cannot be named and are left out.
func UniqueKeys(ctx context.Context, q Querier, table string) ([][]string, error) {
	if q.Dialect().Name() == "sqlite" {
		return uniqueKeysSQLite(ctx, q, table)
	}
	return groupedColumns(ctx, q, `select i.indexrelid, a.attname
		from pg_index i
		cross join lateral unnest(i.indkey::smallint[]) with ordinality as k(attnum, position)
		join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
		where i.indrelid = $1::text::regclass and i.indisunique and i.indisvalid and i.indimmediate
			and i.indpred is null and i.indexprs is null and k.position <= i.indnkeyatts
		order by i.indexrelid, k.position`, q.Dialect().Quote(table))
}

// uniqueKeysSQLite also counts a primary key that has no index of its own: an INTEGER PRIMARY KEY is the row's number.
func uniqueKeysSQLite(ctx context.Context, q Querier, table string) ([][]string, error) {
	schema, name := splitTable(table)
	keys, err := groupedColumns(ctx, q, `select l.seq, i.name
		from pragma_index_list(?1, ?2) l join pragma_index_info(l.name, ?2) i
		where l."unique" and not l.partial
			and not exists (select 1 from pragma_index_info(l.name, ?2) e where e.name is null)
		order by l.seq, i.seqno`, name, schema)
	if err != nil {
		return nil, err
	}
	primary, err := groupedColumns(ctx, q, `select 0, name from pragma_table_info(?1, ?2) where pk > 0 order by pk`, name, schema)
	if len(primary) == 1 && !IsUnique(keys, primary[0]) {
		keys = append(keys, primary[0])
	}
	return keys, err
}

// splitTable takes schema.table apart; without a schema it is main.
func splitTable(table string) (schema, name string) {
	if schema, name, ok := strings.Cut(table, "."); ok {
		return schema, name
	}
	return "main", table
}

// groupedColumns reads rows of a group and a column name, in order, as a list for each group.
func groupedColumns(ctx context.Context, q Querier, query string, args ...any) ([][]string, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var groups [][]string
	last := int64(-1)
	for rows.Next() {
		var group int64
		var name string
		if err := rows.Scan(&group, &name); err != nil {
			return nil, Classify(err)
		}
		if len(groups) == 0 || group != last {
			groups, last = append(groups, nil), group
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], name)
	}
	return groups, Classify(rows.Err())
}

// IsUnique reports whether one of the keys of UniqueKeys is the named columns, in any order.
func IsUnique(keys [][]string, columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(keys, func(key []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(key)), want)
	})
}

// CanBulkLoad reports whether COPY may write into a table as an insert would: PostgreSQL refuses it for views and under
// row security, and it does not follow rules.
func CanBulkLoad(ctx context.Context, q Querier, table string) (bool, error) {
	if !q.Dialect().BulkLoad() {
		return false, nil
	}
	rows, err := q.Query(ctx, `select relkind in ('r', 'p') and not relrowsecurity and not relhasrules
		from pg_class where oid = $1::text::regclass`, q.Dialect().Quote(table))
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	can := false
	if rows.Next() {
		if err := rows.Scan(&can); err != nil {
			return false, Classify(err)
		}
	}
	return can, Classify(rows.Err())
}
