package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// describe shows a value with its kind.
func describe(v record.Value) string {
	switch v.Kind() {
	case record.Null:
		return "null"
	case record.Bool:
		return fmt.Sprint("bool ", v.Bool())
	case record.Int:
		return fmt.Sprint("int ", v.Int())
	case record.Float:
		return fmt.Sprint("float ", v.Float())
	case record.Decimal:
		return "decimal " + v.Number().String()
	case record.Date:
		return "date " + v.Time().Format("2006-01-02")
	case record.DateTime:
		zone := "local "
		if v.Zoned() {
			zone = "zoned "
		}
		return zone + v.Time().UTC().Format("2006-01-02T15:04:05.999999")
	}
	return v.Kind().String() + " " + v.Text()
}

// read returns the rows of a query, values described and joined by " | ", and the kinds of the columns.
func read(t testing.TB, q sqldb.Querier, query string, args ...any) (rows []string, kinds string) {
	t.Helper()
	c, err := sqldb.OpenCursor(t.Context(), q, query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var names []string
	for _, column := range c.Columns() {
		names = append(names, column.Name+" "+column.Kind.String())
	}
	var arena record.Arena
	row := make([]record.Value, len(names))
	for c.Next() {
		if err := c.Scan(row, &arena); err != nil {
			rows = append(rows, "error "+err.Error())
			continue
		}
		var parts []string
		for _, v := range row {
			parts = append(parts, describe(v))
		}
		rows = append(rows, strings.Join(parts, " | "))
	}
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return rows, strings.Join(names, ", ")
}

// A result reads the same whoever reads it: database/sql, lib/pq, which has to do it over TLS, or, from the second row on, the
// cursor itself.
func TestCursorReadsEveryKindOfPostgres(t *testing.T) {
	t.Parallel()
	server := sqltest.Schema(t)
	db := open(t, "postgres", server)
	conn, text := held(t, db), held(t, open(t, "postgres", server+"&disable_prepared_binary_result=yes"))
	encrypted := held(t, open(t, "postgres", sqltest.TLS(t, server)))
	for _, c := range []struct{ value, want string }{
		{"true", "bool true"}, {"null::bool", "null"}, {"false", "bool false"},
		{"1::int2", "int 1"}, {"-2::int4", "int -2"}, {"9223372036854775807", "int 9223372036854775807"},
		{"1.50::numeric(10,3)", "decimal 1.500"}, {"12345678901234567890123456789012345678901.5", "decimal 12345678901234567890123456789012345678901.5"},
		{"0.1::float8", "float 0.1"}, {"'-infinity'::float8", "float -Inf"}, {"0.1::float4", "float 0.1"},
		{"date '2024-02-29'", "date 2024-02-29"},
		{"timestamp '2024-02-29 12:34:56.789'", "local 2024-02-29T12:34:56.789"},
		{"timestamptz '2024-02-29 12:34:56+09'", "zoned 2024-02-29T03:34:56"},
		{"timestamptz '1890-01-01 12:00:00+00'", "zoned 1890-01-01T12:00:00"},
		{"'a'::varchar(3)", "text a"}, {"'x'::name", "text x"}, {"'9'::\"char\"", "text 9"}, {"null::numeric", "null"}, {"null::timestamptz", "null"},
		{"'[1,  2]'::json", "json [1,  2]"}, {"'1.5'::jsonb", "json 1.5"}, {"-0.00", "decimal 0.00"}, {"'inet 1'::text", "text inet 1"},
		{`'{"a": 1}'::json`, `json {"a": 1}`}, {`'{"a":1}'::jsonb`, `json {"a": 1}`},
		{`'\x00ff'::bytea`, "bytes \x00\xff"}, {"''::bytea", "bytes "},
		{"'한글'::text", "text 한글"}, {"''", "text "}, {"'x'::char(3)", "text x"}, {"null", "null"},
		{"interval '1 day'", "text 1 day"}, {"time '12:34'", "text 12:34:00"}, {"'{1,2}'::int[]", "text {1,2}"},
		{"'6b1d6a9e-1f3c-4b58-9a53-0c0a7a1d8a11'::uuid", "text 6b1d6a9e-1f3c-4b58-9a53-0c0a7a1d8a11"},
		{"'NaN'::numeric", `error column c: "NaN" is not a decimal`},
		{"'infinity'::date", `error column c: "infinity" is not a date`},
		{"'infinity'::timestamp", `error column c: "infinity" is not a datetime`},
	} {
		for how, q := range map[string]sqldb.Querier{"pool": db, "held": conn, "text only": text, "over TLS": encrypted} {
			plain, _ := read(t, q, "select "+c.value+" as c from generate_series(1, 3)")
			bound, _ := read(t, q, "select "+c.value+" as c from generate_series(1, $1)", int64(3))
			for i, got := range append(plain, bound...) {
				if got != c.want {
					t.Errorf("%s, %s, row %d: got %q, want %q", c.value, how, i, got, c.want)
				}
			}
			if len(plain) != 3 || len(bound) != 3 {
				t.Errorf("%s, %s: got %d and %d rows", c.value, how, len(plain), len(bound))
			}
		}
	}
}

// Rows larger than what is read at once, and what the server says between rows, come where they belong.
func TestCursorReadsLargeRowsAndWarnings(t *testing.T) {
	t.Parallel()
	server := sqltest.Schema(t)
	t.Run("plain", func(t *testing.T) { readLargeRowsAndWarnings(t, server) })
	t.Run("over TLS", func(t *testing.T) { readLargeRowsAndWarnings(t, sqltest.TLS(t, server)) })
}

func readLargeRowsAndWarnings(t *testing.T, dsn string) {
	t.Helper()
	conn := held(t, open(t, "postgres", dsn))
	mustExec(t, conn, `create or replace function warned(i int) returns int language plpgsql as $$ begin
		if i % 7 = 0 then raise warning 'seven'; end if; return i; end $$`)
	cursor, err := sqldb.OpenCursor(t.Context(), conn, `select warned(i) as i, repeat(chr(65 + i % 26), case when i % 50 = 0 then 100000 when i % 10 = 0 then 32700 + i else i % 100 end) as words
		from generate_series(1, 300) i`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cursor.Close() }()
	row, arena, n := make([]record.Value, 2), &record.Arena{}, 0
	for ; cursor.Next(); arena.Reset() {
		n++
		size := n % 100
		if n%50 == 0 {
			size = 100000
		} else if n%10 == 0 {
			size = 32700 + n
		}
		if err := cursor.Scan(row, arena); err != nil || row[0].Int() != int64(n) || row[1].Text() != strings.Repeat(string(rune(65+n%26)), size) {
			t.Fatalf("row %d is %d with %d bytes (%v)", n, row[0].Int(), len(row[1].Text()), err)
		}
	}
	if cursor.Err() != nil || n != 300 {
		t.Errorf("read %d rows (%v)", n, cursor.Err())
	}
}

func TestCursorEndsWithTheErrorOfALaterRow(t *testing.T) {
	t.Parallel()
	conn := held(t, open(t, "postgres", sqltest.Schema(t)))
	cursor, err := sqldb.OpenCursor(t.Context(), conn, "select 1 / (5000 - i) as c from generate_series(1, 9000) i")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for cursor.Next() {
		n++
	}
	if err := cursor.Err(); n != 4999 || fault.ClassOf(err) != fault.Constraint || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("read %d rows, then %v", n, err)
	}
	_ = cursor.Close()
	wantTexts(t, conn, "select 2", "2")
}

