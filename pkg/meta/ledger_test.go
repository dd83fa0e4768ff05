package meta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func targetDB(t *testing.T, driver, dsn string, change ...func(*sqldb.Config)) *sqldb.DB {
	t.Helper()
	config := sqldb.Config{Name: "shop", Driver: driver, DSN: dsn}
	for _, c := range change {
		c(&config)
	}
	db, err := sqldb.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func targetStep() batch.StepKey {
	return batch.StepKey{Repository: "repo-a", Job: "daily", Instance: "5f1c", Step: "load"}
}

// targetRow writes a row and returns a checkpoint that covers it.
func targetRow(t *testing.T, tx batch.Tx, row int) batch.Checkpoint {
	t.Helper()
	if _, err := tx.(*sqldb.Tx).Exec(t.Context(), fmt.Sprintf("insert into written values (%d)", row)); err != nil {
		t.Errorf("write row %d: %v", row, err)
	}
	return batch.Checkpoint{Ordinal: int64(row), Reader: batch.State(fmt.Sprintf(`{"row":%d}`, row))}
}

func commitTargetRow(t *testing.T, l batch.Ledger, row int) (batch.Checkpoint, error) {
	t.Helper()
	return l.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
		return targetRow(t, tx, row), nil
	})
}

func makeWritten(t *testing.T, db *sqldb.DB) {
	t.Helper()
	if _, err := db.Exec(t.Context(), "create table written (n integer)"); err != nil {
		t.Fatal(err)
	}
}

func writtenRows(t *testing.T, db *sqldb.DB) (found []int) {
	t.Helper()
	err := each(t.Context(), db, func(rows *sqldb.Rows) error {
		var n int
		err := rows.Scan(&n)
		found = append(found, n)
		return err
	}, "select n from written order by n")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantWritten(t *testing.T, db *sqldb.DB, want ...int) {
	t.Helper()
	if got := writtenRows(t, db); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("rows in the target: got %v, want %v", got, want)
	}
}

func claimTarget(t *testing.T, db *sqldb.DB, options TargetOptions) batch.Ledger {
	t.Helper()
	l := NewTargetLedger(db, options)
	t.Cleanup(func() { _ = l.Close() })
	if _, err := l.Claim(t.Context(), targetStep(), 1); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTargetLedgerKeepsTheContract(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			batchtest.Ledger(t, func(t *testing.T) batchtest.LedgerFixture {
				dsn := ""
				if driver == "sqlite" {
					dsn = sqltest.SQLite(t)
				} else {
					dsn = sqltest.Schema(t)
				}
				db := targetDB(t, driver, dsn)
				makeWritten(t, db)
				return batchtest.LedgerFixture{
					Open:  func(t *testing.T) batch.Ledger { return NewTargetLedger(targetDB(t, driver, dsn), TargetOptions{}) },
					Write: func(t *testing.T, tx batch.Tx, row int) { targetRow(t, tx, row) },
					Rows:  func(t *testing.T) []int { return writtenRows(t, db) },
				}
			})
		})
	}
}

func TestCommitOfUnknownOutcomeIsSettled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault sqltest.Fault
		holds bool
	}{
		{"the server never saw COMMIT", sqltest.DropCommit, false},
		{"the server committed and its answer was lost", sqltest.SwallowAnswer, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := sqltest.Schema(t)
			proxy, through := sqltest.NewProxy(t, direct)
			db := targetDB(t, "postgres", through)
			makeWritten(t, db)
			l := claimTarget(t, db, TargetOptions{})
			proxy.FailCommit(c.fault)
			at, err := promptly(t, func() (batch.Checkpoint, error) { return commitTargetRow(t, l, 1) })
			switch {
			case c.holds && (err != nil || at.Sequence != 1):
				t.Errorf("got %+v, %v, want the commit adopted", at, err)
			case !c.holds && (!errors.Is(err, batch.ErrRolledBack) || !sqldb.IsConnectionLost(err) || fault.ClassOf(err) != fault.Transient):
				t.Errorf("got %v (class %s), want a lost connection and ErrRolledBack", err, fault.ClassOf(err))
			}
			if !c.holds {
				if _, err := commitTargetRow(t, l, 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := commitTargetRow(t, l, 2); err != nil {
				t.Fatal(err)
			}
			wantWritten(t, targetDB(t, "postgres", direct), 1, 2)
		})
	}
}

// promptly fails the test where a commit takes so long that it would seem to hang.
func promptly(t *testing.T, commit func() (batch.Checkpoint, error)) (at batch.Checkpoint, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		at, err = commit()
	}()
	select {
	case <-done:
		return at, err
	case <-time.After(5 * time.Second):
		t.Fatal("the commit hangs")
		return at, err
	}
}

