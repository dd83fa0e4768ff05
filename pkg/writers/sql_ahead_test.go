package writers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// openTable returns a writer of table that stands open.
func (r *sqlRig) openTable(table string) *sqlTable {
	r.Helper()
	w := r.writer(sqlConf{Table: table}).(*sqlTable)
	if err := w.Open(r.Context(), nil); err != nil {
		r.Fatal(err)
	}
	return w
}

func nothingAhead() batch.Ahead { return nil }

// writeReady writes rows that were made ready by the writer by, and returns how many of them were.
func (r *sqlRig) writeReady(w, by *sqlTable, rows []record.Record) (ready int, err error) {
	r.Helper()
	ahead := by.NewAhead().(*sqlAhead)
	ahead.Prepare(rows)
	if ahead.binding != nil {
		ready = ahead.rows.Rows()
	}
	ended := 0
	err = r.transact(func(tx *sqldb.Tx) error {
		if _, err := tx.LeaveEnds(r.Context()); err != nil {
			return err
		}
		return w.WriteLast(r.Context(), tx, rows, ahead, nothingAhead, func() { ended++ })
	})
	if err == nil && ended != 1 && r.driver == "postgres" {
		r.Errorf("the end was told %d times", ended)
	}
	return ready, err
}

const readyTypes = "(id bigint primary key, txt text, n numeric(20,4), d date, at timestamptz, local timestamp, yes boolean, raw bytea, f double precision, j jsonb)"

// readyRows are n rows of every kind from an id on, of some 130 bytes each.
func readyRows(r *sqlRig, schema *record.Schema, from, n int) []record.Record {
	texts := hostile()
	rows := make([]record.Record, n)
	for i := range rows {
		id := from + i
		line := fmt.Sprintf("%d|x|%d.25|2026-01-%02d|2026-01-05T08:15:00Z|2026-01-05T08:15:00|true|-|0.1|{\"a\": [%d]}", id, id, 1+id%28, id)
		rows[i] = sqlRecords(r, schema, line)[0]
		rows[i].Values[1] = record.OfText(strings.ReplaceAll(texts[id%len(texts)], "\x00", ""))
		rows[i].Values[7] = record.OfBytes(texts[(id+1)%len(texts)])
	}
	return rows
}

func TestRowsThatWereMadeReadyAreThoseThatAreWritten(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "postgres" {
			r.Skip("only COPY makes rows ready")
		}
		for format, types := range map[string]string{"binary": readyTypes, "text": strings.Replace(readyTypes, "txt text", "txt words", 1)} {
			r.run(format, func(r *sqlRig) {
				schema := sqlSchema(r, "id:int txt:text n:decimal d:date at:datetime local:datetime yes:bool raw:bytes f:float j:json")
				r.exec("create domain words as text", "create table p "+types, "create table q "+types)
				w, other, plain := r.openTable("p"), r.openTable("p"), r.openTable("q")
				for i, c := range []struct {
					rows   int
					by     *sqlTable
					wanted func(ready int) bool
				}{
					{10, w, func(ready int) bool { return ready == 0 }},
					{10, w, func(ready int) bool { return ready == 10 }},
					{1, w, func(ready int) bool { return ready == 1 }},
					{1500, w, func(ready int) bool { return ready > 0 && ready < 1500 }},
					{300, other, func(ready int) bool { return ready == 0 }},
					{300, plain, func(ready int) bool { return ready > 0 }}, // of another table
				} {
					rows := readyRows(r, schema, i*10000, c.rows)
					ready, err := r.writeReady(w, c.by, rows)
					if err != nil || !c.wanted(ready) {
						r.Fatalf("chunk %d: %d rows were ready (%v)", i, ready, err)
					}
					if err := r.commit(plain, rows); err != nil {
						r.Fatal(err)
					}
					plain.proven.Store(plain.bound)
				}
				if _, err := r.writeReady(other, w, readyRows(r, schema, 90000, 5)); err != nil { // of another lane
					r.Fatal(err)
				}
				r.write(sqlConf{Table: "q"}, readyRows(r, schema, 90000, 5))
				r.want("select count(*) n, count(distinct id) ids from p", "2126|2126")
				r.want("select count(*) n from (select * from p except select * from q) x", "0")
				r.want("select count(*) from (select * from q except select * from p) x", "0")
			})
		}
	})
}

// Chunks of which each goes with the commit of the one before, as far as it can, are written once each, and one that is refused is
// named and not there.
func TestChunksGoWithTheCommitBeforeThem(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "postgres" {
			r.Skip("only COPY is sent ahead")
		}
		r.exec("create table p (id integer primary key, name text, n numeric(6,2) check (n < 1000))", "create table place (at integer)", "insert into place values (0)")
		one, two := sqlSchema(r, "id name n"), sqlSchema(r, "name n id")
		numbered := func(from, n int) []record.Record {
			rows := sqlRecords(r, one, sqlLines(n, "%d|"+strings.Repeat("y", 40)+"|1")...)
			for i := range rows {
				rows[i].Values[0] = record.OfInt(int64(from + i))
			}
			return rows
		}
		refused := numbered(9000, 5)
		refused[3].Values[2] = record.OfText("1000")
		chunks := []struct {
			rows []record.Record
			bad  int
		}{
			{numbered(1, 200), -1}, {numbered(1000, 200), -1}, {numbered(2000, 3000), -1}, {sqlRecords(r, two, "a|1|6000", "b|1|6001"), -1},
			{sqlRecords(r, two, "c|1|6002"), -1}, {numbered(7000, 100), -1}, {numbered(8000, 1), -1}, {refused, 3}, {numbered(9000, 5), -1},
			{sqlRecords(r, one, "9100|odd|1e2"), -1}, {numbered(9200, 50), -1}, {numbered(9300, 50), -1},
		}
		w := r.openTable("p")
		conn, err := r.db.Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ahead := make([]batch.Ahead, len(chunks))
		write := func(i int) error {
			tx, err := conn.Begin(r.Context())
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback(r.Context()) }()
			if _, err := tx.LeaveEnds(r.Context()); err != nil {
				return err
			}
			next := func() batch.Ahead {
				if i+1 == len(chunks) {
					return nil
				}
				ahead[i+1] = w.NewAhead()
				ahead[i+1].Prepare(chunks[i+1].rows)
				return ahead[i+1]
			}
			if err := w.WriteLast(r.Context(), tx, chunks[i].rows, ahead[i], next, func() {}); err != nil {
				return err
			}
			_, err = tx.CommitWith(r.Context(), "update place set at = $1 where at = $2", int64(i+1), int64(i))
			return err
		}
		for i, chunk := range chunks {
			err := write(i)
			if chunk.bad >= 0 {
				wantSQLRow(r.T, err, chunk.bad, "")
				r.exec("update place set at = at + 1")
				continue
			}
			if err != nil {
				r.Fatalf("chunk %d: %v", i, err)
			}
		}
		r.want("select count(*) rows, count(distinct id) ids, min(id), max(id), sum(n) from p", "3610|3610|1|9349|3709.00")
		r.want("select at from place", "12")
	})
}

