package sqldb_test

import (
	"fmt"
	"slices"
	"testing"

	"batchctl/pkg/sqldb"
)

func TestUniqueKeysAreThoseThatOnConflictCanName(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, `create table "a b" (id integer primary key, x integer, y integer, "z z" integer, unique (y, x))`)
		mustExec(t, db, `create unique index i on "a b" ("z z")`)
		mustExec(t, db, `create unique index half on "a b" (x) where x > 0`)
		mustExec(t, db, `create index many on "a b" (y)`)
		keys, err := sqldb.UniqueKeys(t.Context(), db, "a b")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range keys {
			got = append(got, fmt.Sprint(key))
		}
		slices.Sort(got)
		if fmt.Sprint(slices.Compact(got)) != "[[id] [y x] [z z]]" {
			t.Errorf("got %v", got)
		}
		if !sqldb.IsUnique(keys, []string{"x", "y"}) || sqldb.IsUnique(keys, []string{"x"}) {
			t.Error("the order of columns counts, or a part of a key does")
		}
	})
}

func TestBulkLoadIsForPlainTables(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table plain (x integer)")
		mustExec(t, db, "create view v as select x from plain")
		for table, want := range map[string]bool{"plain": driver == "postgres", "v": false} {
			if got, err := sqldb.CanBulkLoad(t.Context(), db, table); err != nil || got != want {
				t.Errorf("%s: got %v, %v, want %v", table, got, err, want)
			}
		}
	})
}