// A session whose client is gone may have a transaction open that holds the row, or COMMIT before it that it has not come to.
func TestSettlingEndsASessionThatMayStillCommit(t *testing.T) {
	t.Parallel()
	direct := sqltest.Postgres(t)
	proxy, through := sqltest.NewProxy(t, direct)
	db, watcher := targetDB(t, "postgres", through), targetDB(t, "postgres", direct)
	makeWritten(t, watcher)
	l := claimTarget(t, db, TargetOptions{})
	proxy.FailCommit(sqltest.AbandonServer)
	if _, err := promptly(t, func() (batch.Checkpoint, error) { return commitTargetRow(t, l, 1) }); !errors.Is(err, batch.ErrRolledBack) {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
	left := 0
	query := "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction' and query like 'execute batchctl_%'"
	if _, err := one(t.Context(), watcher, to(&left), query); err != nil || left > 0 {
		t.Errorf("%d sessions are left (%v)", left, err)
	}
	if _, err := commitTargetRow(t, l, 1); err != nil {
		t.Fatal(err)
	}
	wantWritten(t, watcher, 1)
}

func TestManyLostAnswersLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	direct := sqltest.Schema(t)
	proxy, through := sqltest.NewProxy(t, direct)
	db := targetDB(t, "postgres", through)
	makeWritten(t, db)
	l := claimTarget(t, db, TargetOptions{})
	faults := []sqltest.Fault{sqltest.SwallowAnswer, sqltest.None, sqltest.DropCommit, sqltest.SwallowAnswer, sqltest.SwallowAnswer, sqltest.DropCommit}
	var want []int
	retries := 0
	for row := 1; row <= 30; {
		proxy.FailCommit(faults[(row+retries)%len(faults)])
		_, err := promptly(t, func() (batch.Checkpoint, error) { return commitTargetRow(t, l, row) })
		switch {
		case err == nil:
			want = append(want, row)
			row++
		case errors.Is(err, batch.ErrRolledBack):
			retries++
		default:
			t.Fatal(err)
		}
	}
	if retries == 0 {
		t.Error("no commit was lost: the test shows nothing")
	}
	proxy.FailCommit(sqltest.None)
	wantWritten(t, db, want...)
}

func TestBackendTerminatedDuringACommitLosesNothing(t *testing.T) {
	t.Parallel()
	db := targetDB(t, "postgres", sqltest.Schema(t))
	makeWritten(t, db)
	l := claimTarget(t, db, TargetOptions{})
	_, err := promptly(t, func() (batch.Checkpoint, error) {
		return l.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
			next := targetRow(t, tx, 1)
			terminateBackend(t, db, tx.(*sqldb.Tx))
			return next, nil
		})
	})
	if !errors.Is(err, batch.ErrRolledBack) || !sqldb.IsConnectionLost(err) {
		t.Errorf("got %v, want a lost connection and ErrRolledBack", err)
	}
	if _, err := commitTargetRow(t, l, 2); err != nil {
		t.Fatal(err)
	}
	wantWritten(t, db, 2)
}

func terminateBackend(t *testing.T, db *sqldb.DB, tx *sqldb.Tx) {
	t.Helper()
	var pid int
	if _, err := one(t.Context(), tx, to(&pid), "select pg_backend_pid()"); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(t.Context(), "select pg_terminate_backend($1, 3000)", int64(pid)); err != nil {
		t.Error(err)
	}
}

func TestAClaimWaitsForTheCommitInFlightAndSeesIt(t *testing.T) {
	t.Parallel()
	db := targetDB(t, "postgres", sqltest.Schema(t))
	makeWritten(t, db)
	zombie := claimTarget(t, db, TargetOptions{})
	claimed := make(chan batch.Checkpoint, 1)
	_, err := zombie.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
		next := targetRow(t, tx, 1)
		// The claim comes while the rows are written: it does not wait for them, only for the row of the lane.
		at, err := NewTargetLedger(db, TargetOptions{}).Claim(t.Context(), targetStep(), 1)
		if err != nil {
			return next, err
		}
		claimed <- at[0]
		return next, nil
	})
	if !errors.Is(err, batch.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	if at := <-claimed; at.Sequence != 0 {
		t.Errorf("the claim stands at %d, want 0", at.Sequence)
	}
	wantWritten(t, db)
}

func TestConstraintThatShowsAtCommitRollsBack(t *testing.T) {
	t.Parallel()
	sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
		db := targetDB(t, driver, dsn)
		for _, statement := range []string{
			"create table parent (id integer primary key)",
			"create table child (id integer references parent deferrable initially deferred)",
		} {
			if _, err := db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		makeWritten(t, db)
		l := claimTarget(t, db, TargetOptions{})
		_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
			_, err := tx.(*sqldb.Tx).Exec(t.Context(), "insert into child values (7)")
			return batch.Checkpoint{Ordinal: 1}, err
		})
		if !errors.Is(err, batch.ErrRolledBack) || fault.ClassOf(err) != fault.Constraint {
			t.Errorf("got %v (class %s), want ErrRolledBack of class constraint", err, fault.ClassOf(err))
		}
		if _, err := commitTargetRow(t, l, 1); err != nil {
			t.Fatal(err)
		}
		wantWritten(t, db, 1)
	})
}

