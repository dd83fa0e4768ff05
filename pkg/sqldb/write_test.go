package sqldb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// writers are the ways to write rows: by binds on both databases, and as a set on PostgreSQL.
func writers(driver string) map[string]func(t *testing.T, tx *sqldb.Tx, w sqldb.Write, rows [][]record.Value) (int64, error) {
	byBinds := func(t *testing.T, tx *sqldb.Tx, w sqldb.Write, rows [][]record.Value) (int64, error) {
		t.Helper()
		stmt, err := tx.Prepare(t.Context(), w.SQL(tx.Dialect(), len(rows)))
		if err != nil {
			return 0, err
		}
		var args []any
		for _, row := range rows {
			for _, v := range row {
				args = append(args, tx.Dialect().Argument(v))
			}
		}
		return stmt.Exec(t.Context(), args...)
	}
	asSet := func(t *testing.T, tx *sqldb.Tx, w sqldb.Write, rows [][]record.Value) (int64, error) {
		t.Helper()
		return tx.Merge(t.Context(), w, func(c *sqldb.CopyWriter) error {
			for _, row := range rows {
				if err := c.Row(row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	all := map[string]func(*testing.T, *sqldb.Tx, sqldb.Write, [][]record.Value) (int64, error){"binds": byBinds}
	if driver == "postgres" {
		all["set"] = asSet
	}
	return all
}

func text(s string) record.Value { return record.OfText(s) }

func decimal(t testing.TB, s string) record.Value {
	t.Helper()
	n, err := record.ParseNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return record.OfNumber(n)
}

func TestWriteModes(t *testing.T) {
	t.Parallel()
	null := record.NullValue
	cases := []struct {
		name     string
		mode     sqldb.Mode
		columns  []string
		key, add []string
		rows     [][]record.Value
		affected int64
		want     []string
	}{
		{"insert", sqldb.Insert, []string{"k", "b c"}, nil, nil, [][]record.Value{{text("c"), text("x")}, {text("d"), null}}, 2,
			[]string{"a,1,5,old", "b,2,,old", "c,,,x", "d,,,"}},
		{"ignore", sqldb.Ignore, []string{"k", "n"}, nil, nil, [][]record.Value{{text("a"), record.OfInt(9)}, {text("c"), record.OfInt(3)}}, 1,
			[]string{"a,1,5,old", "b,2,,old", "c,3,,"}},
		{"upsert", sqldb.Upsert, []string{"k", "n", "b c"}, []string{"k"}, nil,
			[][]record.Value{{text("a"), record.OfInt(9), text("new")}, {text("c"), null, text("new")}}, 2,
			[]string{"a,9,5,new", "b,2,,old", "c,,,new"}},
		{"upsert adds", sqldb.Upsert, []string{"k", "n", "d", "b c"}, []string{"k"}, []string{"n", "d"},
			[][]record.Value{{text("a"), record.OfInt(9), null, text("new")}, {text("b"), null, record.OfInt(7), text("new")}, {text("c"), record.OfInt(1), null, null}}, 3,
			[]string{"a,10,5,new", "b,2,7,new", "c,1,,"}},
		{"upsert of keys only", sqldb.Upsert, []string{"k"}, []string{"k"}, nil, [][]record.Value{{text("a")}, {text("c")}}, 1,
			[]string{"a,1,5,old", "b,2,,old", "c,,,"}},
		{"update", sqldb.Update, []string{"n", "k"}, []string{"k"}, nil, [][]record.Value{{null, text("a")}, {record.OfInt(4), text("x")}}, 1,
			[]string{"a,,5,old", "b,2,,old"}},
		{"update adds", sqldb.Update, []string{"k", "d"}, []string{"k"}, []string{"d"},
			[][]record.Value{{text("a"), record.OfInt(-7)}, {text("b"), record.OfInt(3)}}, 2,
			[]string{"a,1,-2,old", "b,2,3,old"}},
		{"delete", sqldb.Delete, []string{"k"}, []string{"k"}, nil, [][]record.Value{{text("a")}, {text("x")}, {null}}, 1,
			[]string{"b,2,,old"}},
		{"delete by two columns", sqldb.Delete, []string{"k", "n"}, []string{"k", "n"}, nil,
			[][]record.Value{{text("a"), record.OfInt(2)}, {text("b"), text("2")}}, 1,
			[]string{"a,1,5,old"}},
	}
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		conn := held(t, db)
		for _, c := range cases {
			for way, write := range writers(driver) {
				mustExec(t, conn, `create table "or""ders" (k varchar(20) primary key, n integer, d integer, "b c" text)`)
				mustExec(t, conn, `insert into "or""ders" values ('a', 1, 5, 'old'), ('b', 2, null, 'old')`)
				w := sqldb.Write{Mode: c.mode, Table: `or"ders`, Key: c.key, Add: c.add, Columns: pick(t, conn, `or"ders`, c.columns)}
				if err := w.Check(); err != nil {
					t.Fatal(err)
				}
				tx := begin(t, conn)
				n, err := write(t, tx, w, c.rows)
				if err != nil {
					t.Fatalf("%s, %s: %v", c.name, way, err)
				}
				if err := tx.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n != c.affected {
					t.Errorf("%s, %s: %d rows affected, want %d", c.name, way, n, c.affected)
				}
				if got := texts(t, conn, `select * from "or""ders" order by k`); strings.Join(got, ";") != strings.Join(c.want, ";") {
					t.Errorf("%s, %s: got %q, want %q", c.name, way, got, c.want)
				}
				mustExec(t, conn, `drop table "or""ders"`)
			}
		}
	})
}

// pick returns the named columns of a table in that order.
func pick(t testing.TB, q sqldb.Querier, table string, names []string) []sqldb.Column {
	t.Helper()
	all, err := sqldb.Columns(t.Context(), q, table)
	if err != nil {
		t.Fatal(err)
	}
	var picked []sqldb.Column
	for _, name := range names {
		for _, c := range all {
			if c.Name == name {
				picked = append(picked, c)
			}
		}
	}
	if len(picked) != len(names) {
		t.Fatalf("columns %v of %v", names, all)
	}
	return picked
}

func TestMoneyAddsUpExactly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		d := db.Dialect()
		mustExec(t, db, fmt.Sprintf("create table totals (seller varchar(9) primary key, amount %s, count %s)", d.ColumnType(record.Decimal), d.ColumnType(record.Int)))
		w := sqldb.Write{Mode: sqldb.Upsert, Table: "totals", Key: []string{"seller"}, Add: []string{"amount", "count"},
			Columns: pick(t, db, "totals", []string{"seller", "amount", "count"})}
		tx := begin(t, held(t, db))
		for range 1000 {
			mustExec(t, tx, w.SQL(d, 1), d.Argument(text("kim")), d.Argument(decimal(t, "0.10")), d.Argument(record.OfInt(1)))
		}
		big := decimal(t, "12345678901234567890123456789012345.01")
		mustExec(t, tx, w.SQL(d, 1), d.Argument(text("lee")), d.Argument(big), d.Argument(record.OfInt(1)))
		mustExec(t, tx, w.SQL(d, 1), d.Argument(text("lee")), d.Argument(big), d.Argument(record.OfInt(1)))
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, db, "select * from totals order by seller", "kim,100.00,1000", "lee,24691357802469135780246913578024690.02,2")
	})
}

