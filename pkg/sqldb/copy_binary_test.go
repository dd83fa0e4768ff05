package sqldb_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// loadOf returns how rows are loaded into a table in binary, where its columns allow it.
func loadOf(t testing.TB, q sqldb.Querier, table string) sqldb.Load {
	t.Helper()
	columns, err := sqldb.Columns(t.Context(), q, table)
	if err != nil {
		t.Fatal(err)
	}
	load := sqldb.Load{Table: table, Binary: sqldb.BinaryTypes(columns)}
	for _, c := range columns {
		load.Columns = append(load.Columns, c.Name)
	}
	return load
}

// copyRows loads rows as the last thing in a transaction of their own, and returns how many of them went in binary.
func copyRows(t testing.TB, db *sqldb.DB, load sqldb.Load, rows [][]record.Value) (binary int64, err error) {
	t.Helper()
	c := held(t, db)
	defer func() { _ = c.Close() }()
	tx := begin(t, c)
	if _, err := tx.LeaveEnds(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = tx.CopyLast(t.Context(), load, func(w *sqldb.CopyWriter) error {
		for _, row := range rows {
			if err := w.Row(row); err != nil {
				return err
			}
		}
		binary = w.Before()
		return nil
	}, func(err error) error { return err })
	if err == nil {
		err = tx.Commit(t.Context())
	}
	_ = tx.Rollback(t.Context())
	return binary, err
}

// fits reports whether a value is sent in binary.
func fits(load sqldb.Load, v record.Value) bool {
	var e sqldb.EncodedRows
	e.Fill(1, load.Binary, func(_ int, w *sqldb.CopyWriter) error { return w.Row([]record.Value{v}) })
	return e.Rows() == 1
}

func asTexts(words ...string) []record.Value {
	values := make([]record.Value, len(words))
	for i, w := range words {
		values[i] = text(w)
	}
	return values
}

// binaryCases are values that are sent in binary, and some that are not, by the type of their column.
func binaryCases(t testing.TB) map[string]struct{ fit, other []record.Value } {
	at := time.Date(2026, 3, 21, 17, 13, 46, 123456000, time.FixedZone("", 9*3600))
	json := []record.Value{text(`{"a": [1, "é", null]}`), record.OfJSON(`[1,  2.50]`), record.OfInt(7), text(`"x"`)}
	texts := append(asTexts("", "x", "tab\tnewline\nback\\slash", `\N`, `\.`, "한글 😀", strings.Repeat("long", 50_000)),
		record.OfInt(-5), record.OfFloat(0.1), record.OfFloat(math.Inf(-1)), record.OfBool(true), record.OfTime(at), decimal(t, "12.50"),
		record.OfBytes("a\x00\xff"), record.OfDate(at), record.OfJSON(`{"a": 1}`), record.OfLocalTime(at))
	moments := append(asTexts("2026-03-21T17:13:46Z", "2026-03-21 17:13:46.5+09", "2026-03-21T17:13:46.123456-05:30", "2000-02-29 00:00:00+00",
		"1999-12-31T23:59:59.999999Z", "0001-01-01 00:00:00Z", "9999-12-31T23:59:59.999999Z", "1900-02-28 12:00:00+15:59", "0004-02-29 12:00:00-15:59"), record.OfTime(at))
	return map[string]struct{ fit, other []record.Value }{
		"smallint": {append(asTexts("0", "-1", "+7", "007", "32767", "-32768"), record.OfInt(12)), asTexts("32768", " 1", "1.0", "")},
		"integer": {append(asTexts("0", "-0", "2147483647", "-2147483648"), record.OfInt(math.MaxInt32), record.OfInt(math.MinInt32)),
			append(asTexts("2147483648", "1e3", "0x10", "1_000"), record.OfInt(math.MaxInt32+1), record.OfBool(true), decimal(t, "5.0"))},
		"bigint": {append(asTexts("9223372036854775807", "-9223372036854775808", "00000000000000000000012"), record.OfInt(math.MinInt64)), asTexts("9223372036854775808", "")},
		"numeric": {append(asTexts("0", "-0", "0.0", "-0.00", "000", "1", "10000", "9999", "99990000", "0.0001", "0.00010", "123456789.987654321", "-34419.08",
			"5.000", strings.Repeat("9", 400)+"."+strings.Repeat("1", 500)), decimal(t, "-12.50"), record.OfInt(math.MinInt64), record.OfFloat(0.25)),
			append(asTexts("1e5", ".5", "5.", "NaN", "1.2.3", "", "-", "--1", "1 ", "1٣"), record.OfFloat(1e30))},
		"numeric(7,2)":     {asTexts("12345.67", "1.005", "-1.005", "99999.994", "0.001", "12345.675"), nil},
		"numeric(3,-2)":    {asTexts("12345", "150", "250", "-50"), nil},
		"double precision": {append(asTexts("0.1", "-0", "123456789.123456789", "5"), record.OfFloat(math.SmallestNonzeroFloat64), record.OfFloat(math.NaN()), record.OfFloat(math.Inf(1)), record.OfInt(1<<53+1)), asTexts("1e5", "inf", "0x1p2", "")},
		"boolean":          {append(asTexts("true", "false", "t", "f"), record.OfBool(false)), append(asTexts("yes", "1", "TRUE", ""), record.OfInt(1))},
		"date":             {append(asTexts("2026-11-22", "2000-01-01", "1999-12-31", "0001-01-01", "9999-12-31", "2024-02-29"), record.OfDate(at)), asTexts("0000-01-01", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "infinity", "20261122", "22.11.2026", "2026-11-22 BC")},
		"timestamptz":      {moments, asTexts("2026-03-21T17:13:46", "2026-03-21T24:00:00Z", "2026-03-21T17:13:60Z", "2026-03-21T17:13:46.1234567Z", "2026-03-21T17:13Z", "now", "2026-03-21T17:13:46 UTC", "2026-03-21T17:13:46+16", "2026-03-21t17:13:46z", "")},
		"timestamptz(2)":   {moments, nil},
		"timestamp":        {append(slices.Clone(moments), append(asTexts("2026-03-21T17:13:46", "2026-03-21 17:13:46.1"), record.OfLocalTime(at))...), asTexts("2026-03-21", "epoch", "2026-03-21 17:13:46.")},
		"text":             {texts, nil},
		"varchar(300000)":  {texts, nil},
		"char(300000)":     {asTexts("", "x", "x  "), nil},
		"json":             {json[:2], nil},
		"jsonb":            {json, nil},
		"bytea":            {[]record.Value{record.OfBytes("\x00\xff"), record.OfBytes("")}, asTexts(`\x00ff`, "abc")},
		"uuid":             {asTexts("0fa5b1c2-1111-2222-3333-0123456789ab", "0FA5B1C2-1111-2222-3333-0123456789AB"), asTexts("0fa5b1c2111122223333-0123456789ab", "{0fa5b1c2-1111-2222-3333-0123456789ab}", "0fa5b1c2-1111-2222-3333-0123456789ag")},
	}
}

// mutated returns texts that are nearly those that were given.
func mutated(values []record.Value, n int) []record.Value {
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "0123456789-+.:T Z/eE_"
	var all []record.Value
	for range n {
		s := []byte(values[random.IntN(len(values))].Text())
		if len(s) == 0 || len(s) > 60 {
			continue
		}
		for range 1 + random.IntN(3) {
			at, c := random.IntN(len(s)), letters[random.IntN(len(letters))]
			if random.IntN(3) > 0 {
				c = letters[random.IntN(10)] // mostly digits
			}
			switch random.IntN(4) {
			case 0:
				s = slices.Insert(s, at, c)
			case 1:
				if len(s) > 1 {
					s = slices.Delete(s, at, at+1)
				}
			default:
				s[at] = c
			}
		}
		all = append(all, text(string(s)))
	}
	return all
}

// mutable are the types whose texts are tried with other digits and signs: whatever is sent in binary, the server takes.
var mutable = []string{"integer", "bigint", "numeric", "double precision", "boolean", "date", "timestamptz", "timestamptz(2)", "timestamp", "uuid"}

// What is sent in binary is what PostgreSQL would have made of the text.
func TestBinaryIsWhatTheTextMeans(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	at := 0
	for kind, c := range binaryCases(t) {
		at++
		one, other := fmt.Sprintf("b%d", at), fmt.Sprintf("t%d", at)
		mustExec(t, db, "create table "+one+" (v "+kind+")")
		mustExec(t, db, "create table "+other+" (v "+kind+")")
		load := loadOf(t, db, one)
		var rows [][]record.Value
		for _, v := range append(c.fit, record.NullValue, record.Value{}) {
			if !fits(load, v) {
				t.Errorf("%s: %q is not sent in binary", kind, v.String())
			}
			rows = append(rows, []record.Value{v})
		}
		for _, v := range c.other {
			if fits(load, v) {
				t.Errorf("%s: %q is sent in binary", kind, v.String())
			}
		}
		if slices.Contains(mutable, kind) {
			for _, v := range mutated(c.fit, 4000) {
				if fits(load, v) {
					rows = append(rows, []record.Value{v})
				}
			}
		}
		if before, err := copyRows(t, db, load, rows); err != nil || before != 0 {
			t.Errorf("%s in binary: %v, %d rows before others", kind, err, before)
		}
		load.Table, load.Binary = other, nil
		if _, err := copyRows(t, db, load, rows); err != nil {
			t.Errorf("%s as text: %v", kind, err)
		}
		const differing = "select coalesce(a::text, '-') || ' instead of ' || coalesce(b::text, '-') from (select v a, row_number() over (order by ctid) n from %s) x " +
			"full join (select v b, row_number() over (order by ctid) n from %s) y using (n) where a::text is distinct from b::text limit 3"
		wantTexts(t, db, fmt.Sprintf(differing, one, other))
		wantTexts(t, db, "select count(*) from "+one, fmt.Sprint(len(rows)))
	}
}

// A row with a value that is not sent in binary, and all behind it, come as text; the row that the server refuses is told
// all the same.
func TestALoadGoesOnAsTextWhereBinaryEnds(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (n integer primary key, d numeric(8,2))")
	load := loadOf(t, db, "t")
	for _, filter := range []bool{false, true} {
		load.Filter = filter
		for _, c := range []struct{ rows, odd, bad int }{{1, 0, -1}, {3, 1, -1}, {3, 2, 2}, {40_000, 20_000, -1}, {40_000, 0, 39_999}, {40_000, 39_000, 39_500}, {40_000, -1, 30_000}, {0, -1, -1}} {
			mustExec(t, db, "truncate t")
			load.Rows = c.rows
			rows := make([][]record.Value, c.rows)
			for i := range rows {
				rows[i] = []record.Value{record.OfInt(int64(i)), text("12.5")}
				if i == c.odd {
					rows[i][1] = text("1e2")
				}
				if i == c.bad {
					rows[i][0] = text("0")
					if i == c.odd {
						rows[i][1] = text("1e9")
					}
				}
			}
			before, err := copyRows(t, db, load, rows)
			if c.bad >= 0 {
				line, ok := sqldb.CopyLine(err)
				if !ok || line+int(before) != c.bad+1 || fault.ClassOf(err) != fault.Constraint {
					t.Errorf("%+v: got line %d behind %d, %v", c, line, before, err)
				}
				wantTexts(t, db, "select count(*) from t", "0")
				continue
			}
			if err != nil || before != int64(max(0, c.odd)) {
				t.Errorf("%+v: got %v, %d rows in binary", c, err, before)
			}
			want := "0 0"
			if c.rows > 0 {
				want = fmt.Sprintf("%d %.2f", c.rows, float64(c.rows)*12.5+87.5)
			}
			wantTexts(t, db, "select count(*) || ' ' || coalesce(sum(d), 0) from t", want)
		}
	}
}

// What the server refuses, it refuses in both formats with the same SQLSTATE, and names the row.
func TestErrorsAreTheSameInBinary(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind string
		bad  record.Value
		code string
	}{
		"too long":        {"varchar(3)", text("four"), "22001"},
		"too large":       {"numeric(4,2)", text("123"), "22003"},
		"null":            {"integer not null", record.NullValue, "23502"},
		"duplicate":       {"integer primary key", text("1"), "23505"},
		"check":           {"integer check (v < 5)", text("7"), "23514"},
		"no UTF-8":        {"text", text("a\xffb"), "22021"},
		"a NUL":           {"text", text("a\x00b"), "22021"},
		"no JSON":         {"json", text("{"), "22P02"},
		"no JSON, parsed": {"jsonb", text("{"), "22P02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, "postgres", sqltest.Schema(t))
			mustExec(t, db, "create table t (v "+c.kind+")")
			load := loadOf(t, db, "t")
			if !fits(load, c.bad) {
				t.Fatal("the value is not sent in binary")
			}
			for _, types := range [][]sqldb.BinaryType{load.Binary, nil} {
				load.Binary = types
				_, err := copyRows(t, db, load, [][]record.Value{{text("1")}, {c.bad}})
				if line, ok := sqldb.CopyLine(err); fault.CodeOf(err) != c.code || !ok || line != 2 {
					t.Errorf("binary %v: got %v, want SQLSTATE %s of line 2", types != nil, err, c.code)
				}
			}
		})
	}
}

