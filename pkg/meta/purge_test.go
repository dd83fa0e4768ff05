package meta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// purged purges what a filter chooses and returns the executions that were the last of their instances.
func purged(t *testing.T, s *Store, f PurgeFilter) (last []int64) {
	t.Helper()
	chosen, err := s.Purgeable(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Purge(t.Context(), chosen)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range done {
		last = append(last, p.Last)
	}
	slices.Sort(last)
	return last
}

// everySort is executions of every sort; the ids of the last ones of their instances by name.
func everySort(t *testing.T, s *Store) map[string]int64 {
	t.Helper()
	ids := map[string]int64{}
	failed := launch(t, s, identified("1"))
	step(t, s, failed, "load", batch.Failed, 1)
	end(t, s, failed, batch.Failed)
	again := launch(t, s, identified("1"))
	step(t, s, again, "load", batch.Completed, 2)
	end(t, s, again, batch.Completed)
	ids["complete"] = again.Execution.ID
	run := launch(t, s, eachRun("a"))
	step(t, s, run, "load", batch.Completed, 2)
	end(t, s, run, batch.Completed)
	ids["run"] = run.Execution.ID
	ids["failed"] = ended(t, s, identified("2"), batch.Failed).ID
	ids["stopped"] = ended(t, s, identified("3"), batch.Stopped).ID
	ids["abandoned"] = ended(t, s, identified("4"), batch.Failed).ID
	if err := s.Abandon(t.Context(), ids["abandoned"]); err != nil {
		t.Fatal(err)
	}
	running := launch(t, s, identified("5"))
	step(t, s, running, "load", batch.Started, 1)
	ids["running"] = running.Execution.ID
	return ids
}

func TestPurgeTakesWhatEndedAndRemembersWhatIsComplete(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		ids := everySort(t, s)
		if got, want := purged(t, s, PurgeFilter{}), []int64{ids["complete"], ids["run"]}; !slices.Equal(got, want) {
			t.Errorf("purged %v, want %v", got, want)
		}
		if again := purged(t, s, PurgeFilter{}); len(again) != 0 {
			t.Errorf("purged %v once more", again)
		}
		if _, err := s.Launch(t.Context(), identified("1")); !errors.Is(err, batch.ErrComplete) {
			t.Errorf("a run of the complete instance: %v, want complete", err)
		}
		details, err := s.Execution(t.Context(), ids["complete"])
		if err != nil || len(details.Execution.Steps) != 0 || !strings.Contains(details.Execution.Exit.Description, "history was purged") ||
			len(details.Execution.Parameters) != 1 {
			t.Errorf("what is remembered: %+v, %v", details, err)
		}
		if _, err := s.Execution(t.Context(), ids["run"]); !errors.Is(err, ErrNoExecution) {
			t.Errorf("the execution of each run: %v, want none", err)
		}
		for name, table := range map[string]int{"BATCH_JOB_EXECUTION": 5, "BATCH_STEP_EXECUTION": 1, "BATCH_JOB_INSTANCE": 5,
			"BATCH_JOB_EXECUTION_PARAMS": 5, "BATCH_JOB_EXECUTION_CONTEXT": 5, "BATCH_STEP_EXECUTION_CONTEXT": 1, "BATCHCTL_OWNER": 4} {
			if got := count(t, s, name); got != table {
				t.Errorf("%s has %d rows, want %d", name, got, table)
			}
		}
	})
}

