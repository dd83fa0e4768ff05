package sqldb_test

import (
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/sqldb"
)

func TestScriptIsSplitBetweenStatementsOnly(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		dialect sqldb.Dialect
		script  string
		want    []string // "verb: text"
	}{
		{"two", sqldb.SQLite, "delete from a;\nDELETE from b", []string{"delete: delete from a", "delete: DELETE from b"}},
		{"nothing between semicolons", sqldb.SQLite, ";; select 1 ; ; -- end\n", []string{"select: select 1"}},
		{"only comments", sqldb.Postgres, "-- a;\n/* b; */", nil},
		{"string", sqldb.SQLite, "insert into a values ('x;y''z;')", []string{"insert: insert into a values ('x;y''z;')"}},
		{"comment within", sqldb.SQLite, "select 1 -- one; two\n, 2; select 3", []string{"select: select 1 -- one; two\n, 2", "select: select 3"}},
		{"dollar quote", sqldb.Postgres, "do $x$ begin; end; $x$; select 1", []string{"do: do $x$ begin; end; $x$", "select: select 1"}},
		{"trigger", sqldb.SQLite, "create temp trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end; select 1",
			[]string{"create: create temp trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end", "select: select 1"}},
		{"function with a body", sqldb.Postgres, "create or replace function f() returns int begin atomic select 1; select case 1 when 1 then 2 end; end; select 2",
			[]string{"create: create or replace function f() returns int begin atomic select 1; select case 1 when 1 then 2 end; end", "select: select 2"}},
		{"rule", sqldb.Postgres, "create rule r as on insert to a do (delete from b; delete from c); select 1",
			[]string{"create: create rule r as on insert to a do (delete from b; delete from c)", "select: select 1"}},
		{"with", sqldb.Postgres, "with x as (delete from a returning *) insert into b select * from x", []string{"insert: with x as (delete from a returning *) insert into b select * from x"}},
		{"a table called begin", sqldb.SQLite, `create table "begin" (a); create table b (end_of int)`, []string{`create: create table "begin" (a)`, "create: create table b (end_of int)"}},
		{"binds", sqldb.Postgres, "delete from a where day < :day; select a::text", []string{"delete: delete from a where day < :day", "select: select a::text"}},
	}
	for _, c := range cases {
		parts, err := sqldb.SplitScript(c.dialect, c.script)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []string
		for _, p := range parts {
			got = append(got, p.Verb+": "+p.Text)
			if !strings.HasPrefix(c.script[p.Offset:], p.Text) {
				t.Errorf("%s: %q does not begin at %d", c.name, p.Text, p.Offset)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestScriptWithAnOpenStringIsRefused(t *testing.T) {
	t.Parallel()
	_, err := sqldb.SplitScript(sqldb.SQLite, "select 1;\nselect 'a")
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}