// Where a row cannot go in binary the load goes on as text, and knows its rows.
func TestARowIsNamedBehindOneThatDoesNotGoInBinary(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "postgres" {
			r.Skip("only COPY has a binary format")
		}
		for name, c := range map[string]struct{ odd, bad int }{
			"in the rows that were made ready": {10, 500}, "behind them": {1200, 1300}, "the first": {0, 1}, "the bad one itself": {700, 700}, "before it": {1300, 1200},
		} {
			r.run(name, func(r *sqlRig) {
				r.exec("create table p (id integer primary key, name text, n numeric(6,2) check (n < 1000))")
				w, schema := r.openTable("p"), sqlSchema(r, "id name n")
				lines := sqlLines(1500, "%d|"+strings.Repeat("y", 120)+"|1")
				if _, err := r.writeReady(w, w, sqlRecords(r, schema, "9999|x|1")); err != nil {
					r.Fatal(err)
				}
				lines[c.odd] = fmt.Sprintf("%d|odd|1e2", 5000+c.odd)
				good := sqlRecords(r, schema, lines...)
				lines[c.bad] = fmt.Sprintf("%d|bad|1e3", 5000+c.bad)
				_, err := r.writeReady(w, w, sqlRecords(r, schema, lines...))
				var row *batch.RowError
				if !errors.As(err, &row) || row.Row != c.bad || fault.CodeOf(err) != "23514" {
					r.Errorf("got %v, want a violated check in row %d", err, c.bad)
				}
				r.want("select count(*) from p", "1")
				if ready, err := r.writeReady(w, w, good); err != nil || w.bound.load.Binary != nil {
					r.Errorf("%d rows were ready, %v, binary %v", ready, err, w.bound.load.Binary != nil)
				}
				r.want("select count(*), sum(n) from p", "1501|1600.00")
			})
		}
	})
}

func TestABadRowIsNamedWhetherItWasMadeReadyOrNot(t *testing.T) {
	bad := map[string]struct {
		line, word string
	}{
		"duplicate key":          {"1|1|x", ""},
		"null":                   {"5000|-|x", "seller"},
		"not an integer":         {"5000|12abc|x", "12abc"},
		"no value of the column": {"5000|1|x", "column day"},
	}
	eachSQL(t, func(r *sqlRig) {
		if r.driver != "postgres" {
			r.Skip("only COPY makes rows ready")
		}
		for name, b := range bad {
			for _, at := range []int{0, 300, 700, 1300, 1499} {
				r.run(fmt.Sprintf("%s at %d", name, at), func(r *sqlRig) {
					r.exec("create table p (id integer primary key, seller integer not null, name text, day date)")
					w := r.openTable("p")
					schema := sqlSchema(r, "id seller name day")
					rows := sqlRecords(r, schema, sqlLines(1500, "%d|1|"+strings.Repeat("y", 120)+"|")...)
					if _, err := r.writeReady(w, w, rows[:1]); err != nil {
						r.Fatal(err)
					}
					rows = rows[1:]
					wrong := sqlRecords(r, schema, b.line+"|")[0]
					if name == "no value of the column" {
						wrong.Values[3] = record.OfBool(true)
					}
					at := min(at, len(rows)-1)
					rows[at] = wrong
					ready, err := r.writeReady(w, w, rows)
					if ready == 0 && at > 0 {
						r.Error("nothing was ready")
					}
					wantSQLRow(r.T, err, at, b.word)
					r.want("select count(*) from p", "1")
				})
			}
		}
	})
}

func TestNothingIsMadeReadyForAnotherSchema(t *testing.T) {
	eachSQL(t, func(r *sqlRig) {
		r.exec("create table p (id integer primary key, name text)")
		w := r.openTable("p")
		one, two := sqlSchema(r, "id:int name:text"), sqlSchema(r, "name:text id:int")
		for i, rows := range [][]record.Record{sqlRecords(r, one, "1|a"), sqlRecords(r, two, "b|2"), sqlRecords(r, two, "c|3"), sqlRecords(r, one, "4|d")} {
			ready, err := r.writeReady(w, w, rows)
			if err != nil {
				r.Fatal(err)
			}
			if want := i == 2 && r.driver == "postgres"; ready != 0 != want {
				r.Errorf("chunk %d: %d rows were ready", i, ready)
			}
		}
		r.want("select id, name from p order by id", "1|a", "2|b", "3|c", "4|d")
	})
}