func TestPurgeChoosesByAgeRankJobAndState(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		ids := everySort(t, s)
		at := fixedClock().Truncate(time.Microsecond)
		for name, c := range map[string]struct {
			filter PurgeFilter
			want   []string
		}{
			"too young":     {PurgeFilter{Before: at}, nil},
			"old enough":    {PurgeFilter{Before: at.Add(time.Second)}, []string{"complete", "run"}},
			"the newest":    {PurgeFilter{Keep: 5}, []string{"complete"}},
			"all are new":   {PurgeFilter{Keep: 6}, nil},
			"another job":   {PurgeFilter{Job: "export"}, nil},
			"this job":      {PurgeFilter{Job: "import"}, []string{"complete", "run"}},
			"forget":        {PurgeFilter{Forget: true}, []string{"complete", "run", "abandoned"}},
			"unfinished":    {PurgeFilter{Unfinished: true}, []string{"complete", "run", "failed", "stopped"}},
			"all but alive": {PurgeFilter{Unfinished: true, Forget: true}, []string{"complete", "run", "failed", "stopped", "abandoned"}},
		} {
			chosen, err := s.Purgeable(t.Context(), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []int64
			for _, p := range chosen {
				got = append(got, p.Last)
			}
			for _, name := range c.want {
				want = append(want, ids[name])
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: chose %v, want %v of %v", name, got, want, ids)
			}
		}
	})
}

func TestPurgeLeavesWhatWasContinuedMeanwhile(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		ended(t, s, identified("1"), batch.Failed)
		chosen, err := s.Purgeable(t.Context(), PurgeFilter{Unfinished: true, Forget: true})
		if err != nil || len(chosen) != 1 {
			t.Fatalf("chose %v, %v", chosen, err)
		}
		l := launch(t, s, identified("1"))
		if _, err := s.Hold(t.Context(), l.Execution.Instance); !errors.Is(err, batch.ErrRunning) {
			t.Errorf("holding what runs: %v, want running", err)
		}
		if done, err := s.Purge(t.Context(), chosen); len(done) != 0 || err != nil {
			t.Errorf("purged %v, %v", done, err)
		}
		end(t, s, l, batch.Completed)
	})
}

