package meta

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func TestStoreLedgerConforms(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchtest.Ledger(t, func(t *testing.T) batchtest.LedgerFixture {
				open := backend(t)
				return batchtest.LedgerFixture{Open: func(t *testing.T) batch.Ledger { return NewStoreLedger(open(t), false) }}
			})
		})
	}
}

// afterFixture is a target of rows for a ledger whose checkpoints are in a repository.
func afterFixture(t *testing.T) batchtest.LedgerFixture {
	t.Helper()
	folder := t.TempDir()
	target, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: "sqlite", DSN: filepath.Join(folder, "shop.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	if _, err := target.Exec(t.Context(), "create table rows (n integer)"); err != nil {
		t.Fatal(err)
	}
	return batchtest.LedgerFixture{
		Open: func(t *testing.T) batch.Ledger {
			return NewAfterLedger(openAt(t, filepath.Join(folder, "batchctl.db")), target, false)
		},
		Write: func(t *testing.T, tx batch.Tx, row int) {
			if _, err := tx.(*sqldb.Tx).Exec(context.Background(), "insert into rows values (?)", row); err != nil {
				t.Error(err)
			}
		},
		Rows: func(t *testing.T) (found []int) {
			err := each(context.Background(), target, func(rows *sqldb.Rows) error {
				var n int
				err := rows.Scan(&n)
				found = append(found, n)
				return err
			}, "select n from rows order by rowid")
			if err != nil {
				t.Error(err)
			}
			return found
		},
	}
}

func TestAfterLedgerConforms(t *testing.T) {
	t.Parallel()
	batchtest.Ledger(t, afterFixture)
}

func TestFileWorkIsDoneOutsideOfTheRepositorysTransaction(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := NewStoreLedger(s, false)
		key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: "i", Step: "export"}
		if _, err := l.Claim(t.Context(), key, 1); err != nil {
			t.Fatal(err)
		}
		_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(tx batch.Tx) (batch.Checkpoint, error) {
			if tx != nil {
				t.Errorf("got transaction %v, want none", tx)
			}
			ended(t, open(t), identified("2026-11-20"), batch.Completed) // others can write meanwhile
			return batch.Checkpoint{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestFlippedCheckpointIsNotGoneBy(t *testing.T) {
	t.Parallel()
	flips := map[string]string{
		"reader": `reader = '{"offset":1001}'`, "writer": "writer = null", "ordinal": "ordinal = ordinal + 1",
		"sequence": "seq = seq + 1", "epoch": "epoch = epoch + 2", "counters": `counters = '{"read_count":2}'`,
	}
	for name, flip := range flips {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				s := open(t)
				key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: "i", Step: "export"}
				l := NewStoreLedger(s, false)
				if _, err := l.Claim(t.Context(), key, 1); err != nil {
					t.Fatal(err)
				}
				saved := batch.Checkpoint{Ordinal: 10, Reader: batch.State(`{"offset":1000}`), Writer: batch.State(`{}`)}
				_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(batch.Tx) (batch.Checkpoint, error) { return saved, nil })
				if err != nil {
					t.Fatal(err)
				}
				change(t, s, "update BATCHCTL_CHECKPOINT set "+flip)
				if _, err := NewStoreLedger(s, false).Claim(t.Context(), key, 1); err == nil {
					t.Error("claimed a damaged checkpoint")
				}
			})
		})
	}
}

func TestCheckpointsListsLanes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		instance := batch.JobInstance{Name: "import", Key: "i"}
		l := NewStoreLedger(s, false)
		for _, name := range []string{"a", "b"} {
			key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: "i", Step: name}
			if _, err := l.Claim(t.Context(), key, 2); err != nil {
				t.Fatal(err)
			}
		}
		found, err := s.Checkpoints(t.Context(), instance)
		if err != nil || len(found) != 4 || found[3].Lane.Step != "b" || found[3].Lane.Lane != 1 || found[3].Updated.IsZero() {
			t.Errorf("got %+v, %v; want two lanes of a and b", found, err)
		}
	})
}

func TestUnclaimedLaneCannotCommit(t *testing.T) {
	t.Parallel()
	_, err := NewStoreLedger(openNew(t), false).Commit(t.Context(), batch.LaneKey{}, func(batch.Tx) (batch.Checkpoint, error) { return batch.Checkpoint{}, nil })
	if !errors.Is(err, batch.ErrRolledBack) {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
}

// claimed returns a ledger that has claimed one lane, and the lane.
func claimed(t *testing.T, s *Store) (*storeLedger, batch.LaneKey) {
	t.Helper()
	l := newStoreLedger(s, false)
	key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: "i", Step: "export"}
	if _, err := l.Claim(t.Context(), key, 1); err != nil {
		t.Fatal(err)
	}
	return l, batch.LaneKey{StepKey: key}
}

