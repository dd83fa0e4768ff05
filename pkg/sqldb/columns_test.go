package sqldb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func flags(c sqldb.Column) string {
	text := fmt.Sprintf("%s %s %s", c.Name, c.Type, c.Kind)
	for name, set := range map[string]bool{" null": c.Nullable} {
		if set {
			text += name
		}
	}
	if c.HasDefault {
		text += " default"
	}
	if c.Generated {
		text += " generated"
	}
	if c.Key {
		text += " key"
	}
	if c.Size > 0 {
		text += fmt.Sprintf(" size %d", c.Size)
	}
	return text
}

func wantColumns(t *testing.T, q sqldb.Querier, table string, want ...string) {
	t.Helper()
	columns, err := sqldb.Columns(t.Context(), q, table)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range columns {
		got = append(got, flags(c))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", table, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestColumnsOfPostgres(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Postgres(t))
	mustExec(t, db, `
		create domain money2 as numeric(12,2);
		create schema "Other";
		create table "Other"."Or ders" (
			id bigint generated always as identity, "a.b" varchar(20) not null, price money2 default 0, fixed char(2), gone int,
			at timestamptz, doc jsonb, raw bytea, ok boolean, twice int generated always as (1 + 1) stored, primary key (id, "a.b"));
		alter table "Other"."Or ders" drop gone;
		create table plain (x real);
		create view v as select x, 1 as one from plain`)
	wantColumns(t, db, "Other.Or ders",
		"id bigint int default generated key",
		"a.b character varying(20) text key size 20",
		"price money2 decimal null default",
		"fixed character(2) text null size 2",
		"at timestamp with time zone datetime null",
		"doc jsonb json null",
		"raw bytea bytes null",
		"ok boolean bool null",
		"twice integer int null default generated")
	wantColumns(t, db, "plain", "x real float null")
	wantColumns(t, db, "v", "x real float null", "one integer int null")
}

func TestColumnsOfSQLite(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	mustExec(t, db, `create table "Or ders" (id INTEGER primary key, "a.b" VARCHAR(20) not null, price DECIMAL(12,2) default 0, d DATE, at DATETIME,
		ok BOOLEAN, raw BLOB, doc JSON, x, twice INT as (id * 2) stored)`)
	mustExec(t, db, "create table pairs (a TEXT, b INTEGER, primary key (a, b)) without rowid")
	mustExec(t, db, `create view v as select id from "Or ders"`)
	orders := []string{
		"id INTEGER int default key", "a.b VARCHAR(20) text size 20", "price DECIMAL(12,2) decimal null default", "d DATE date null", "at DATETIME datetime null",
		"ok BOOLEAN bool null", "raw BLOB bytes null", "doc JSON json null", "x  absent null", "twice INT int null generated",
	}
	wantColumns(t, db, "Or ders", orders...)
	wantColumns(t, db, "main.Or ders", orders...)
	wantColumns(t, db, "pairs", "a TEXT text key", "b INTEGER int key")
	wantColumns(t, db, "v", "id INTEGER int null")
}

func TestColumnsOfNoTable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		for _, name := range []string{"nowhere", "no.where", `"; drop table x; --`, "'", ""} {
			_, err := sqldb.Columns(t.Context(), db, name)
			if fault.ClassOf(err) != fault.Definition {
				t.Errorf("%q: got %v, want class definition", name, err)
			}
		}
		if _, err := sqldb.Columns(t.Context(), db, "nowhere"); fault.CodeOf(err) != sqldb.NoSuchTable {
			t.Errorf("got %v, want code %s", err, sqldb.NoSuchTable)
		}
	})
}