// Every table that refers to executions, steps or instances is among those that a purge empties.
func TestPurgeKnowsEveryTableOfTheHistory(t *testing.T) {
	t.Parallel()
	known := []string{"BATCHCTL_REPLAY", "BATCHCTL_REPLAYED", "BATCH_JOB_INSTANCE", "BATCHCTL_DEFINITION", "BATCHCTL_REPOSITORY", strings.ToUpper(targetTable),
		"BATCHCTL_INTENT"} // goes with its checkpoint
	for _, table := range historyTables {
		known = append(known, table.name)
	}
	s := openNew(t)
	var missing []string
	err := each(t.Context(), s.db, func(rows *sqldb.Rows) error {
		var name string
		err := rows.Scan(&name)
		if !slices.Contains(known, strings.ToUpper(name)) {
			missing = append(missing, name)
		}
		return err
	}, "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
	if err != nil || len(missing) > 0 {
		t.Errorf("a purge leaves rows in %v, %v", missing, err)
	}
}

// Runs beside a purge are neither refused nor delayed for long, and lose nothing.
func TestRunsBesideAPurgeGoOn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		for i := range 30 {
			l := launch(t, s, eachRun("a"))
			step(t, s, l, fmt.Sprint("load", i), batch.Completed, 1)
			end(t, s, l, batch.Completed)
		}
		beside := open(t)
		var group sync.WaitGroup
		group.Go(func() {
			for i := range 30 {
				l, err := beside.Launch(context.Background(), identified(fmt.Sprint("beside ", i)))
				if err != nil {
					t.Error(err)
					return
				}
				end(t, beside, l, batch.Completed)
			}
		})
		for range 5 {
			purged(t, s, PurgeFilter{})
			if _, err := s.PurgeDefinitions(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := s.Shrink(t.Context()); err != nil {
				t.Error(err)
			}
		}
		group.Wait()
		if got := count(t, s, "BATCH_JOB_EXECUTION"); got != 30 {
			t.Errorf("%d executions are left, want the 30 that ran beside", got)
		}
		if _, err := s.Jobs(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestShrinkGivesBackWhatAPurgeFreed(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	fill := func() {
		for i := range 20 {
			r := eachRun("a")
			r.Definition = definition(strings.Repeat("#", 50_000) + fmt.Sprint(i, count(t, s, "BATCH_JOB_EXECUTION")))
			ended(t, s, r, batch.Completed)
		}
	}
	for round := range 2 { // the second time in steps, without writing the file anew
		fill()
		purged(t, s, PurgeFilter{})
		if n, err := s.PurgeDefinitions(t.Context()); n != 20 || err != nil {
			t.Errorf("round %d: %d definitions, %v, want 20", round, n, err)
		}
		freed, err := s.Shrink(t.Context())
		if err != nil || freed < 900_000 {
			t.Errorf("round %d: freed %d bytes, %v", round, freed, err)
		}
	}
	running := launch(t, s, eachRun("b"))
	if _, err := s.Shrink(t.Context()); err != nil {
		t.Error(err)
	}
	end(t, s, running, batch.Completed)
}

// fillHistory records instances with executions of two steps each, many in one transaction.
func fillHistory(t *testing.T, s *Store, instances, executions int) {
	t.Helper()
	ctx := t.Context()
	for i := range instances {
		if i%1000 != 0 {
			continue
		}
		err := s.write(ctx, func(tx *sqldb.Tx) error {
			for n := i; n < min(i+1000, instances); n++ {
				r := identified(fmt.Sprint(n))
				instance, err := insertInstance(ctx, tx, r)
				for k := 0; k < executions && err == nil; k++ {
					e := s.newExecution(r)
					e.Instance, e.Status = *instance, batch.Failed
					if k == executions-1 {
						e.Status = batch.Completed
					}
					err = insertExecution(ctx, tx, e)
					for _, name := range []string{"load", "report"} {
						if err == nil {
							err = insertStep(ctx, tx, &batch.StepExecution{JobID: e.ID, Name: name, Status: e.Status, Created: e.Created, Updated: e.Updated})
						}
					}
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A purge of a long history works in short transactions and leaves a line for each complete instance, in a small file; a
// launch takes no longer before it than after it.
func TestPurgeOfALongHistoryIsShortForOthers(t *testing.T) {
	t.Parallel()
	instances := 300
	if os.Getenv("BATCHCTL_SOAK") != "" {
		instances = 10_000
	}
	path := filepath.Join(t.TempDir(), "batchctl.db")
	s := openAt(t, path)
	fillHistory(t, s, instances, 10)
	fastest := func(name string) time.Duration {
		best := time.Hour
		for i := range 9 {
			begin := time.Now()
			l := launch(t, s, identified(fmt.Sprint(name, i)))
			best = min(best, time.Since(begin))
			end(t, s, l, batch.Completed)
		}
		return best
	}
	before := fastest("before")
	chosen, err := s.Purgeable(t.Context(), PurgeFilter{Keep: 9})
	if err != nil || len(chosen) != instances {
		t.Fatalf("chose %d, %v, want %d", len(chosen), err, instances)
	}
	begin, longest := time.Now(), time.Duration(0)
	for some := range slices.Chunk(chosen, 50) {
		one := time.Now()
		if done, err := s.Purge(t.Context(), some); err != nil || len(done) != len(some) {
			t.Fatalf("purged %d of %d, %v", len(done), len(some), err)
		}
		longest = max(longest, time.Since(one))
	}
	took := time.Since(begin)
	freed, err := s.Shrink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d executions purged in %s, at most %s in one transaction; %d KiB freed, %d KiB left; a launch took %s before, %s after",
		instances*10, took, longest, freed>>10, info.Size()>>10, before, fastest("after"))
	if got := count(t, s, "BATCH_JOB_EXECUTION"); got != instances+18 {
		t.Errorf("%d executions are left, want %d", got, instances+18)
	}
	if bound := int64(instances)*5000 + 1<<18; info.Size() > bound {
		t.Errorf("%d bytes are left, want at most %d", info.Size(), bound)
	}
	if before > 50*time.Millisecond && instances == 10_000 {
		t.Errorf("a launch took %s with 100,000 executions, want at most 50 ms", before)
	}
}