func TestOverflowOfAddIsAConstraint(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (k integer primary key, n bigint)")
		mustExec(t, db, "insert into t values (1, 9223372036854775807)")
		w := sqldb.Write{Mode: sqldb.Upsert, Table: "t", Key: []string{"k"}, Add: []string{"n"}, Columns: pick(t, db, "t", []string{"k", "n"})}
		_, err := db.Exec(t.Context(), w.SQL(db.Dialect(), 1), int64(1), int64(1))
		if fault.ClassOf(err) != fault.Constraint {
			t.Errorf("got %v (class %s), want class constraint", err, fault.ClassOf(err))
		}
		wantTexts(t, db, "select n from t", "9223372036854775807")
	})
}

func TestMergeOnOneConnectionManyTimes(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (k int primary key, n int check (n < 100))")
	write := writers("postgres")["set"]
	w := sqldb.Write{Mode: sqldb.Upsert, Table: "t", Key: []string{"k"}, Add: []string{"n"}, Columns: pick(t, db, "t", []string{"k", "n"})}
	row := func(k, n int64) [][]record.Value { return [][]record.Value{{record.OfInt(k), record.OfInt(n)}} }
	c := held(t, db)
	must := func(tx *sqldb.Tx, k, n int64) {
		t.Helper()
		if affected, err := write(t, tx, w, row(k, n)); err != nil || affected != 1 {
			t.Fatalf("merge: %d rows, %v", affected, err)
		}
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The staging table is made behind a savepoint that is then undone.
	tx := begin(t, c)
	step(tx.Savepoint(t.Context()))
	if _, err := write(t, tx, w, row(1, 500)); fault.ClassOf(err) != fault.Constraint {
		t.Fatalf("got %v, want class constraint", err)
	}
	step(tx.RollbackTo(t.Context()))
	must(tx, 1, 1)
	must(tx, 1, 10) // rows of the same transaction are gone from the staging table
	step(tx.Savepoint(t.Context()))
	must(tx, 2, 2)
	step(tx.RollbackTo(t.Context()))
	must(tx, 3, 3)
	step(tx.Commit(t.Context()))
	wantTexts(t, c, "select * from t order by k", "1,11", "3,3")

	rolledBack := begin(t, c)
	must(rolledBack, 4, 4)
	step(rolledBack.Rollback(t.Context()))
	tx = begin(t, c)
	must(tx, 5, 5)
	step(tx.Savepoint(t.Context()))
	must(tx, 6, 6)
	step(tx.RollbackTo(t.Context()))
	must(tx, 7, 7)
	step(tx.Commit(t.Context()))
	wantTexts(t, c, "select * from t order by k", "1,11", "3,3", "5,5", "7,7")

	// Another holder of the same session finds the table.
	step(c.Close())
	tx = begin(t, held(t, db))
	must(tx, 5, 5)
	step(tx.Commit(t.Context()))
	wantTexts(t, db, "select n from t where k = 5", "10")
}

func TestWriteCheckRefuses(t *testing.T) {
	t.Parallel()
	columns := []sqldb.Column{{Name: "id", Type: "integer", Kind: record.Int}, {Name: "day", Type: "date", Kind: record.Date}}
	for _, c := range []struct {
		name  string
		write sqldb.Write
		says  string
	}{
		{"no columns", sqldb.Write{Mode: sqldb.Insert}, "no columns"},
		{"no key", sqldb.Write{Mode: sqldb.Upsert, Columns: columns}, "needs a key"},
		{"unknown key", sqldb.Write{Mode: sqldb.Update, Columns: columns, Key: []string{"di"}}, `column "di" is not among`},
		{"unknown add", sqldb.Write{Mode: sqldb.Upsert, Columns: columns, Key: []string{"id"}, Add: []string{"n"}}, `column "n" is not among`},
		{"nothing to update", sqldb.Write{Mode: sqldb.Update, Columns: columns, Key: []string{"id", "day"}}, "nothing to update"},
		{"a date to add to", sqldb.Write{Mode: sqldb.Upsert, Columns: columns, Key: []string{"id"}, Add: []string{"day"}}, "cannot be added to"},
	} {
		if err := c.write.Check(); err == nil || fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want class definition and %q", c.name, err, c.says)
		}
	}
}