func TestCursorReadsEveryKindOfSQLite(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	for _, c := range []struct{ column, value, want string }{
		{"integer", "7", "int 7"}, {"integer", "null", "null"}, {"integer", "'x'", `error column c: "x" is not an int`},
		{"integer", "1.5", "error column c: the stored number 1.5 is of another kind than int"},
		{"decimal(10,2)", "12.5", "decimal 12.5"}, {"decimal(10,2)", "12", "decimal 12"}, {"numeric", "0.1", "decimal 0.1"},
		{"decimal(10,2)", "'x'", `error column c: "x" is not a decimal`},
		{"text", "'12.50'", "text 12.50"}, {"varchar(20)", "5", "text 5"}, {"text", "x'4142'", "text AB"},
		{"real", "1", "float 1"}, {"double precision", "0.1", "float 0.1"},
		{"boolean", "1", "bool true"}, {"boolean", "0", "bool false"}, {"boolean", "'true'", "bool true"}, {"boolean", "2", "error column c: the stored integer 2 is not a bool"},
		{"date", "'2024-02-29'", "date 2024-02-29"}, {"date", "'29.02.2024'", `error column c: "29.02.2024" is not a date`},
		{"datetime", "'2024-02-29 12:34:56'", "local 2024-02-29T12:34:56"}, {"timestamp", "'2024-02-29T12:34:56+09:00'", "zoned 2024-02-29T03:34:56"},
		{"blob", "x'00ff'", "bytes \x00\xff"}, {"json", `'{"a":1}'`, `json {"a":1}`},
		{"", "7", "int 7"}, {"", "'x'", "text x"}, {"", "1.5", "float 1.5"}, {"", "x'41'", "bytes A"},
	} {
		mustExec(t, db, "create table t (c "+c.column+")")
		mustExec(t, db, "insert into t values ("+c.value+")")
		if rows, _ := read(t, db, "select c from t"); rows[0] != c.want {
			t.Errorf("%s %s: got %q, want %q", c.column, c.value, rows[0], c.want)
		}
		mustExec(t, db, "drop table t")
	}
}

