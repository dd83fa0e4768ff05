package sqldb_test

import (
	"fmt"
	"testing"

	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func TestUniqueKeysAreThoseThatOnConflictCanName(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, driver string // both databases where driver is empty
		tables       []string
		want         string
	}{
		{"none", "", []string{"create table p (a integer, b integer)"}, "[]"},
		{"integer primary key", "", []string{"create table p (a integer primary key, b integer)"}, "[[a]]"},
		{"key of two, in the order of the index", "", []string{"create table p (a integer, b integer, primary key (b, a))"}, "[[b a]]"},
		{"unique index", "", []string{"create table p (a integer, b integer)", "create unique index i on p (b)", "create index j on p (a)"}, "[[b]]"},
		{"partial index", "", []string{"create table p (a integer, b integer)", "create unique index i on p (b) where a > 0"}, "[]"},
		{"expression", "", []string{"create table p (a integer, b text)", "create unique index i on p (a, lower(b))"}, "[]"},
		{"deferrable", "postgres", []string{"create table p (a integer unique deferrable)"}, "[]"},
		{"included columns", "postgres", []string{"create table p (a integer, b integer)", "create unique index i on p (a) include (b)"}, "[[a]]"},
		{"schema", "postgres", []string{"create schema s", "create table s.p (a integer unique)"}, "[[a]]"},
	}
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		for _, c := range cases {
			if c.driver != "" && c.driver != driver {
				continue
			}
			table := "p"
			if c.name == "schema" {
				table = "s.p"
			}
			for _, statement := range append([]string{"drop table if exists p"}, c.tables...) {
				if _, err := db.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := sqldb.UniqueKeys(t.Context(), db, table)
			if got := fmt.Sprint(keys); err != nil || got != c.want {
				t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
			}
		}
	})
}

func TestIsUniqueWantsAllColumnsOfAKeyInAnyOrder(t *testing.T) {
	t.Parallel()
	keys := [][]string{{"a"}, {"b", "c"}}
	for columns, want := range map[string]bool{"a": true, "c b": true, "b": false, "a b": false} {
		var list []string
		for _, c := range columns {
			if c != ' ' {
				list = append(list, string(c))
			}
		}
		if got := sqldb.IsUnique(keys, list); got != want {
			t.Errorf("%s: got %t, want %t", columns, got, want)
		}
	}
}