func TestDamagedCheckpointIsRefused(t *testing.T) {
	t.Parallel()
	sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
		db := targetDB(t, driver, dsn)
		makeWritten(t, db)
		l := claimTarget(t, db, TargetOptions{})
		if _, err := commitTargetRow(t, l, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), "update batchctl_checkpoint set ordinal = 0"); err != nil {
			t.Fatal(err)
		}
		_, err := NewTargetLedger(db, TargetOptions{}).Claim(t.Context(), targetStep(), 1)
		if !errors.Is(err, batch.ErrNotRestartable) || fault.ClassOf(err) != fault.Environment || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("got %v, want a damaged checkpoint of class environment that is not restartable", err)
		}
	})
}

func TestForeignRowsAreAdoptedOrForgotten(t *testing.T) {
	t.Parallel()
	sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
		db := targetDB(t, driver, dsn)
		makeWritten(t, db)
		if _, err := commitTargetRow(t, claimTarget(t, db, TargetOptions{}), 1); err != nil {
			t.Fatal(err)
		}
		other := targetStep()
		other.Repository = "repo-b"
		_, err := NewTargetLedger(db, TargetOptions{}).Claim(t.Context(), other, 1)
		if text := fault.Render(err); !strings.Contains(text, "repo-a") || !strings.Contains(text, "--adopt") {
			t.Errorf("got %q, want the other repository and the ways out", text)
		}
		adopted, err := NewTargetLedger(db, TargetOptions{Adopt: true}).Claim(t.Context(), other, 1)
		if err != nil || adopted[0].Sequence != 1 || string(adopted[0].Reader) != `{"row":1}` {
			t.Errorf("adopt: got %+v, %v, want the other's checkpoint", adopted, err)
		}
		fresh, err := NewTargetLedger(db, TargetOptions{Fresh: true}).Claim(t.Context(), targetStep(), 1)
		if err != nil || fresh[0].Sequence != 0 || fresh[0].Reader != nil || fresh[0].Epoch <= adopted[0].Epoch {
			t.Errorf("fresh: got %+v, %v, want the beginning with a higher epoch", fresh, err)
		}
	})
}

func TestControlsLoseAndDoubleRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		order TestOrder
		want  []int
	}{
		{"checkpoint before the rows", TestCheckpointBefore, []int{1, 3}},
		{"checkpoint after the rows", TestCheckpointAfter, []int{1, 2, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
				db := targetDB(t, driver, dsn)
				makeWritten(t, db)
				var crash atomic.Bool
				options := TargetOptions{TestOrder: c.order, TestBetween: func() error {
					if crash.Load() {
						return errors.New("crash")
					}
					return nil
				}}
				l := claimTarget(t, db, options)
				if _, err := commitTargetRow(t, l, 1); err != nil {
					t.Fatal(err)
				}
				crash.Store(true)
				_, _ = commitTargetRow(t, l, 2)
				crash.Store(false)
				again := NewTargetLedger(db, options)
				t.Cleanup(func() { _ = again.Close() })
				at, err := again.Claim(t.Context(), targetStep(), 1)
				if err != nil {
					t.Fatal(err)
				}
				for row := int(at[0].Ordinal) + 1; row <= 3; row++ {
					if _, err := commitTargetRow(t, again, row); err != nil {
						t.Fatal(err)
					}
				}
				wantWritten(t, db, c.want...)
			})
		})
	}
}

func TestRelaxedCommitsWorkAndTheLastOneWaits(t *testing.T) {
	t.Parallel()
	sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
		db := targetDB(t, driver, dsn, func(c *sqldb.Config) { c.Durability = "relaxed" })
		makeWritten(t, db)
		l := claimTarget(t, db, TargetOptions{})
		for row, phase := range []batch.Phase{batch.Running, batch.Publishing, batch.Done} {
			_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
				next := targetRow(t, tx, row)
				next.Phase = phase
				return next, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		wantWritten(t, db, 0, 1, 2)
	})
}

func TestDeleteTargetForgetsOneInstance(t *testing.T) {
	t.Parallel()
	sqltest.EachSchema(t, func(t *testing.T, driver, dsn string) {
		db := targetDB(t, driver, dsn)
		if n, err := DeleteTarget(t.Context(), db, targetStep().Repository, "daily", "5f1c"); n != 0 || err != nil {
			t.Fatalf("without the table: %d, %v", n, err)
		}
		l := NewTargetLedger(db, TargetOptions{})
		other := targetStep()
		other.Instance = "77aa"
		for _, step := range []batch.StepKey{targetStep(), other} {
			if _, err := l.Claim(context.Background(), step, 3); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := DeleteTarget(t.Context(), db, "another", "daily", "5f1c"); n != 0 || err != nil {
			t.Errorf("of another repository: %d, %v, want nothing deleted", n, err)
		}
		if n, err := DeleteTarget(t.Context(), db, targetStep().Repository, "daily", "5f1c"); n != 3 || err != nil {
			t.Errorf("got %d, %v, want 3 rows deleted", n, err)
		}
	})
}