// Types that are not known, domains for their checks among them, are loaded as text.
func TestOtherTypesAreNotBinary(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create domain few as integer check (value < 5)")
	mustExec(t, db, "create type mood as enum ('good')")
	for _, kind := range []string{"few", "mood", "integer[]", "interval", "real", "time", "inet", "oid", "name", "money"} {
		mustExec(t, db, "drop table if exists t; create table t (id integer, v "+kind+")")
		if load := loadOf(t, db, "t"); load.Binary != nil {
			t.Errorf("%s is sent in binary", kind)
		}
	}
}

// A session goes on with a table that was changed between two loads.
func TestASessionLoadsATableThatWasChangedSince(t *testing.T) {
	t.Parallel()
	a := newAhead(t)
	mustExec(t, a.db, "drop trigger counted on done")
	for _, kind := range []string{"integer", "real", "bigint", "date"} {
		mustExec(t, a.db, "alter table done drop n, add n "+kind)
		tx := begin(t, a.c)
		a.leave(tx, map[bool]string{true: "2026-11-22", false: "7"}[kind == "date"])
		a.commit(tx)
	}
	wantTexts(t, a.db, "select n::text from done where n is not null", "2026-11-22")
}

// changing loads a row into done, then does something before the next one is committed.
func changing(t *testing.T, a *ahead, twice bool, change string) error {
	t.Helper()
	load := loadOf(t, a.c, "done")
	if load.Binary == nil {
		t.Fatal("the table is not loaded in binary")
	}
	send := func() error {
		tx := begin(t, a.c)
		defer func() { _ = tx.Rollback(t.Context()) }()
		if _, err := tx.LeaveEnds(t.Context()); err != nil {
			return err
		}
		err := tx.CopyLast(t.Context(), load, func(w *sqldb.CopyWriter) error { return w.Row([]record.Value{text("1")}) },
			func(err error) error { return err })
		if err == nil {
			_, err = tx.CommitWith(t.Context(), setPlace(a.db.Dialect()), a.at+1, "x", nil, a.at)
			a.at++
		}
		return err
	}
	if twice {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, a.db, change)
	return send()
}

