package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func TestSavepointsNest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (a integer primary key)")
		tx := begin(t, held(t, db))
		step := func(do func(context.Context) error) {
			t.Helper()
			if err := do(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		mustExec(t, tx, "insert into t values (1)")
		step(tx.Savepoint)
		mustExec(t, tx, "insert into t values (2)")
		step(tx.Savepoint)
		mustExec(t, tx, "insert into t values (3)")
		if _, err := tx.Exec(t.Context(), "insert into t values (1)"); fault.ClassOf(err) != fault.Constraint {
			t.Errorf("got %v, want class constraint", err)
		}
		step(tx.RollbackTo)
		mustExec(t, tx, "insert into t values (4)")
		step(tx.RollbackTo) // the savepoint stays
		mustExec(t, tx, "insert into t values (5)")
		step(tx.Release)
		step(tx.Release)
		step(tx.Commit)
		wantTexts(t, db, "select a from t order by a", "1", "2", "5")
	})
}

func TestCommitOfAFailedTransactionIsAnError(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a integer primary key)")
	c := held(t, db)
	tx := begin(t, c)
	mustExec(t, tx, "insert into t values (1)")
	_, _ = tx.Exec(t.Context(), "insert into t values (1)")
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("the server rolled back, and Commit says nothing")
	}
	again := begin(t, c)
	mustExec(t, again, "insert into t values (2)")
	if err := again.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, db, "select a from t", "2")
}

func TestConnectionGoesBackToThePoolWithoutItsTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn, func(c *sqldb.Config) { c.MaxConnections = 1 })
		mustExec(t, db, "create table t (a int)")
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, begin(t, c), "insert into t values (1)")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, db, "select count(*) from t", "0")
		mustExec(t, db, "insert into t values (2)")
	})
}

func TestRollbackWorksAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (a int)")
		ctx, cancel := context.WithCancel(t.Context())
		c := held(t, db)
		tx, err := c.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, "insert into t values (1)")
		cancel()
		if _, err := tx.Exec(ctx, "insert into t values (2)"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		if err := errors.Join(tx.Rollback(ctx), tx.Rollback(ctx), c.Close()); err != nil {
			t.Error(err)
		}
		mustExec(t, db, "insert into t values (3)")
		wantTexts(t, db, "select a from t", "3")
	})
}

func TestSnapshotHasRoomToSortUnlessTheConnectionSaysHowMuch(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Schema(t)
	for _, c := range []struct{ setting, want string }{{"", "32MB"}, {"&work_mem=2MB", "2MB"}, {"&work_mem=1GB", "1GB"}} {
		conn := held(t, open(t, "postgres", dsn+c.setting))
		tx, err := conn.BeginSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantTexts(t, tx, "show work_mem", c.want)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := texts(t, conn, "show work_mem")[0]; c.setting == "" && got == c.want {
			t.Errorf("the session keeps work_mem %s behind the snapshot", got)
		}
	}
}

func TestSnapshotSeesOneStateAndWritesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (a int)")
		c := held(t, db)
		tx, err := c.BeginSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantTexts(t, tx, "select count(*) from t", "0")
		mustExec(t, db, "insert into t values (1)") // a reader does not keep a writer from writing
		wantTexts(t, tx, "select count(*) from t", "0")
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, c, "select count(*) from t", "1")
	})
}

func TestDeferredConstraintsCanBeCheckedBeforeCommit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table parent (id integer primary key)")
		mustExec(t, db, "create table child (id integer references parent deferrable initially deferred)")
		c := held(t, db)
		tx := begin(t, c)
		if err := tx.CheckDeferred(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		tx = begin(t, c)
		if err := tx.CheckDeferred(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := tx.Exec(t.Context(), "insert into child values (7)") // PostgreSQL says it now
		if err == nil {
			err = tx.CheckDeferred(t.Context())
		}
		if fault.ClassOf(err) != fault.Constraint || !strings.Contains(strings.ToLower(err.Error()), "foreign key") {
			t.Errorf("got %v, want a foreign key of class constraint", err)
		}
	})
}