func TestCheckpointWhoseAnswerWasLostIsAdopted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l, lane := claimed(t, s)
		next := batch.Checkpoint{Epoch: 1, Sequence: 1, Phase: batch.Running, Ordinal: 10}
		got, err := l.Commit(t.Context(), lane, func(batch.Tx) (batch.Checkpoint, error) {
			// The checkpoint gets there, and nobody says so.
			err := s.write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := swapTarget(t.Context(), tx, lane, batch.Checkpoint{Epoch: 1}, next, fixedClock())
				return err
			})
			return batch.Checkpoint{Ordinal: 10}, err
		})
		if err != nil || got.Sequence != 1 {
			t.Errorf("got %+v, %v, want it adopted", got, err)
		}
		if got, err = l.Commit(t.Context(), lane, func(batch.Tx) (batch.Checkpoint, error) { return batch.Checkpoint{Ordinal: 20}, nil }); err != nil || got.Sequence != 2 {
			t.Errorf("the next one: got %+v, %v", got, err)
		}
	})
}

func TestCheckpointThatWasNotSavedIsRolledBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		l, lane := claimed(t, open(t))
		ctx, cancel := context.WithCancel(t.Context())
		_, err := l.Commit(ctx, lane, func(batch.Tx) (batch.Checkpoint, error) {
			cancel()
			return batch.Checkpoint{Ordinal: 10}, nil
		})
		if !errors.Is(err, batch.ErrRolledBack) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want ErrRolledBack with its reason", err)
		}
		if got, err := l.Commit(t.Context(), lane, func(batch.Tx) (batch.Checkpoint, error) { return batch.Checkpoint{Ordinal: 10}, nil }); err != nil || got.Sequence != 1 {
			t.Errorf("the next one: got %+v, %v", got, err)
		}
	})
}

func TestChunkBehindALostStepIsNotCalledRolledBack(t *testing.T) {
	t.Parallel()
	f := afterFixture(t)
	l := f.Open(t)
	defer func() { _ = l.Close() }()
	key := batch.StepKey{Repository: "r", Job: "import", Instance: "i", Step: "load"}
	if _, err := l.Claim(t.Context(), key, 1); err != nil {
		t.Fatal(err)
	}
	_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(tx batch.Tx) (batch.Checkpoint, error) {
		f.Write(t, tx, 1)
		_, err := f.Open(t).Claim(t.Context(), key, 1) // another process takes the step over
		return batch.Checkpoint{}, err
	})
	if !errors.Is(err, batch.ErrFenced) || errors.Is(err, batch.ErrRolledBack) {
		t.Errorf("got %v, want ErrFenced: the target has the rows", err)
	}
	if rows := f.Rows(t); len(rows) != 1 {
		t.Errorf("got rows %v, want the one that was committed", rows)
	}
}

// The checkpoint goes to another database, which keeps it in a power cut; so must the target keep the rows, whatever its
// durability is.
func TestRowsAreDurableBeforeTheirCheckpointInTheRepository(t *testing.T) {
	t.Parallel()
	target, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: "postgres", DSN: sqltest.Schema(t), Durability: "relaxed"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	if _, err := target.Exec(t.Context(), "create table rows (n integer)"); err != nil {
		t.Fatal(err)
	}
	l := NewAfterLedger(openNew(t), target, false)
	defer func() { _ = l.Close() }()
	key := batch.StepKey{Repository: "r", Job: "import", Instance: "i", Step: "load"}
	if _, err := l.Claim(t.Context(), key, 1); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		var end string
		_, err := l.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(tx batch.Tx) (batch.Checkpoint, error) {
			if _, err := tx.(*sqldb.Tx).Exec(t.Context(), "insert into rows select generate_series(1, 100)"); err != nil {
				return batch.Checkpoint{}, err
			}
			_, err := one(t.Context(), tx.(*sqldb.Tx), to(&end), "select pg_current_wal_insert_lsn()::text")
			return batch.Checkpoint{Ordinal: int64(n)}, err
		})
		if err != nil {
			t.Fatal(err)
		}
		var durable bool
		if _, err := one(t.Context(), target, to(&durable), "select pg_current_wal_flush_lsn() >= ?::pg_lsn", end); err != nil || !durable {
			t.Fatalf("the checkpoint of commit %d is saved, and its rows are not durable (%v)", n, err)
		}
	}
}
