package meta

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/batch"
)

// race launches one request from two stores at the same moment and returns the one that proceeds and the other's error.
func race(t *testing.T, stores [2]*Store, r Request) (*Launch, error) {
	t.Helper()
	var launches [2]*Launch
	var errs [2]error
	var group sync.WaitGroup
	gate := make(chan struct{})
	for i := range stores {
		group.Go(func() {
			<-gate
			launches[i], errs[i] = stores[i].Launch(context.Background(), r)
		})
	}
	close(gate)
	group.Wait()
	winner := 0
	if launches[0] == nil {
		winner = 1
	}
	if launches[winner] == nil || launches[1-winner] != nil {
		t.Fatalf("got launches %v, errors %v; want exactly one to proceed", launches, errs)
	}
	return launches[winner], errs[1-winner]
}

// checkLoser wants the loser to have been told who is running.
func checkLoser(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, batch.ErrRunning) || !strings.Contains(err.Error(), ThisProcess().String()) {
		t.Fatalf("got %v, want ErrRunning that names %s", err, ThisProcess())
	}
}

func TestOfTwoLaunchesAtOnceExactlyOneProceeds(t *testing.T) {
	t.Parallel()
	requests := map[string]func(date string) Request{"identified": identified, "each run": eachRun}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				stores := [2]*Store{open(t), open(t)}
				const rounds = 50
				for round := range rounds {
					r := request("2026-11-" + number(int64(round)))
					first, err := race(t, stores, r)
					checkLoser(t, err)
					end(t, stores[0], first, batch.Failed)

					again, err := race(t, stores, r) // both restart the failed one
					checkLoser(t, err)
					if again.Previous.ID != first.Execution.ID {
						t.Fatalf("continues %d, want %d", again.Previous.ID, first.Execution.ID)
					}
					end(t, stores[1], again, batch.Completed)
				}
				for table, want := range map[string]int{
					"BATCH_JOB_INSTANCE": rounds, "BATCH_JOB_EXECUTION": 2 * rounds, "BATCHCTL_OWNER": 2 * rounds,
					"BATCH_JOB_EXECUTION_PARAMS": 2 * rounds, "BATCH_JOB_EXECUTION_CONTEXT": 2 * rounds, "BATCHCTL_DEFINITION": 1,
				} {
					if got := count(t, stores[0], table); got != want {
						t.Errorf("%s has %d rows, want %d", table, got, want)
					}
				}
			})
		})
	}
}

func TestWhoeverLooksDoesNotKeepALaunchFromItsLock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		launcher, watcher := open(t), open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			for ctx.Err() == nil {
				if dead, err := watcher.Sweep(context.Background()); err != nil || len(dead) > 0 {
					t.Errorf("sweep found %v, %v; nobody is dead", dead, err)
					return
				}
			}
		})
		for range 40 {
			ended(t, launcher, identified("2026-11-20"), batch.Failed)
		}
		cancel()
		group.Wait()
	})
}
