package sqldb_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// ahead is a connection whose transactions load rows with COPY, and end with a checkpoint as a ledger's do.
type ahead struct {
	*testing.T
	db   *sqldb.DB
	c    *sqldb.Conn
	at   int64
	text bool // leave sends rows as text

	first, next *sqldb.EncodedRows // of leave
}

func newAhead(t *testing.T) *ahead { return newAheadAt(t, sqltest.Schema(t)) }

func newAheadAt(t *testing.T, dsn string) *ahead {
	db := open(t, "postgres", dsn)
	place(t, db)
	mustExec(t, db, `create table statements (n integer)`)
	mustExec(t, db, `create function counted() returns trigger language plpgsql as $$begin insert into statements values (1); return null; end$$`)
	mustExec(t, db, `create trigger counted before insert on done execute function counted()`)
	return &ahead{T: t, db: db, c: held(t, db)}
}

func (a *ahead) copyIn(tx *sqldb.Tx, table string, rows ...string) error {
	_, err := tx.CopyIn(a.Context(), sqldb.Load{Table: table, Columns: []string{"n"}}, func(w *sqldb.CopyWriter) error {
		for _, row := range rows {
			w.Text(row)
			if err := w.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (a *ahead) commit(tx *sqldb.Tx) {
	a.Helper()
	if changed, err := tx.CommitWith(a.Context(), setPlace(a.db.Dialect()), a.at+1, "x", nil, a.at); err != nil || !changed {
		a.Fatalf("changed is %v (%v)", changed, err)
	}
	a.at++
}

// load loads a row, and leaves a COPY that was begun ahead.
func (a *ahead) load(row string) {
	a.Helper()
	tx := begin(a.T, a.c)
	if err := a.copyIn(tx, "done", row); err != nil {
		a.Fatal(err)
	}
	a.commit(tx)
}

// await waits until what the server says of the connection begins with one of the words.
func (a *ahead) await(words ...string) {
	a.Helper()
	within(a.T, words[0], func() {
		for {
			says := texts(a.T, a.db, "select state || ' ' || query from pg_stat_activity where pid = (select pid from whose)")[0]
			if slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(says, word) }) {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// Whatever follows a commit that has begun a COPY ahead happens as if it had not, and the COPY leaves nothing behind.
func TestWhatFollowsACopyAheadIsAsWithout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		follow     func(a *ahead)
		done       []string // rows behind it, beside the one before
		statements string   // how often rows were loaded in all
		lost       bool
	}{
		"the same COPY": {func(a *ahead) { a.load("2") }, []string{"2"}, "2", false},
		"another COPY": {func(a *ahead) {
			tx := begin(a.T, a.c)
			if err := a.copyIn(tx, "statements", "1", "1"); err != nil {
				a.Fatal(err)
			}
			a.commit(tx)
			a.load("2")
		}, []string{"2"}, "4", false},
		"a COPY of no rows":    {func(a *ahead) { tx := begin(a.T, a.c); _ = a.copyIn(tx, "done"); a.commit(tx) }, nil, "2", false},
		"a statement":          {func(a *ahead) { tx := begin(a.T, a.c); mustExec(a.T, tx, "insert into done values (2)"); a.commit(tx) }, []string{"2"}, "2", false},
		"a prepared statement": {func(a *ahead) { a.prepared(); a.load("3") }, []string{"2", "3"}, "3", false},
		"a query":              {func(a *ahead) { tx := begin(a.T, a.c); wantTexts(a.T, tx, "select n from done", "1"); a.commit(tx) }, nil, "1", false},
		"a checkpoint alone":   {func(a *ahead) { a.commit(begin(a.T, a.c)); a.load("2") }, []string{"2"}, "2", false},
		"a plain commit":       {func(a *ahead) { _ = begin(a.T, a.c).Commit(a.Context()); a.load("2") }, []string{"2"}, "2", false},
		"a rollback":           {func(a *ahead) { _ = begin(a.T, a.c).Rollback(a.Context()); a.load("2") }, []string{"2"}, "2", false},
		"a COPY undone": {func(a *ahead) {
			tx := begin(a.T, a.c)
			_ = a.copyIn(tx, "done", "2")
			_ = tx.Rollback(a.Context())
			a.load("3")
		}, []string{"3"}, "2", false},
		"a row that is refused": {func(a *ahead) { a.refused(); a.load("2") }, []string{"2"}, "2", false},
		"a COPY in a savepoint": {func(a *ahead) { a.nested() }, []string{"2"}, "2", false},
		"no transaction":        {func(a *ahead) { mustExec(a.T, a.c, "insert into done values (2)") }, []string{"2"}, "2", false},
		"a snapshot": {func(a *ahead) {
			tx, _ := a.c.BeginSnapshot(a.Context())
			wantTexts(a.T, tx, "show transaction_read_only", "on")
			_ = tx.Rollback(a.Context())
		}, nil, "1", false},
		"nothing for a while":    {func(a *ahead) { a.idle(); a.load("2") }, []string{"2"}, "2", false},
		"a changed checkpoint":   {func(a *ahead) { a.fenced() }, nil, "1", false},
		"a refused COMMIT":       {func(a *ahead) { a.deferred() }, nil, "1", true},
		"a table that is locked": {func(a *ahead) { a.locked() }, []string{"2"}, "2", false},
	} {
		for given, load := range map[string]func(a *ahead){
			"":                       func(a *ahead) { a.load("1") },
			" that has rows":         func(a *ahead) { a.sendAhead(3, 3) },
			" that has some rows":    func(a *ahead) { a.sendAhead(3, 5) },
			" that has rows as text": func(a *ahead) { a.text = true; a.sendAhead(3, 3) },
			" that has a bad row":    func(a *ahead) { a.mustExec("alter table done add check (n < 1002)"); a.sendAhead(3, 3) },
		} {
			t.Run(name+" behind one"+given, func(t *testing.T) {
				t.Parallel()
				a := newAhead(t)
				mustExec(t, a.c, "create temp table gone (n integer)")
				mustExec(t, a.c, "create table whose as select pg_backend_pid() pid")
				load(a)
				a.await("active copy", "idle in transaction (aborted) copy") // it was begun
				test.follow(a)
				if a.c.Lost() != test.lost {
					t.Errorf("lost is %v, want %v", a.c.Lost(), test.lost)
				}
				_ = a.c.Close()
				wantTexts(t, a.db, "select n from done order by n", append([]string{"1"}, test.done...)...)
				wantTexts(t, a.db, "select count(*) from statements", test.statements)
				mustExec(t, a.db, "set lock_timeout = '5s'; drop table done") // no lock is left
			})
		}
	}
}

func (a *ahead) mustExec(query string) { mustExec(a.T, a.db, query) }

func (a *ahead) prepared() {
	tx := begin(a.T, a.c)
	stmt, err := tx.Prepare(a.Context(), "insert into done values ($1)")
	if err != nil {
		a.Fatal(err)
	}
	if _, err := stmt.Exec(a.Context(), int64(2)); err != nil {
		a.Fatal(err)
	}
	a.commit(tx)
}

func (a *ahead) refused() {
	tx := begin(a.T, a.c)
	err := a.copyIn(tx, "done", "7", "seven")
	if line, ok := sqldb.CopyLine(err); !ok || line != 2 {
		a.Errorf("got %v, line %d, want an error of line 2", err, line)
	}
	_ = tx.Rollback(a.Context())
}

func (a *ahead) nested() {
	tx := begin(a.T, a.c)
	if err := tx.Savepoint(a.Context()); err != nil {
		a.Fatal(err)
	}
	if err := a.copyIn(tx, "done", "2"); err != nil {
		a.Fatal(err)
	}
	if err := tx.Release(a.Context()); err != nil {
		a.Fatal(err)
	}
	a.commit(tx)
}

func (a *ahead) idle() { a.await("idle ") }

// fenced is a commit that finds another checkpoint, as that of a process whose step was taken over.
func (a *ahead) fenced() {
	tx := begin(a.T, a.c)
	if err := a.copyIn(tx, "done", "2"); err != nil {
		a.Fatal(err)
	}
	changed, err := tx.CommitWith(a.Context(), setPlace(a.db.Dialect()), int64(9), "x", nil, int64(8))
	if changed || err != nil {
		a.Errorf("changed is %v (%v)", changed, err)
	}
	_ = tx.Rollback(a.Context())
	wantTexts(a.T, a.c, "select count(*) from done", "1")
}

// deferred is a COMMIT that is refused: the COPY behind it is then none of a transaction.
func (a *ahead) deferred() {
	mustExec(a.T, a.db, "create table parent (id integer primary key)")
	mustExec(a.T, a.db, "alter table done add foreign key (n) references parent deferrable initially deferred not valid")
	tx := begin(a.T, a.c)
	if err := a.copyIn(tx, "done", "2"); err != nil {
		a.Fatal(err)
	}
	_, err := tx.CommitWith(a.Context(), setPlace(a.db.Dialect()), a.at+1, "x", nil, a.at)
	if fault.ClassOf(err) != fault.Constraint {
		a.Errorf("got %v, class %s, want class constraint", err, fault.ClassOf(err))
	}
	_ = tx.Rollback(a.Context())
	wantTexts(a.T, a.db, "select at from place", "1")
}

// locked is a table that another session changes when the COPY was begun: it waits for no more than that one COPY.
func (a *ahead) locked() {
	done := make(chan error, 1)
	go func() {
		_, err := a.db.Exec(a.Context(), "alter table done add column other integer")
		done <- err
	}()
	within(a.T, "the lock", func() {
		if err := <-done; err != nil {
			a.Error(err)
		}
	})
	a.load("2")
}