// A column whose type is changed while rows are loaded would have its bytes taken for something else: nothing of that commits.
func TestNothingIsCommittedIntoColumnsThatWereChanged(t *testing.T) {
	t.Parallel()
	const drop = "drop trigger counted on done; "
	for name, c := range map[string]struct {
		change string
		code   string
	}{
		"another type of that size":  {drop + "alter table done alter n type real", "columns_changed"},
		"another type":               {drop + "alter table done alter n type bigint", "columns_changed"},
		"a shorter type":             {drop + "alter table done alter n type smallint", "columns_changed"},
		"another column":             {drop + "alter table done drop n, add n date", "columns_changed"},
		"a column more":              {"alter table done add m integer", ""},
		"an index":                   {"create index on done (n)", ""},
		"a type with the same bytes": {drop + "alter table done alter n type integer", ""},
	} {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprint(name, twice), func(t *testing.T) {
				t.Parallel()
				a := newAhead(t)
				err := changing(t, a, twice, c.change)
				if fault.CodeOf(err) != c.code {
					t.Errorf("got %v, want code %q", err, c.code)
				}
				rows := 0
				for _, committed := range []bool{twice, err == nil} {
					if committed {
						rows++
					}
				}
				_ = a.c.Close()
				wantTexts(t, a.db, "select count(*) from done", fmt.Sprint(rows))
			})
		}
	}
}

