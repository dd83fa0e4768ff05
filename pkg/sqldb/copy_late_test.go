package sqldb_test

import (
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// leave loads rows with a COPY whose end is left to what comes next, and returns what its end is told.
func (a *ahead) leave(tx *sqldb.Tx, rows ...string) (ended *[]error) {
	a.Helper()
	ended, err := a.tryLeave(tx, rows...)
	if err != nil || len(*ended) > 0 {
		a.Fatalf("the COPY ended with its rows: %v, %v", err, *ended)
	}
	return ended
}

// tryLeave is leave where the server may have refused rows before all are sent.
func (a *ahead) tryLeave(tx *sqldb.Tx, rows ...string) (ended *[]error, err error) {
	a.Helper()
	if _, err := tx.LeaveEnds(a.Context()); err != nil {
		a.Fatal(err)
	}
	ended = new([]error)
	load := loadOf(a.T, a.db, "done")
	if a.text {
		load.Binary = nil
	}
	load.First, load.Next = a.first, func() *sqldb.EncodedRows { return a.next }
	err = tx.CopyLast(a.Context(), load, func(w *sqldb.CopyWriter) error {
		for _, row := range rows[w.First():] {
			if err := w.Row([]record.Value{text(row)}); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) error {
		*ended = append(*ended, err)
		return err
	})
	return ended, err
}

// What a COPY has done that was left holds with its transaction or not at all, and its error comes with what is done next.
func TestACopyThatWasLeftEndsWithWhatIsNext(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]struct {
		do    func(a *ahead, tx *sqldb.Tx) error
		holds bool
	}{
		"CommitWith": {func(a *ahead, tx *sqldb.Tx) error {
			changed, err := tx.CommitWith(a.Context(), setPlace(a.db.Dialect()), a.at+1, "x", nil, a.at)
			if changed != (err == nil) {
				a.Errorf("changed is %v (%v)", changed, err)
			}
			if changed {
				a.at++
			}
			return err
		}, true},
		"CommitWith that is refused": {func(a *ahead, tx *sqldb.Tx) error {
			changed, err := tx.CommitWith(a.Context(), setPlace(a.db.Dialect()), int64(9), "x", nil, int64(8))
			if changed {
				a.Error("it changed a row")
			}
			return err
		}, false},
		"Commit":   {func(a *ahead, tx *sqldb.Tx) error { return tx.Commit(a.Context()) }, true},
		"Rollback": {func(a *ahead, tx *sqldb.Tx) error { return nil }, false},
		"a statement": {func(a *ahead, tx *sqldb.Tx) error {
			_, err := tx.Exec(a.Context(), "select 1")
			return err
		}, false},
		"a savepoint":  {func(a *ahead, tx *sqldb.Tx) error { return tx.Savepoint(a.Context()) }, false},
		"another COPY": {func(a *ahead, tx *sqldb.Tx) error { return a.copyIn(tx, "statements") }, false},
	} {
		for _, way := range []string{"at first", "later", "at first as text", "later as text"} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				a := newAhead(t)
				a.text = strings.Contains(way, "text")
				mustExec(t, a.db, "alter table done add check (n <> 5)")
				if strings.Contains(way, "later") {
					a.load("1")
				}
				tx := begin(t, a.c)
				ended := a.leave(tx, "2", "3")
				if err := next.do(a, tx); err != nil {
					t.Fatal(err)
				}
				_ = tx.Rollback(t.Context())
				if len(*ended) != 1 || (*ended)[0] != nil {
					t.Errorf("the COPY ended %d times (%v)", len(*ended), *ended)
				}
				wantTexts(t, a.c, "select count(*) from done where n > 1", map[bool]string{false: "0", true: "2"}[next.holds])

				tx = begin(t, a.c)
				ended = a.leave(tx, "4", "5")
				err := next.do(a, tx)
				_ = tx.Rollback(t.Context())
				if line, _ := sqldb.CopyLine((*ended)[0]); len(*ended) != 1 || line != 2 || fault.ClassOf((*ended)[0]) != fault.Constraint {
					t.Errorf("the COPY ended with %v, line %d, want one error of line 2", *ended, line)
				}
				if line, _ := sqldb.CopyLine(err); line != 2 && name != "Rollback" {
					t.Errorf("got %v, want the error of the COPY", err)
				}
				if a.c.Lost() {
					t.Error("the connection is lost")
				}
				wantTexts(t, a.c, "select count(*) from done where n > 3", "0")
				a.load("6")
				wantTexts(t, a.db, "select count(*) from done where n > 3", "1")
			})
		}
	}
}

// A server that is busy with the rows when the connection dies has COMMIT before it.
func TestAwaitEndEndsASessionThatHasCommitBeforeIt(t *testing.T) {
	t.Parallel()
	direct := sqltest.Schema(t)
	proxy, through := sqltest.NewProxy(t, direct)
	a := newAheadAt(t, through)
	watcher := open(t, "postgres", direct)
	mustExec(t, watcher, "create unique index on done (n)")
	a.load("1")
	blocker := begin(t, held(t, watcher))
	mustExec(t, blocker, "insert into done values (2)")
	tx := begin(t, a.c)
	mark, err := tx.LeaveEnds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.leave(tx, "2")
	lost := make(chan error, 1)
	go func() {
		_, err := tx.CommitWith(t.Context(), setPlace(a.db.Dialect()), int64(2), "x", nil, int64(1))
		lost <- err
	}()
	within(t, "the COPY that waits", func() {
		for texts(t, watcher, "select count(*) from pg_locks where not granted and locktype = 'transactionid'")[0] == "0" {
		}
	})
	proxy.Cut()
	if err := <-lost; !sqldb.IsConnectionLost(err) {
		t.Errorf("got %v, want a lost connection", err)
	}
	asking := begin(t, held(t, watcher))
	promptly := func() {
		if err := asking.AwaitEnd(t.Context(), mark); err != nil {
			t.Error(err)
		}
	}
	within(t, "the end of the session", promptly)
	_ = asking.Rollback(t.Context())
	_ = blocker.Rollback(t.Context())
	wantTexts(t, watcher, "select at from place", "1")
	wantTexts(t, watcher, "select count(*) from done", "1")
}