func TestCursorKeepsTheTextOfWhatItReads(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (d date, n numeric(10,3))")
		mustExec(t, db, "insert into t values ('2024-02-29', 1.500)")
		c, err := sqldb.OpenCursor(t.Context(), db, "select d from t")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		row, arena := make([]record.Value, 1), &record.Arena{}
		if !c.Next() || c.Scan(row, arena) != nil || row[0].Text() != "2024-02-29" || row[0].Kind() != record.Date {
			t.Errorf("got %v %q (%v)", row[0].Kind(), row[0].Text(), c.Err())
		}
	})
}

func TestCursorKeepsOrderBindsAndNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, `create table t (id integer primary key, "a b" text)`)
		mustExec(t, db, "insert into t values (1, 'x'), (2, null), (3, 'z'), (4, 'w')")
		query := fmt.Sprintf(`select id, "a b" from t where id < %s order by id desc -- last first`, db.Dialect().Placeholder(1))
		rows, kinds := read(t, db, query, int64(4))
		if got := strings.Join(rows, "; "); got != "int 3 | text z; int 2 | null; int 1 | text x" || kinds != "id int, a b text" {
			t.Errorf("got %s (%s)", got, kinds)
		}
		if rows, kinds := read(t, db, "with x as (select 1 as one) select one from x where one > 5"); rows != nil || kinds == "" {
			t.Errorf("empty result: got %v (%s)", rows, kinds)
		}
	})
}

func TestCursorRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		for query, says := range map[string]string{
			"select 1 as a, 2 as a": `two columns called "a"`,
			"select nonsense":       "nonsense",
			"select 1 from nowhere": "nowhere",
			"selec 1":               "syntax error",
		} {
			_, err := sqldb.OpenCursor(t.Context(), db, query)
			if err == nil || fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want class definition and %q", query, err, says)
			}
		}
	})
}

const manyRows = "select i, 'some text that takes a little room ' || i as t from "

func many(driver string, n int) string {
	if driver == "postgres" {
		return fmt.Sprintf("%s generate_series(1, %d) i", manyRows, n)
	}
	return fmt.Sprintf("with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) %s n", n, manyRows)
}

func TestCursorStreams(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		c, err := sqldb.OpenCursor(t.Context(), db, many(driver, 200_000))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		row, arena, count := make([]record.Value, 2), &record.Arena{}, 0
		var before, now runtime.MemStats
		for c.Next() {
			if err := c.Scan(row, arena); err != nil {
				t.Fatal(err)
			}
			switch count++; count {
			case 1000:
				runtime.GC()
				runtime.ReadMemStats(&before)
			case 190_000:
				runtime.GC()
				runtime.ReadMemStats(&now)
			}
			if count%1000 == 0 {
				arena.Reset()
			}
		}
		if err := c.Err(); err != nil || count != 200_000 {
			t.Fatalf("read %d rows (%v)", count, err)
		}
		// The result is some 9 MB; other tests run at the same time, so the bound is loose.
		if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 6<<20 {
			t.Errorf("the heap grew by %d bytes within one result", grown)
		}
	})
}

func TestCursorEndsWithItsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := sqldb.OpenCursor(ctx, db, many(driver, 5_000_000))
		if err != nil {
			t.Fatal(err)
		}
		within(t, "a cancelled cursor", func() {
			for count := 0; c.Next(); count++ {
				if count == 1000 {
					cancel()
				}
			}
			if !errors.Is(c.Err(), context.Canceled) {
				t.Errorf("got %v, want the context's error", c.Err())
			}
			_ = c.Close()
		})
		wantTexts(t, db, "select 1", "1")
	})
}

// Rows cost no allocation but the blocks of the arena, and on PostgreSQL what the driver does before the second row.
func TestCursorAllocatesNothingForARow(t *testing.T) {
	for driver, most := range map[string]float64{"sqlite": 2, "postgres": 2} {
		dsn := sqltest.SQLite(t)
		if driver == "postgres" {
			dsn = sqltest.Schema(t)
		}
		cursor, err := sqldb.OpenCursor(t.Context(), held(t, open(t, driver, dsn)), many(driver, 100_000))
		if err != nil {
			t.Fatal(err)
		}
		row, arena := make([]record.Value, 2), &record.Arena{}
		allocations := testing.AllocsPerRun(50, func() {
			arena.Reset()
			for range 1000 {
				if !cursor.Next() || cursor.Scan(row, arena) != nil {
					t.Fatal(cursor.Err())
				}
			}
		})
		if allocations > most {
			t.Errorf("%s: %v allocations for 1000 rows", driver, allocations)
		}
		_ = cursor.Close()
	}
}

func TestCursorOnAHeldConnectionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		conn := held(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := sqldb.OpenCursor(ctx, conn, many(driver, 5_000_000))
		if err != nil {
			t.Fatal(err)
		}
		within(t, "a cancelled cursor", func() {
			for count := 0; c.Next(); count++ {
				if count == 1000 {
					cancel()
				}
			}
			if !errors.Is(c.Err(), context.Canceled) {
				t.Errorf("got %v, want the context's error", c.Err())
			}
			_ = c.Close()
			_ = conn.Close()
		})
		wantTexts(t, db, "select 1", "1")
	})
}

func TestLostConnectionIsNotTheEndOfACursor(t *testing.T) {
	t.Parallel()
	proxy, dsn := sqltest.NewProxy(t, sqltest.Schema(t))
	conn := held(t, open(t, "postgres", dsn))
	c, err := sqldb.OpenCursor(t.Context(), conn, many("postgres", 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a cursor whose connection was cut", func() {
		for count := 0; c.Next(); count++ {
			if count == 100 {
				proxy.Cut()
			}
		}
		if err := c.Err(); !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient || !conn.Lost() {
			t.Errorf("got %v, lost %v, want a lost connection of class transient", err, conn.Lost())
		}
		_ = c.Close()
	})
}

func TestCursorReadsOffsetsOfOtherZones(t *testing.T) {
	t.Parallel()
	conn := held(t, open(t, "postgres", sqltest.Schema(t)))
	mustExec(t, conn, "set timezone = 'Asia/Seoul'")
	for value, want := range map[string]string{
		"2024-02-29 12:00:00+00": "zoned 2024-02-29T12:00:00", "1900-01-01 00:00:00+00": "zoned 1900-01-01T00:00:00",
	} {
		if rows, _ := read(t, conn, "select timestamptz '"+value+"' as z"); rows[0] != want {
			t.Errorf("%s: got %q, want %q", value, rows[0], want)
		}
	}
}

// What a row costs is the driver's: making values of it allocates nothing.
func TestCursorScansWithoutAllocating(t *testing.T) {
	c, err := sqldb.OpenCursor(t.Context(), held(t, open(t, "postgres", sqltest.Schema(t))),
		"select 70000 as i, 'a text' as t, 1234.50::numeric(12,2) as d, true as b, null::int as n, timestamptz '2024-02-29 12:34:56+00' as z, '[1]'::json as j")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	row, arena := make([]record.Value, len(c.Columns())), &record.Arena{}
	if !c.Next() {
		t.Fatal(c.Err())
	}
	allocations := testing.AllocsPerRun(100, func() {
		arena.Reset()
		if err := c.Scan(row, arena); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for a row", allocations)
	}
}

func TestCursorClosedInMidResultFreesItsConnection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		c := held(t, open(t, driver, dsn))
		cursor, err := sqldb.OpenCursor(t.Context(), c, many(driver, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		if !cursor.Next() {
			t.Fatal(cursor.Err())
		}
		if err := cursor.Close(); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, c, "select 2", "2")
	})
}

func TestCursorSaysThatTheConnectionDied(t *testing.T) {
	t.Parallel()
	proxy, dsn := sqltest.NewProxy(t, sqltest.Schema(t))
	db := open(t, "postgres", dsn)
	c, err := sqldb.OpenCursor(t.Context(), db, many("postgres", 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a cursor whose connection was cut", func() {
		for count := 0; c.Next(); count++ {
			if count == 100 {
				proxy.Cut()
			}
		}
		if err := c.Err(); !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("got %v, want a lost connection of class transient", err)
		}
		_ = c.Close()
	})
}

func BenchmarkCursor(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		b.Run(driver, func(b *testing.B) {
			dsn := ""
			if driver == "sqlite" {
				dsn = sqltest.SQLite(b)
			} else {
				dsn = sqltest.Schema(b)
			}
			db := open(b, driver, dsn)
			row, arena := make([]record.Value, 2), &record.Arena{}
			b.ReportAllocs()
			c, err := sqldb.OpenCursor(b.Context(), db, many(driver, b.N))
			if err != nil {
				b.Fatal(err)
			}
			for count := 0; c.Next(); count++ {
				if err := c.Scan(row, arena); err != nil {
					b.Fatal(err)
				}
				if count%1000 == 0 {
					arena.Reset()
				}
			}
			_ = c.Close()
		})
	}
}
