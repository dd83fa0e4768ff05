package sqldb_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// numbersFrom are n numbers from one on.
func numbersFrom(from, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = strconv.Itoa(from + i)
	}
	return rows
}

// encode makes rows ready, of which those from end on cannot be.
func (a *ahead) encode(into *sqldb.EncodedRows, end int, rows []string) *sqldb.EncodedRows {
	types := loadOf(a.T, a.db, "done").Binary
	if a.text {
		types = nil
	}
	into.Fill(len(rows), types, func(i int, w *sqldb.CopyWriter) error {
		if i >= end {
			return errors.New("not this one")
		}
		return w.Row([]record.Value{text(rows[i])})
	})
	return into
}

// newMarked is newAhead with a session whose end can be awaited: it was asked for that, so its transactions begin with their COPY.
func newMarked(t *testing.T) *ahead {
	a := newAhead(t)
	a.mark()
	return a
}

func (a *ahead) mark() {
	a.Helper()
	tx := begin(a.T, a.c)
	if _, err := tx.LeaveEnds(a.Context()); err != nil {
		a.Fatal(err)
	}
	_ = tx.Rollback(a.Context())
}

// sendAhead loads 1, and sends n of some rows from 1000 on with the commit.
func (a *ahead) sendAhead(n, of int) {
	a.Helper()
	a.mark()
	a.next = a.encode(new(sqldb.EncodedRows), n, numbersFrom(1000, of))
	tx := begin(a.T, a.c)
	a.leave(tx, "1")
	a.commit(tx)
	a.next = nil
}

// arrive reports whether a COPY of the server gets so many rows, before it is given up because nothing comes behind them.
func (a *ahead) arrive(rows int) bool {
	a.Helper()
	for range 100 {
		if texts(a.T, a.db, "select coalesce(sum(tuples_processed), 0) from pg_stat_progress_copy where relid = 'done'::regclass")[0] == strconv.Itoa(rows) {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func TestRowsThatWereSentAheadAreThoseOfTheNextCopy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ chunk, ready int }{
		"all": {3, 3}, "some": {3, 2}, "one": {1, 1}, "none": {3, 0}, "more than are made ready": {30_000, 30_000},
	} {
		for format, asText := range map[string]bool{"binary": false, "text": true} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				a := newMarked(t)
				a.text = asText
				rooms, arrived := [2]sqldb.EncodedRows{}, test.chunk > 10 || test.ready == 0
				for i := range 4 {
					rows := numbersFrom(i*test.chunk, test.chunk)
					a.next = a.encode(&rooms[i%2], test.ready, numbersFrom((i+1)*test.chunk, test.chunk))
					tx := begin(t, a.c)
					a.leave(tx, rows...)
					wantTexts(t, a.db, "select count(*) from done", strconv.Itoa(i*test.chunk))
					a.commit(tx)
					a.first = a.next
					arrived = arrived || a.arrive(test.ready)
				}
				if !arrived {
					t.Error("no rows were sent ahead")
				}
				wantTexts(t, a.db, "select count(*), sum(n) from done", fmt.Sprintf("%d,%d", 4*test.chunk, 4*test.chunk*(4*test.chunk-1)/2))
				wantTexts(t, a.db, "select count(*) from statements", "4") // none was begun in vain
			})
		}
	}
}

// What was sent ahead is no part of a COPY that has other rows, or the same ones in another format.
func TestRowsThatWereSentAheadForNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(a *ahead){
		"other rows":             func(a *ahead) { a.first = a.encode(new(sqldb.EncodedRows), 3, []string{"4", "5", "6"}) },
		"other rows in the room": func(a *ahead) { a.encode(a.first, 3, []string{"4", "5", "6"}) },
		"fewer of them":          func(a *ahead) { a.encode(a.first, 1, []string{"4", "5", "6"}) },
		"no rows made ready":     func(a *ahead) { a.first = nil },
		"another format":         func(a *ahead) { a.text = true },
		"another connection": func(a *ahead) {
			_ = a.c.Close()
			a.c = held(a.T, a.db)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newMarked(t)
			a.first = a.encode(new(sqldb.EncodedRows), 3, []string{"4", "5", "6"})
			a.next = a.first
			tx := begin(t, a.c)
			first := a.first
			a.first = nil
			a.leave(tx, "1", "2", "3")
			a.commit(tx)
			a.first, a.next = first, nil
			change(a)
			tx = begin(t, a.c)
			a.leave(tx, "4", "5", "6")
			a.commit(tx)
			wantTexts(t, a.db, "select n from done order by n", numbersFrom(1, 6)...)
			wantTexts(t, a.db, "select count(*) from statements", "2")
		})
	}
}

// A bad row among those that were sent ahead is named, and does no harm to the commit that it was sent with. What was to be sent
// with its own is not sent, then or later.
func TestABadRowThatWasSentAhead(t *testing.T) {
	t.Parallel()
	for bad := range 8 {
		a := newMarked(t)
		a.mustExec("alter table done add check (n < 1000)")
		rows := numbersFrom(2, 4)
		rows[bad%4] = "1000"
		ready := a.encode(new(sqldb.EncodedRows), 3, rows)
		for _, row := range []string{"0", "1"} {
			a.next = ready
			tx := begin(t, a.c)
			a.leave(tx, row)
			a.commit(tx)
		}
		a.first, a.next = ready, a.encode(new(sqldb.EncodedRows), 1, []string{"6"})
		tx := begin(t, a.c)
		ended, err := a.tryLeave(tx, rows...)
		if bad >= 4 { // the server has said so before the end is sent
			time.Sleep(20 * time.Millisecond)
		}
		if err == nil {
			_, err = tx.CommitWith(t.Context(), setPlace(a.db.Dialect()), a.at+1, "x", nil, a.at)
		}
		_ = tx.Rollback(t.Context())
		if line, _ := sqldb.CopyLine(err); line != bad%4+1 || fault.ClassOf(err) != fault.Constraint || len(*ended) != 1 || a.c.Lost() {
			t.Errorf("row %d: got %v of line %d, told %d times, lost %v", bad%4+1, err, line, len(*ended), a.c.Lost())
		}
		a.first, a.next = nil, a.encode(new(sqldb.EncodedRows), 1, []string{"7"})
		for _, row := range []string{"2", "7"} {
			tx := begin(t, a.c)
			a.leave(tx, row)
			a.commit(tx)
			a.first, a.next = a.next, nil
		}
		_ = a.c.Close()
		wantTexts(t, a.db, "select n from done order by n", "0", "1", "2", "7")
	}
}

// The server's refusal of rows that were sent ahead may be read at any moment while their COPY is left. Many connections at once
// have the one that reads and the one that leaves it take turns.
func TestRowsRefusedAheadWhileTheirCopyIsLeft(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for range 8 {
		a := newMarked(t)
		a.mustExec("alter table done add check (n < 1000)")
		mustExec(t, a.c, "create table whose as select pg_backend_pid() pid")
		bad := a.encode(new(sqldb.EncodedRows), 3, numbersFrom(1000, 3))
		group.Go(func() {
			for n := range 200 {
				a.first, a.next = nil, bad
				tx := begin(t, a.c)
				a.leave(tx, strconv.Itoa(n))
				a.commit(tx)
				a.await("idle in transaction (aborted) copy", "idle rollback") // given up, where the machine is slow
			}
			if a.c.Lost() {
				t.Error("the connection is lost")
			}
			_ = a.c.Close()
			wantTexts(t, a.db, "select count(*), sum(n) from done", "200,19900")
		})
	}
	group.Wait()
}
