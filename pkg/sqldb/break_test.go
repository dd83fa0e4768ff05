package sqldb_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// patience is how long something may take that must not hang. What is measured takes milliseconds; the rest is for a
// machine under load.
const patience = 10 * time.Second

// within fails the test where do takes too long.
func within(t testing.TB, what string, do func()) {
	t.Helper()
	limited(t, patience, what, do)
}

// atOnce is within a second, where the machine has nothing else to do.
func atOnce(t testing.TB, what string, do func()) {
	t.Helper()
	limit := patience
	if os.Getenv("BATCHCTL_SOAK") != "" {
		limit = time.Second
	}
	limited(t, limit, what, do)
}

func limited(t testing.TB, limit time.Duration, what string, do func()) {
	t.Helper()
	begin := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
		t.Logf("%s: %s", what, time.Since(begin).Round(time.Millisecond))
	case <-time.After(limit):
		t.Fatalf("%s: no end after %s", what, limit)
	}
}

// stalled returns the DSN of a server that accepts and never answers.
func stalled(t testing.TB) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, "postgres://u@" + l.Addr().String() + "/x"
}

func pid(t testing.TB, q sqldb.Querier) string {
	t.Helper()
	return texts(t, q, "select pg_backend_pid()")[0]
}

func terminate(t testing.TB, db *sqldb.DB, pid string) {
	t.Helper()
	if got := texts(t, db, "select pg_terminate_backend("+pid+", 3000)"); got[0] != "true" {
		t.Fatalf("pg_terminate_backend(%s) = %v", pid, got)
	}
}

func TestBackendTerminatedInMidCopyIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a text)")
	c := held(t, db)
	victim := pid(t, c)
	tx := begin(t, c)
	long := record.OfText(strings.Repeat("x", 1000))
	atOnce(t, "a COPY whose backend is gone", func() {
		_, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a"}}, func(w *sqldb.CopyWriter) error {
			for row := range 100_000 {
				if row == 500 {
					terminate(t, db, victim)
				}
				if err := w.Row([]record.Value{long}); err != nil {
					return err
				}
			}
			return nil
		})
		if !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("got %v (class %s), want a lost connection of class transient", err, fault.ClassOf(err))
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Errorf("rollback: %v", err)
		}
		if !c.Lost() {
			t.Error("the connection does not know that it is lost")
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	wantTexts(t, db, "select count(*) from t", "0")
}

func TestConnectionCutInMidCopyIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	proxy, dsn := sqltest.NewProxy(t, sqltest.Schema(t))
	db := open(t, "postgres", dsn)
	mustExec(t, db, "create table t (a text)")
	c := held(t, db)
	tx := begin(t, c)
	atOnce(t, "a COPY over a connection that was cut", func() {
		_, err := tx.CopyIn(t.Context(), sqldb.Load{Table: "t", Columns: []string{"a"}}, func(w *sqldb.CopyWriter) error {
			proxy.Cut()
			for range 100_000 {
				if err := w.Row([]record.Value{record.OfText(strings.Repeat("x", 1000))}); err != nil {
					return err
				}
			}
			return nil
		})
		if !sqldb.IsConnectionLost(err) {
			t.Errorf("got %v, want a lost connection", err)
		}
		_ = tx.Rollback(t.Context())
		_ = c.Close()
	})
	wantTexts(t, db, "select count(*) from t", "0")
}

func TestCancelledCopyEndsAlsoWhereTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	proxy, dsn := sqltest.NewProxy(t, sqltest.Schema(t))
	db := open(t, "postgres", dsn)
	mustExec(t, db, "create table t (a text)")
	c := held(t, db)
	tx := begin(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	within(t, "a cancelled COPY", func() {
		_, err := tx.CopyIn(ctx, sqldb.Load{Table: "t", Columns: []string{"a"}}, func(w *sqldb.CopyWriter) error {
			proxy.Stall()
			time.AfterFunc(50*time.Millisecond, cancel)
			for {
				if err := w.Row([]record.Value{record.OfText(strings.Repeat("x", 1000))}); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		_ = tx.Rollback(t.Context())
		_ = c.Close()
	})
	proxy.Resume()
}

func TestCancelledStatementEndsAlsoWhereTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Schema(t)
	for name, run := range map[string]func(ctx context.Context, c *sqldb.Conn, prepared *sqldb.Stmt) error{
		"simple": func(ctx context.Context, c *sqldb.Conn, _ *sqldb.Stmt) error {
			_, err := c.Exec(ctx, "select 1")
			return err
		},
		"binds": func(ctx context.Context, c *sqldb.Conn, _ *sqldb.Stmt) error {
			_, err := c.Exec(ctx, "select $1::int", int64(1))
			return err
		},
		"prepared": func(ctx context.Context, _ *sqldb.Conn, prepared *sqldb.Stmt) error {
			_, err := prepared.Exec(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, through := sqltest.NewProxy(t, dsn)
			c := held(t, open(t, "postgres", through))
			prepared, err := c.Prepare(t.Context(), "select 2")
			if err != nil {
				t.Fatal(err)
			}
			proxy.Stall()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			within(t, "a cancelled statement", func() {
				if err := run(ctx, c, prepared); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", err)
				}
			})
			if !c.Lost() {
				t.Error("the connection of a cancelled statement counts as usable")
			}
			within(t, "close", func() { _ = c.Close() })
		})
	}
}

func TestCommitWhoseConnectionDies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault sqltest.Fault
		rows  string
	}{
		{"before the server saw it", sqltest.DropCommit, "0"},
		{"after the server did it", sqltest.SwallowAnswer, "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := sqltest.Schema(t)
			proxy, dsn := sqltest.NewProxy(t, direct)
			db := open(t, "postgres", dsn)
			mustExec(t, db, "create table t (a int)")
			conn := held(t, db)
			tx := begin(t, conn)
			mustExec(t, tx, "insert into t values (1)")
			proxy.FailCommit(c.fault)
			within(t, "commit", func() {
				if err := tx.Commit(t.Context()); !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient {
					t.Errorf("got %v, want a lost connection of class transient", err)
				}
				_ = tx.Rollback(t.Context())
				_ = conn.Close()
			})
			wantTexts(t, open(t, "postgres", direct), "select count(*) from t", c.rows)
		})
	}
}

func TestBackendTerminatedInMidCommitIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, `create table t (a int);
		create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
		create constraint trigger slow after insert on t deferrable initially deferred for each row execute function slow()`)
	c := held(t, db)
	victim := pid(t, c)
	tx := begin(t, c)
	mustExec(t, tx, "insert into t values (1)")
	atOnce(t, "a COMMIT whose backend is gone", func() {
		done := make(chan error, 1)
		go func() { done <- tx.Commit(t.Context()) }()
		for len(texts(t, db, "select 1 from pg_stat_activity where wait_event = 'PgSleep' and pid = "+victim)) == 0 {
		}
		terminate(t, db, victim)
		if err := <-done; !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("got %v (class %s), want a lost connection of class transient", err, fault.ClassOf(err))
		}
	})
	wantTexts(t, db, "select count(*) from t", "0")
}

func TestExecIsNeverRepeatedOnAnotherConnection(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	mustExec(t, db, "create table t (a int)")
	// The session writes outside of any transaction, then loses its connection within the same statement.
	_, err := db.Exec(t.Context(), "insert into t values (1); commit; select pg_terminate_backend(pg_backend_pid())")
	if !sqldb.IsConnectionLost(err) {
		t.Errorf("got %v, want a lost connection", err)
	}
	wantTexts(t, db, "select count(*) from t", "1")
}

func TestPoolReplacesConnectionsThatDied(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t))
	other := open(t, "postgres", sqltest.Schema(t))
	c := held(t, db)
	victim := pid(t, c)
	_ = c.Close()
	terminate(t, other, victim)
	mustExec(t, db, "select 1")
	if again := pid(t, held(t, db)); again == victim {
		t.Errorf("backend %s is still in use", victim)
	}
}

func TestLockTimeoutIsTransient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn, func(c *sqldb.Config) { c.LockTimeout = 100 * time.Millisecond })
		mustExec(t, db, "create table t (a int)")
		mustExec(t, db, "insert into t values (1)")
		holder := begin(t, held(t, db))
		mustExec(t, holder, "update t set a = 2")
		within(t, "waiting for a lock", func() {
			_, err := db.Exec(t.Context(), "update t set a = 3")
			if fault.ClassOf(err) != fault.Transient || sqldb.IsConnectionLost(err) {
				t.Errorf("got %v (class %s), want class transient, connection alive", err, fault.ClassOf(err))
			}
		})
		if err := holder.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, db, "select a from t", "2")
	})
}

func TestWaitingForALockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table t (a int)")
		mustExec(t, db, "insert into t values (1)")
		holder := begin(t, held(t, db))
		mustExec(t, holder, "update t set a = 2")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		within(t, "waiting for a lock", func() {
			if _, err := db.Exec(ctx, "update t set a = 3"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's error", err)
			}
		})
		if err := holder.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, db, "select a from t", "2")
	})
}

func TestIdleTransactionIsEndedByTheServer(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t), func(c *sqldb.Config) { c.IdleTimeout = 300 * time.Millisecond })
	mustExec(t, db, "create table t (a int)")
	c := held(t, db)
	tx := begin(t, c)
	mustExec(t, tx, "insert into t values (1)")
	watcher := open(t, "postgres", sqltest.Server(t))
	query := "select pg_sleep(0.01) from pg_stat_activity where state = 'idle in transaction' and pid = " + pid(t, tx)
	within(t, "the end of an idle transaction", func() {
		for len(texts(t, watcher, query)) > 0 {
		}
	})
	if err := tx.Commit(t.Context()); !sqldb.IsConnectionLost(err) {
		t.Errorf("commit: got %v, want a lost connection", err)
	}
}

// A connection that died when nothing was open on it any more is no error of those that close it.
func TestClosingALostConnectionIsNoError(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		proxy, dsn := sqltest.NewProxy(t, sqltest.Schema(t))
		if encrypted {
			dsn = sqltest.TLS(t, dsn)
		}
		db := open(t, "postgres", dsn)
		wantTexts(t, db, "select 1", "1")
		proxy.Cut()
		time.Sleep(20 * time.Millisecond) // the system has heard of it
		if err := db.Close(); err != nil {
			t.Errorf("encrypted is %v: %v", encrypted, err)
		}
	}
}
