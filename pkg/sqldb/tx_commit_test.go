package sqldb_test

import (
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// setPlace is a statement as a ledger ends its transactions with; arguments as every kind there is.
func setPlace(d sqldb.Dialect) string {
	return "update place set at = " + d.Placeholder(1) + ", words = " + d.Placeholder(2) + ", other = " + d.Placeholder(3) + " where at = " + d.Placeholder(4)
}

func place(t *testing.T, db *sqldb.DB) {
	t.Helper()
	mustExec(t, db, "create table place (at bigint primary key, words text, other text)")
	mustExec(t, db, "insert into place (at) values (0)")
	mustExec(t, db, "create table done (n integer)")
}

func TestCommitWithCommitsBothOrNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		place(t, db)
		c := held(t, db)
		words := `it's \' "quoted" $1 ? ; -- 한글` + "\n"
		for _, step := range []struct {
			from    int64
			changed bool
		}{{0, true}, {1, true}, {7, false}, {2, true}} {
			tx := begin(t, c)
			mustExec(t, tx, "insert into done values (1)")
			changed, err := tx.CommitWith(t.Context(), setPlace(db.Dialect()), step.from+1, words, nil, step.from)
			if err != nil || changed != step.changed {
				t.Fatalf("from %d: changed is %v (%v), want %v", step.from, changed, err, step.changed)
			}
			if err := tx.Rollback(t.Context()); err != nil || c.Lost() {
				t.Fatalf("rollback: %v, lost %v", err, c.Lost())
			}
		}
		wantTexts(t, db, "select count(*) from done", "3")
		if got := texts(t, db, "select words from place where at = 3 and other is null"); len(got) != 1 || got[0] != words {
			t.Errorf("got %q, want %q", got, words)
		}
	})
}

func TestCommitWithReportsWhatShowsAtCommit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		place(t, db)
		mustExec(t, db, "create table parent (id integer primary key)")
		mustExec(t, db, "create table child (id integer references parent deferrable initially deferred)")
		c := held(t, db)
		tx := begin(t, c)
		mustExec(t, tx, "insert into child values (1)")
		_, err := tx.CommitWith(t.Context(), setPlace(db.Dialect()), int64(1), "x", nil, int64(0))
		if fault.ClassOf(err) != fault.Constraint {
			t.Errorf("got %v, class %s, want class constraint", err, fault.ClassOf(err))
		}
		if err := tx.Rollback(t.Context()); err != nil || c.Lost() {
			t.Fatalf("rollback: %v, lost %v", err, c.Lost())
		}
		wantTexts(t, c, "select at from place", "0")
	})
}

func TestCommitWithDoesNotCommitAFailedTransaction(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	place(t, db)
	c := held(t, db)
	tx := begin(t, c)
	mustExec(t, tx, "insert into done values (1)")
	if _, err := tx.Exec(t.Context(), "select 1 / 0"); err == nil {
		t.Fatal("no error")
	}
	changed, err := tx.CommitWith(t.Context(), setPlace(db.Dialect()), int64(1), "x", nil, int64(0))
	if changed || err == nil {
		t.Errorf("changed is %v, error %v", changed, err)
	}
	_ = tx.Rollback(t.Context())
	wantTexts(t, c, "select count(*) from done", "0")
	wantTexts(t, c, "select at from place", "0")
}

// The transaction that a commit begins ahead must not swallow what is done beside transactions, and must not stay.
func TestWhatFollowsCommitWithIsNotLost(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	place(t, db)
	c := held(t, db)
	from := int64(0)
	commit := func() {
		t.Helper()
		tx := begin(t, c)
		mustExec(t, tx, "insert into done values (1)")
		if changed, err := tx.CommitWith(t.Context(), setPlace(db.Dialect()), from+1, "x", nil, from); err != nil || !changed {
			t.Fatalf("changed is %v (%v)", changed, err)
		}
		from++
	}
	commit()
	mustExec(t, c, "insert into done values (2)")
	wantTexts(t, db, "select n from done order by n", "1", "2")
	commit()
	stmt, err := c.Prepare(t.Context(), "insert into done values (3)")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	if _, err := stmt.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, db, "select n from done order by n", "1", "1", "1", "2", "3")
	commit()
	snapshot, err := c.BeginSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, snapshot, "show transaction_isolation", "repeatable read")
	_ = snapshot.Rollback(t.Context())
	server := pid(t, c)
	commit()
	within(t, "the end of an idle transaction", func() {
		for texts(t, db, "select state from pg_stat_activity where pid = "+server)[0] != "idle" {
			time.Sleep(time.Millisecond)
		}
	})
	commit()
	if c.Lost() {
		t.Error("the connection is lost")
	}
	wantTexts(t, db, "select count(*) from done where n = 1", "6")
}
