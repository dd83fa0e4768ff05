package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func prepare(t testing.TB, c *sqldb.Conn, query string) *sqldb.Stmt {
	t.Helper()
	s, err := c.Prepare(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is bound reads back as what the driver stores for Argument of the same value.
func TestSQLiteStatementsStoreWhatTheDriverStores(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	moment := time.Date(2026, 11, 22, 6, 0, 0, 5e8, time.FixedZone("", 9*3600))
	for name, v := range map[string]record.Value{
		"absent": {}, "null": record.NullValue, "true": record.OfBool(true), "false": record.OfBool(false),
		"int": record.OfInt(math.MinInt64), "float": record.OfFloat(-0.1), "infinity": record.OfFloat(math.Inf(1)), "not a number": record.OfFloat(math.NaN()),
		"decimal": decimal(t, "-12345678901234567890.50"), "date": record.OfDate(moment), "datetime": record.OfTime(moment), "reading": record.OfLocalTime(moment),
		"empty text": text(""), "text": text("a\x00b, 한국어"), "longer than a block": text(strings.Repeat("x", 100_000)), "json": record.OfJSON(`{"a":1}`),
		"bytes": record.OfBytes("\x00\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			mustExec(t, c, "create table if not exists t (a)")
			mustExec(t, c, "delete from t")
			mustExec(t, c, "insert into t values (?)", c.Dialect().Argument(v))
			s := prepare(t, c, "insert into t values (?)")
			s.Bind(v)
			if n, err := s.Run(t.Context()); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if got := texts(t, c, "select distinct typeof(a) || ' ' || quote(a) || ' ' || coalesce(hex(a), '') from t"); len(got) != 1 {
				t.Errorf("the driver and the statement differ: %.200q", got)
			}
		})
	}
}

func TestEmptyBytesAreNotNull(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table t (a)")
	s := prepare(t, c, "insert into t values (?)")
	s.Bind(record.OfBytes(""))
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, c, "select quote(a) from t", "X''")
}

func TestBoundTextsAreCopied(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table t (n int, a text)")
	const rows = 1000
	s := prepare(t, c, "insert into t values (?, ?)"+strings.Repeat(", (?, ?)", rows-1))
	memory := make([]byte, 200)
	for round := range 3 {
		for i := range rows {
			for at := range memory {
				memory[at] = byte('a' + (i+round)%26)
			}
			s.Bind(record.OfInt(int64(i)))
			s.Bind(record.OfText(record.String(memory[:i%len(memory)])))
		}
		clear(memory)
		if n, err := s.Run(t.Context()); n != rows || err != nil {
			t.Fatal(n, err)
		}
		wantTexts(t, c, fmt.Sprintf("select count(*) from t where a = replace(hex(zeroblob(n %% 200)), '00', char(97 + (n + %d) %% 26))", round), "1000")
		mustExec(t, c, "delete from t")
	}
}

func TestErrorsOfSQLiteStatementsAreTheDrivers(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table other (id int primary key)")
	mustExec(t, c, `create table t (id integer primary key, a text not null unique, b int check (b > 0), o int references other)`)
	mustExec(t, c, "create table strict_ (a integer) strict")
	mustExec(t, c, "insert into t values (1, 'one', 1, null)")
	for name, statement := range map[string]string{
		"primary key": "insert into t values (1, 'two', 1, null)", "unique": "insert into t values (2, 'one', 1, null)",
		"not null": "insert into t values (2, null, 1, null)", "check": "insert into t values (2, 'two', 0, null)",
		"foreign key": "insert into t values (2, 'two', 1, 7)", "type": "insert into strict_ values ('x')",
		"rowid": "insert into t values ('x', 'two', 1, null)", "function": "select decimal_add('x', 1)", "no table": "insert into none values (1)",
		"syntax": "insert insert", "overflow": "select abs(-9223372036854775808)",
	} {
		t.Run(name, func(t *testing.T) {
			_, want := c.Exec(t.Context(), statement)
			s, got := c.Prepare(t.Context(), statement)
			if got == nil {
				_, got = s.Run(t.Context())
			}
			if want == nil || got == nil || got.Error() != want.Error() || fault.CodeOf(got) != fault.CodeOf(want) || fault.ClassOf(got) != fault.ClassOf(want) ||
				fault.HintOf(got) != fault.HintOf(want) {
				t.Errorf("got %v (%s, %s), want %v (%s, %s)", got, fault.CodeOf(got), fault.ClassOf(got), want, fault.CodeOf(want), fault.ClassOf(want))
			}
		})
	}
}

func TestStatementGoesOnBehindAFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		c := held(t, open(t, driver, dsn))
		mustExec(t, c, "create table t (id int primary key)")
		insert := "insert into t values (" + c.Dialect().Placeholder(1) + ")"
		for _, id := range []int64{1, 1, 2} {
			s := prepare(t, c, insert)
			s.Bind(record.OfInt(id))
			_, _ = s.Run(t.Context())
		}
		prepare(t, c, insert).Bind(record.OfInt(9)) // never run
		if n, err := prepare(t, c, insert).Exec(t.Context(), 3); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		wantTexts(t, c, "select id from t order by id", "1", "2", "3")
	})
}

func TestArgumentsOfOtherTypesAreConverted(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table t (a, b, c, d, e, f)")
	type phase string
	if _, err := prepare(t, c, "insert into t values (?, ?, ?, ?, ?, ?)").Exec(t.Context(), phase("running"), uint32(7), true, nil, []byte("x"), 1.5); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, c, "select quote(a) || quote(b) || quote(c) || quote(d) || quote(e) || quote(f) from t", "'running'71NULLX'78'1.5")
	if _, err := prepare(t, c, "insert into t (a) values (?)").Exec(t.Context(), struct{}{}); err == nil {
		t.Error("a struct was taken for an argument")
	}
}

func TestScriptRunsAsAWhole(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table t (a)")
	s := prepare(t, c, "insert into t values (?1); insert into t values (?1 + 1)")
	s.Bind(record.OfInt(1))
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, c, "select a from t order by a", "1", "2")
}

func TestCancelledSQLiteStatementEnds(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	s := prepare(t, c, "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	within(t, "a cancelled statement", func() {
		if _, err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	if !c.Lost() {
		t.Error("the connection of a cancelled statement counts as usable")
	}
}

func TestMoreValuesThanPlaceholdersAreRefused(t *testing.T) {
	t.Parallel()
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	s := prepare(t, c, "select ?")
	s.Bind(record.OfInt(1))
	s.Bind(record.OfInt(2))
	if _, err := s.Run(t.Context()); err == nil {
		t.Error("a value without a placeholder was dropped without a word")
	}
}

// Values cost nothing each: a statement of 500 does as many allocations as one of 10.
func TestBindingAllocatesNothingForAValue(t *testing.T) {
	c := held(t, open(t, "sqlite", sqltest.SQLite(t)))
	mustExec(t, c, "create table t (id int, name text, amount numeric, at text, flag boolean)")
	tx := begin(t, c)
	row := []record.Value{record.OfInt(1 << 40), text("a name of some length"), decimal(t, "12345.67"), record.OfTime(time.Unix(1.7e9, 0)), record.OfBool(true)}
	const rows = 100
	query := "insert into t values (?,?,?,?,?)" + strings.Repeat(", (?,?,?,?,?)", rows-1)
	allocations := testing.AllocsPerRun(20, func() {
		s, err := tx.Prepare(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for range rows {
			for _, v := range row {
				s.Bind(v)
			}
		}
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 12 {
		t.Errorf("%v allocations for a statement of %d values", allocations, rows*len(row))
	}
}
