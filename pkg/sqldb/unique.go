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

// Bulk is what COPY may do to a table.
type Bulk struct {
	Copy   bool // write into it as an insert would
	Binary bool // take rows in binary: types of columns may be looked at
	Filter bool // have a filter, and insert rows one by one
}

// BulkOf asks what COPY may do to a table. PostgreSQL refuses it for views and under row security, and it does not follow
// rules. A filter may be given from PostgreSQL 12 on; rows of partitions may lie on other servers, which are better given
// many at once. Relatives of PostgreSQL, and extensions that do COPY themselves, are given what all of them understand.
func BulkOf(ctx context.Context, q Querier, table string) (Bulk, error) {
	if !q.Dialect().BulkLoad() {
		return Bulk{}, nil
	}
	rows, err := q.Query(ctx, `select relkind in ('r', 'p') and not relrowsecurity and not relhasrules,
		genuine and has_table_privilege(oid, 'select'),
		genuine and relkind = 'r' and current_setting('server_version_num')::int >= 120000
		from pg_class, (select version() ~ '^PostgreSQL [0-9.]+ ' and version() !~ 'Greenplum'
			and not exists (select from pg_extension where extname in ('citus', 'timescaledb')) as genuine) server where oid = $1::text::regclass`, q.Dialect().Quote(table))
	if err != nil {
		return Bulk{}, err
	}
	defer func() { _ = rows.Close() }()
	b := Bulk{}
	if rows.Next() {
		if err := rows.Scan(&b.Copy, &b.Binary, &b.Filter); err != nil {
			return Bulk{}, Classify(err)
		}
	}
	return b, Classify(rows.Err())
}