func TestOrphansFromBeforeAreNobodysFault(t *testing.T) {
	t.Parallel()
	for name, deferred := range map[string]string{"deferred": "deferrable initially deferred", "immediate": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, "sqlite", sqltest.SQLite(t))
			mustExec(t, db, "create table parent (id integer primary key)")
			mustExec(t, db, "create table child (id integer references parent "+deferred+")")
			c := held(t, db)
			mustExec(t, c, "pragma foreign_keys = off")
			mustExec(t, c, "insert into child values (1), (2)")
			mustExec(t, c, "pragma foreign_keys = on")
			tx := begin(t, c)
			for _, statement := range []string{"select 1", "insert into parent values (7)", "insert into child values (7)"} {
				mustExec(t, tx, statement)
				if err := tx.CheckDeferred(t.Context()); err != nil {
					t.Errorf("after %s: %v", statement, err)
				}
			}
			_, err := tx.Exec(t.Context(), "insert into child values (8)")
			if err == nil {
				err = tx.CheckDeferred(t.Context())
			}
			if fault.ClassOf(err) != fault.Constraint {
				t.Errorf("a new orphan: got %v", err)
			}
		})
	}
}

func TestActiveTellsWhetherATransactionIsOpen(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	mustExec(t, db, "create table parent (id integer primary key)")
	mustExec(t, db, "create table child (id integer references parent deferrable initially deferred)")
	c := held(t, db)
	active := func(tx *sqldb.Tx, want bool) {
		t.Helper()
		if got, err := tx.Active(t.Context()); err != nil || got != want {
			t.Errorf("active: %v, %v, want %v", got, err, want)
		}
	}
	tx := begin(t, c)
	mustExec(t, tx, "insert into child values (7)")
	if err := tx.Commit(t.Context()); fault.CodeOf(err) != "SQLITE_CONSTRAINT_FOREIGNKEY" {
		t.Errorf("commit: got %v, want a violated foreign key", err)
	}
	active(tx, true)
	mustExec(t, tx, "insert into parent values (7)")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	active(tx, false)
	tx = begin(t, c)
	mustExec(t, tx, "create table u (a int primary key on conflict rollback)")
	mustExec(t, tx, "insert into u values (1)")
	_, _ = tx.Exec(t.Context(), "insert into u values (1)") // SQLite ends the transaction
	active(tx, false)
	if _, err := db.Exec(t.Context(), "insert into u values (1)"); err == nil {
		t.Error("the table outlived its transaction")
	}
}

func TestPreparedStatementsAreCachedUpToABound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		c := held(t, open(t, driver, dsn))
		first, err := c.Prepare(t.Context(), "select 0")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			s, err := c.Prepare(t.Context(), fmt.Sprintf("select %d", i))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			if again, err := c.Prepare(t.Context(), "select 0"); err != nil || again != first {
				t.Fatalf("after %d others: a statement in use was dropped (%v)", i, err)
			}
		}
		if driver == "postgres" {
			wantTexts(t, c, "select count(*) from pg_prepared_statements", "64")
		}
	})
}

func TestLockLetsManyMakeOneTable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		var group sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			c := held(t, db)
			group.Go(func() {
				errs[i] = func() error {
					tx, err := c.Begin(context.Background())
					if err != nil {
						return err
					}
					if err := sqldb.Lock(context.Background(), tx, "t"); err != nil {
						return err
					}
					if _, err := tx.Exec(context.Background(), "create table if not exists t (a int)"); err != nil {
						return err
					}
					return tx.Commit(context.Background())
				}()
			})
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}

func TestReadersDoNotStopTheWriterOfAFile(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	mustExec(t, db, "create table t (a int)")
	mustExec(t, db, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into t select i from n")
	rows, err := db.Query(t.Context(), "select a from t")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	count := 0
	for rows.Next() {
		if count%1000 == 0 {
			mustExec(t, db, "insert into t values (0)")
		}
		count++
	}
	if err := rows.Err(); err != nil || count != 5000 {
		t.Errorf("read %d rows (%v), want the 5000 of the start", count, err)
	}
}

func TestWithoutALogReadersAndWritersWaitForEachOther(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t), func(c *sqldb.Config) { c.Journal = "keep" })
	mustExec(t, db, "create table t (a int)")
	mustExec(t, db, "insert into t values (1)")
	rows, err := db.Query(t.Context(), "select a from t")
	if err != nil {
		t.Fatal(err)
	}
	c := held(t, db)
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "update t set a = 2") // waits for the reader
		done <- err
	}()
	for rows.Next() {
		select {
		case err := <-done:
			t.Fatalf("the writer did not wait: %v", err)
		default:
		}
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, "the writer", func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	wantTexts(t, db, "select a from t", "2")
}

func TestDatabaseInMemoryIsOneConnection(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", ":memory:", func(c *sqldb.Config) { c.Memory = true })
	mustExec(t, db, "create table t (a int)")
	mustExec(t, db, "insert into t values (1)")
	wantTexts(t, db, "select a from t", "1")
}