func TestCopyCarriesEveryText(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (n serial, a text, b bytea)")
	var values []string
	for c := rune(1); c < 300; c++ {
		values = append(values, "x"+string(c)+"y", string(c)+string(c))
	}
	for size := 1; size < 20; size++ { // the encoder looks at eight bytes, or four, at a time
		for at := range size {
			values = append(values, strings.Repeat("a", at)+string("\\\n\r\t\x1f"[(at+size)%5])+strings.Repeat("b", size-at-1))
		}
	}
	values = append(values, "", `\.`, `\N`, `\\N`, "\t\r\n\\", "한글 😀", strings.Repeat("long\n\t", 40_000), `";--`)
	tx := begin(t, held(t, db))
	n, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a", "b"}}, func(w *sqldb.CopyWriter) error {
		for _, v := range values {
			if err := w.Row([]record.Value{text(v), record.OfBytes(v + "\x00\xff")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || n != int64(len(values)) {
		t.Fatalf("copied %d rows (%v), want %d", n, err, len(values))
	}
	cursor, err := sqldb.OpenCursor(t.Context(), tx, "select a, b from t order by n")
	if err != nil {
		t.Fatal(err)
	}
	row, arena := make([]record.Value, 2), &record.Arena{}
	for i := 0; cursor.Next(); i++ {
		if err := cursor.Scan(row, arena); err != nil {
			t.Fatal(err)
		}
		if row[0].Text() != values[i] || row[1].Text() != values[i]+"\x00\xff" || row[1].Kind() != record.Bytes {
			t.Fatalf("row %d: got %.60q, want %.60q", i, row[0].Text(), values[i])
		}
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestCopyAllocatesNothingForARow(t *testing.T) {
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (i int, a text, d numeric(12,2), z timestamptz, u uuid)")
	row := []record.Value{record.OfInt(70000), text("some text, \\ and more"), decimal(t, "12.50").WithText("12.50"), text("2026-11-20T10:00:00Z"),
		text("0fa5b1c2-1111-2222-3333-0123456789ab")}
	rows := slices.Repeat([][]record.Value{row}, 1000)
	load := loadOf(t, db, "t")
	for _, types := range [][]sqldb.BinaryType{load.Binary, nil} {
		load.Binary = types
		allocations := testing.AllocsPerRun(10, func() {
			if before, err := copyRows(t, db, load, rows); err != nil || before != 0 {
				t.Fatalf("%v (%d rows before others)", err, before)
			}
		})
		if allocations > float64(len(rows))/2 { // those of a connection, a transaction, and a COPY
			t.Errorf("binary %v: %v allocations for %d rows", types != nil, allocations, len(rows))
		}
	}
}

func TestCopyOfNothing(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a int)")
	tx := begin(t, held(t, db))
	n, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a"}}, func(*sqldb.CopyWriter) error { return nil })
	if n != 0 || err != nil {
		t.Errorf("got %d rows, %v", n, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCopyNamesTheRowThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a int primary key, b numeric(5,2) not null)")
	c := held(t, db)
	good, bad := []record.Value{record.OfInt(0), text("1")}, []record.Value{text("7x"), text("1")}
	for _, at := range []int{1, 3, 20_000} {
		tx := begin(t, c)
		_, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a", "b"}}, func(w *sqldb.CopyWriter) error {
			for row := 1; row <= 40_000; row++ {
				good[0] = record.OfInt(int64(row))
				values := good
				if row == at {
					values = bad
				}
				if err := w.Row(values); err != nil {
					return err
				}
			}
			return nil
		})
		line, ok := sqldb.CopyLine(err)
		if line != at || !ok || fault.ClassOf(err) != fault.Constraint || fault.CodeOf(err) != "22P02" {
			t.Errorf("got line %d, %v (class %s), want line %d, class constraint", line, err, fault.ClassOf(err), at)
		}
		if err := tx.Rollback(t.Context()); err != nil || c.Lost() {
			t.Fatalf("after a refused row the connection is lost (%v)", err)
		}
	}
}

func TestErrorOfTheFeedUndoesTheCopy(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a text)")
	c := held(t, db)
	tx := begin(t, c)
	reason := fmt.Errorf("the source is gone")
	if err := tx.Savepoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a"}}, func(w *sqldb.CopyWriter) error {
		if err := w.Row([]record.Value{text("x")}); err != nil {
			return err
		}
		return reason
	})
	if err != reason {
		t.Errorf("got %v, want %v", err, reason)
	}
	if err := tx.RollbackTo(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "insert into t values ('y')")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, db, "select a from t", "y")
}