// The types are looked at as well where something else than CommitWith ends the COPY.
func TestAStatementBehindABinaryCopyLooksAtItsColumns(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (v integer)")
	load := loadOf(t, db, "t")
	mustExec(t, db, "alter table t alter v type date using null")
	if _, err := copyRows(t, db, load, [][]record.Value{{text("1")}}); fault.CodeOf(err) != "columns_changed" {
		t.Errorf("got %v", err)
	}
	wantTexts(t, db, "select count(*) from t", "0")
}

// A reader's error in the middle leaves nothing behind, and the connection alive.
func TestErrorOfTheFeedUndoesABinaryCopy(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a text)")
	load, reason := loadOf(t, db, "t"), errors.New("the source is gone")
	for _, rows := range []int{0, 1, 10_000} {
		c := held(t, db)
		tx := begin(t, c)
		if _, err := tx.LeaveEnds(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := tx.CopyLast(t.Context(), load, func(w *sqldb.CopyWriter) error {
			for range rows {
				if err := w.Row([]record.Value{text("some text of a row")}); err != nil {
					return err
				}
			}
			return reason
		}, func(err error) error { return err })
		if err != reason {
			t.Errorf("%d rows: got %v, want %v", rows, err, reason)
		}
		if err := tx.Rollback(t.Context()); err != nil || c.Lost() {
			t.Errorf("%d rows: the connection is lost (%v)", rows, err)
		}
		wantTexts(t, c, "select count(*) from t", "0")
		_ = c.Close()
	}
}
