package sqldb_test

import (
	"errors"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

func dialects(t *testing.T) map[string]sqldb.Dialect {
	t.Helper()
	return map[string]sqldb.Dialect{"sqlite": sqldb.SQLite, "postgres": sqldb.Postgres}
}

func TestParseStatementFindsBinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, driver, text, sql, names string
	}{
		{"plain", "postgres", "select :a, :b_2", "select $1, $2", "a b_2"},
		{"sqlite", "sqlite", "select :a, :b", "select ?1, ?2", "a b"},
		{"twice", "postgres", "select :a, :b, :a", "select $1, $2, $1", "a b"},
		{"cast", "postgres", "select :a::int, b::date", "select $1::int, b::date", "a"},
		{"string", "postgres", "select ':a', 'it''s :a', :b", "select ':a', 'it''s :a', $1", "b"},
		{"escape string", "postgres", `select E'\':a', :b`, `select E'\':a', $1`, "b"},
		{"standard string ends with a backslash", "postgres", `select '\', :b`, `select '\', $1`, "b"},
		{"name ending in e before a string", "postgres", `select 1 as "e", date'2024-01-01\', :b`, `select 1 as "e", date'2024-01-01\', $1`, "b"},
		{"identifier", "postgres", `select ":a", ":""b", :c`, `select ":a", ":""b", $1`, "c"},
		{"line comment", "postgres", "select 1 -- :a '\n, :b", "select 1 -- :a '\n, $1", "b"},
		{"block comment", "postgres", "select /* :a ' */ :b", "select /* :a ' */ $1", "b"},
		{"nested comment", "postgres", "select /* /* */ :a */ :b", "select /* /* */ :a */ $1", "b"},
		{"no nesting in sqlite", "sqlite", "select /* /* */ :a, :b", "select /* /* */ ?1, ?2", "a b"},
		{"dollar quote", "postgres", "select $$ :a ' $$, $x$ $$ :b $x$, :c", "select $$ :a ' $$, $x$ $$ :b $x$, $1", "c"},
		{"dollar in a name", "postgres", "select a$b, :c", "select a$b, $1", "c"},
		{"slice", "postgres", "select a[1:2], a[lo:hi], a[:n], array[:x, :y]", "select a[1:2], a[lo:hi], a[$1], array[$2, $3]", "n x y"},
		{"assignment", "postgres", "call f(x := :a)", "call f(x := $1)", "a"},
		{"brackets in sqlite", "sqlite", "select [a :b], `:c`, :d", "select [a :b], `:c`, ?1", "d"},
		{"json operators", "postgres", "select a ? 'x', a->>'y', :z", "select a ? 'x', a->>'y', $1", "z"},
		{"korean", "postgres", "select :날짜 from 주문", "select $1 from 주문", "날짜"},
		{"time", "sqlite", "select '12:30', x from t where y = :z", "select '12:30', x from t where y = ?1", "z"},
		{"semicolon at the end", "postgres", " select 1 ; -- done\n", "select 1", ""},
		{"semicolon within", "postgres", "select 1; select :a;", "select 1; select $1", "a"},
		{"comment at the end", "postgres", "select 1 -- done", "select 1 -- done", ""},
		{"empty", "postgres", "  ", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := sqldb.ParseStatement(dialects(t)[c.driver], c.text)
			if err != nil {
				t.Fatal(err)
			}
			if s.SQL() != c.sql || strings.Join(s.Names(), " ") != c.names {
				t.Errorf("got %q with %v, want %q with [%s]", s.SQL(), s.Names(), c.sql, c.names)
			}
		})
	}
}

func TestParseStatementRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, driver, text, says string }{
		{"string", "postgres", "select 'abc", "unfinished quote '"},
		{"identifier", "postgres", `select "abc`, `unfinished quote "`},
		{"comment", "postgres", "select\n/* abc", "line 2 of the SQL: unfinished comment"},
		{"nested comment", "postgres", "select /* /* */", "unfinished comment"},
		{"dollar quote", "postgres", "select $a$ b $$", "unfinished dollar quote"},
		{"number", "postgres", "select $1", "placeholder $1 has no name"},
		{"question mark", "sqlite", "select ?", "placeholder ? has no name"},
		{"at", "sqlite", "select @a", "placeholder @ has no name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sqldb.ParseStatement(dialects(t)[c.driver], c.text)
			if err == nil || fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want class definition and %q", err, c.says)
			}
		})
	}
}

func TestStatementArgs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		s, err := sqldb.ParseStatement(db.Dialect(), "select cast(:b as integer) - cast(:a as integer), cast(:b as integer)")
		if err != nil {
			t.Fatal(err)
		}
		args, err := s.Args(func(name string) (any, error) { return map[string]any{"a": int64(2), "b": int64(7)}[name], nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(t, db, s.SQL(), args...); got[0] != "5,7" {
			t.Errorf("got %v, want 5,7", got)
		}
		unknown := errors.New("unknown")
		if _, err := s.Args(func(string) (any, error) { return nil, unknown }); !errors.Is(err, unknown) {
			t.Errorf("got %v, want the lookup's error", err)
		}
	})
}

func FuzzParseStatementKeepsEverythingButBinds(f *testing.F) {
	for _, text := range []string{"select :a", "'x' \"y\" $z$ :a $z$ -- b\n/* c */ a[1:2]::int;", "E'\\'' `", "[a] ? @", "$1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range dialects(t) {
			s, err := sqldb.ParseStatement(d, text)
			if err != nil {
				continue
			}
			if len(s.Names()) == 0 && !strings.HasPrefix(strings.TrimSpace(text), s.SQL()) {
				t.Errorf("%q became %q", text, s.SQL())
			}
		}
	})
}