func TestValuesComeBackFromTheColumnsThatCreateMakes(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 9*3600)
	day := time.Date(2024, 2, 29, 12, 34, 56, 789000000, zone)
	cases := []struct {
		value          record.Value
		postgres, file string
	}{
		{record.OfBool(true), "bool true", "bool true"},
		{record.OfInt(-7), "int -7", "int -7"},
		{record.OfInt(7).WithText("007"), "int 7", "int 7"},
		{record.OfFloat(0.1), "float 0.1", "float 0.1"},
		{record.OfFloat(1e300), "float 1e+300", "float 1e+300"},
		{decimal(t, "1.50"), "decimal 1.50", "text 1.50"},
		{decimal(t, "1e3").WithText("1e3"), "decimal 1000", "text 1000"},
		{decimal(t, "12345678901234567890123456789012345678901.5"), "decimal 12345678901234567890123456789012345678901.5", "text 12345678901234567890123456789012345678901.5"},
		{record.OfDate(day), "date 2024-02-29", "text 2024-02-29"},
		{record.OfDate(day).WithText("29/02/2024"), "date 2024-02-29", "text 2024-02-29"},
		{record.OfTime(day), "zoned 2024-02-29T03:34:56.789", "text 2024-02-29T12:34:56.789+09:00"},
		{record.OfLocalTime(day), "zoned 2024-02-29T12:34:56.789", "text 2024-02-29T12:34:56.789"},
		{record.OfText("한글 'x' \\"), "text 한글 'x' \\", "text 한글 'x' \\"},
		{record.OfBytes("\x00\xff"), "bytes \x00\xff", "bytes \x00\xff"},
		{record.OfJSON(`{"b":1, "a":2}`), `json {"b":1, "a":2}`, `text {"b":1, "a":2}`},
		{record.NullValue, "null", "null"},
		{record.Value{}, "null", "null"},
	}
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		tx := begin(t, held(t, db))
		for i, c := range cases {
			table := fmt.Sprintf("t%d", i)
			want := c.file
			if driver == "postgres" {
				want = c.postgres
			}
			mustExec(t, tx, "create table "+table+" (v "+db.Dialect().ColumnType(c.value.Kind())+")")
			for way, write := range writers(driver) {
				w := sqldb.Write{Mode: sqldb.Insert, Table: table, Columns: pick(t, tx, table, []string{"v"})}
				if _, err := write(t, tx, w, [][]record.Value{{c.value}}); err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				if rows, _ := read(t, tx, "select v from "+table); rows[0] != want {
					t.Errorf("%s: got %s, want %s", way, rows[0], want)
				}
				mustExec(t, tx, "delete from "+table)
			}
		}
	})
}

func TestHostileNamesAndValuesStayData(t *testing.T) {
	t.Parallel()
	hostile := []string{`"`, `'`, `"; drop table victim; --`, `'); drop table victim; --`, `\`, "a\nb", "한글", "$1 ?"}
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table victim (a int)")
		tx := begin(t, held(t, db))
		for _, name := range hostile {
			table := "t " + strings.ReplaceAll(name, ".", "")
			mustExec(t, tx, "create table "+db.Dialect().Quote(table)+" ("+db.Dialect().Quote(name)+" varchar(100) primary key, v text)")
			for way, write := range writers(driver) {
				for _, mode := range []sqldb.Mode{sqldb.Upsert, sqldb.Update, sqldb.Delete} {
					w := sqldb.Write{Mode: mode, Table: table, Key: []string{name}, Columns: pick(t, tx, table, []string{name, "v"})}
					for _, value := range hostile {
						if n, err := write(t, tx, w, [][]record.Value{{text(value), text(value)}}); err != nil || n != 1 {
							t.Fatalf("%s %s %q: %d rows, %v", way, mode, name, n, err)
						}
					}
				}
			}
		}
		wantTexts(t, tx, "select count(*) from victim", "0")
	})
}

func TestBulkLoadIsForPlainTables(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table plain (x integer)")
		mustExec(t, db, "create view v as select x from plain")
		for table, want := range map[string]bool{"plain": driver == "postgres", "v": false} {
			if got, err := sqldb.BulkOf(t.Context(), db, table); err != nil || got.Copy != want {
				t.Errorf("%s: got %v, %v, want %v", table, got, err, want)
			}
		}
	})
}

func TestRowsGoInBinaryWhereTheirColumnsMayBeLookedAt(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Schema(t)
	admin := open(t, "postgres", dsn)
	mustExec(t, admin, "create table t (a int); create table parts (a int) partition by range (a); create view v as select * from t")
	schema, user, own := role(t, admin, dsn)
	mustExec(t, admin, "grant usage on schema "+schema+" to "+user+"; grant insert on t to "+user)
	for _, c := range []struct {
		dsn, table string
		want       sqldb.Bulk
	}{
		{dsn, "t", sqldb.Bulk{Copy: true, Binary: true, Filter: true}},
		{dsn, "parts", sqldb.Bulk{Copy: true, Binary: true}},
		{dsn, "v", sqldb.Bulk{Binary: true}},
		{own, "t", sqldb.Bulk{Copy: true, Filter: true}},
	} {
		if got, err := sqldb.BulkOf(t.Context(), open(t, "postgres", c.dsn), c.table); err != nil || got != c.want {
			t.Errorf("%s: got %+v (%v), want %+v", c.table, got, err, c.want)
		}
	}
}
