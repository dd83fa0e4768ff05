package batchtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"batchctl/pkg/batch"
)

// LedgerFixture is a store for a ledger under test and what the suite needs to see of it.
type LedgerFixture struct {
	// Open returns a ledger on the store, as a process of its own would have: what one has claimed, another does not
	// know. The suite closes it.
	Open func(t *testing.T) batch.Ledger
	// Write does something within the transaction of a commit, once for each call; nil where the store of the ledger
	// holds no rows.
	Write func(t *testing.T, tx batch.Tx, row int)
	// Rows returns the arguments of the Writes that hold, in order.
	Rows func(t *testing.T) []int
}

// Ledger holds a ledger to the contract of batch.Ledger. fixture is called once for each rule and returns an empty store.
func Ledger(t *testing.T, fixture func(t *testing.T) LedgerFixture) {
	t.Helper()
	rules := []struct {
		name string
		test func(t *testing.T, f LedgerFixture)
	}{
		{"ClaimBeginsAtNothing", ledgerBeginsAtNothing},
		{"CommitSavesCheckpointAndRowsTogether", ledgerCommits},
		{"AnErrorOfTheWorkRollsBack", ledgerRollsBack},
		{"RestartStandsWhereTheLastCommitDid", ledgerRestarts},
		{"ASecondClaimFencesTheFirst", ledgerFences},
		{"LanesAdvanceAlone", ledgerLanes},
		{"StepsInstancesAndVisitsAreApart", ledgerKeys},
		{"OfTwoClaimsTheLaterOneHolds", ledgerRacingClaims},
		{"AnotherRepositoryIsRefused", ledgerForeign},
		{"StatesComeBackAsTheyWere", ledgerStates},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.test(t, fixture(t))
		})
	}
}

func ledgerStep(repository string) batch.StepKey {
	return batch.StepKey{Repository: repository, Job: "daily", Instance: "5f1c", Step: "load/part", Visit: 1}
}

func openLedger(t *testing.T, f LedgerFixture) batch.Ledger {
	t.Helper()
	l := f.Open(t)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func claim(t *testing.T, l batch.Ledger, step batch.StepKey, lanes int) []batch.Checkpoint {
	t.Helper()
	at, err := l.Claim(t.Context(), step, lanes)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	if len(at) != lanes {
		t.Fatalf("claim of %d lanes returned %d checkpoints", lanes, len(at))
	}
	return at
}

// commitRow commits one row and a checkpoint that covers it.
func (f LedgerFixture) commitRow(t *testing.T, l batch.Ledger, lane batch.LaneKey, row int) (batch.Checkpoint, error) {
	t.Helper()
	return l.Commit(t.Context(), lane, func(tx batch.Tx) (batch.Checkpoint, error) {
		if f.Write != nil {
			f.Write(t, tx, row)
		}
		return checkpointOf(row), nil
	})
}

func (f LedgerFixture) mustCommit(t *testing.T, l batch.Ledger, lane batch.LaneKey, row int) batch.Checkpoint {
	t.Helper()
	at, err := f.commitRow(t, l, lane, row)
	if err != nil {
		t.Fatalf("commit row %d: %v", row, err)
	}
	return at
}

func checkpointOf(row int) batch.Checkpoint {
	return batch.Checkpoint{
		Ordinal:  int64(row),
		Reader:   batch.State(fmt.Sprintf(`{"offset":%d}`, row*100)),
		Writer:   batch.State(fmt.Sprintf(`{"size":%d}`, row*10)),
		Counters: batch.Counters{Read: int64(row), Write: int64(row), Commit: int64(row)},
	}
}

// wantRows checks the rows that hold, where the fixture has any.
func (f LedgerFixture) wantRows(t *testing.T, want ...int) {
	t.Helper()
	if f.Rows == nil {
		return
	}
	if got := f.Rows(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("rows that hold: got %v, want %v", got, want)
	}
}

func ledgerBeginsAtNothing(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	at := claim(t, l, step, 2)
	for lane, c := range at {
		if c.Sequence != 0 || c.Ordinal != 0 || c.Reader != nil || c.Writer != nil || c.Counters != (batch.Counters{}) {
			t.Errorf("lane %d: got %+v, want the beginning", lane, c)
		}
		if c.Epoch < 1 || c.Phase != batch.Running {
			t.Errorf("lane %d: got epoch %d, phase %q, want an epoch of at least 1, phase running", lane, c.Epoch, c.Phase)
		}
		loaded, err := l.Load(t.Context(), batch.LaneKey{StepKey: step, Lane: lane})
		if err != nil || !sameCheckpoint(loaded, c) {
			t.Errorf("lane %d: load gives %+v, %v, want %+v", lane, loaded, err, c)
		}
	}
}

func ledgerCommits(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	epoch := claim(t, l, step, 1)[0].Epoch
	lane := batch.LaneKey{StepKey: step}
	for row := 1; row <= 3; row++ {
		want := checkpointOf(row)
		want.Epoch, want.Sequence, want.Phase = epoch, int64(row), batch.Running
		if got := f.mustCommit(t, l, lane, row); !sameCheckpoint(got, want) {
			t.Errorf("commit returned %+v, want %+v", got, want)
		}
		if got, err := l.Load(t.Context(), lane); err != nil || !sameCheckpoint(got, want) {
			t.Errorf("load gives %+v, %v, want %+v", got, err, want)
		}
	}
	f.wantRows(t, 1, 2, 3)
}

func ledgerRollsBack(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	claim(t, l, step, 1)
	lane := batch.LaneKey{StepKey: step}
	before := f.mustCommit(t, l, lane, 1)
	reason := errors.New("a bad row")
	_, err := l.Commit(t.Context(), lane, func(tx batch.Tx) (batch.Checkpoint, error) {
		if f.Write != nil {
			f.Write(t, tx, 2)
		}
		return batch.Checkpoint{}, reason
	})
	if !errors.Is(err, reason) || !errors.Is(err, batch.ErrRolledBack) {
		t.Errorf("got %v, want an error that is both the reason and ErrRolledBack", err)
	}
	if got, err := l.Load(t.Context(), lane); err != nil || !sameCheckpoint(got, before) {
		t.Errorf("load gives %+v, %v, want %+v", got, err, before)
	}
	f.mustCommit(t, l, lane, 3)
	f.wantRows(t, 1, 3)
}

func ledgerRestarts(t *testing.T, f LedgerFixture) {
	step := ledgerStep("repo-a")
	lane := batch.LaneKey{StepKey: step}
	first := openLedger(t, f)
	claim(t, first, step, 1)
	f.mustCommit(t, first, lane, 1)
	last := f.mustCommit(t, first, lane, 2)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openLedger(t, f)
	at := claim(t, second, step, 1)[0]
	if at.Epoch <= last.Epoch {
		t.Errorf("epoch %d after %d, want a higher one", at.Epoch, last.Epoch)
	}
	want := last
	want.Epoch = at.Epoch
	if !sameCheckpoint(at, want) {
		t.Errorf("restart stands at %+v, want %+v", at, want)
	}
	f.mustCommit(t, second, lane, 3)
	f.wantRows(t, 1, 2, 3)
}

func ledgerFences(t *testing.T, f LedgerFixture) {
	step := ledgerStep("repo-a")
	lane := batch.LaneKey{StepKey: step}
	zombie, owner := openLedger(t, f), openLedger(t, f)
	claim(t, zombie, step, 1)
	f.mustCommit(t, zombie, lane, 1)
	claim(t, owner, step, 1)
	if _, err := f.commitRow(t, zombie, lane, 2); !errors.Is(err, batch.ErrFenced) {
		t.Errorf("commit of a process that lost the step: got %v, want ErrFenced", err)
	}
	if _, err := zombie.Load(t.Context(), lane); !errors.Is(err, batch.ErrFenced) {
		t.Errorf("load of a process that lost the step: got %v, want ErrFenced", err)
	}
	f.mustCommit(t, owner, lane, 3)
	if _, err := f.commitRow(t, zombie, lane, 4); !errors.Is(err, batch.ErrFenced) {
		t.Errorf("second commit of a process that lost the step: got %v, want ErrFenced", err)
	}
	f.wantRows(t, 1, 3)
}

func ledgerLanes(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	claim(t, l, step, 3)
	f.mustCommit(t, l, batch.LaneKey{StepKey: step, Lane: 0}, 1)
	f.mustCommit(t, l, batch.LaneKey{StepKey: step, Lane: 2}, 2)
	f.mustCommit(t, l, batch.LaneKey{StepKey: step, Lane: 2}, 3)
	at := claim(t, openLedger(t, f), step, 3)
	for lane, sequence := range []int64{1, 0, 2} {
		if at[lane].Sequence != sequence {
			t.Errorf("lane %d: got sequence %d, want %d", lane, at[lane].Sequence, sequence)
		}
	}
	f.wantRows(t, 1, 2, 3)
}

func ledgerKeys(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	claim(t, l, step, 1)
	f.mustCommit(t, l, batch.LaneKey{StepKey: step}, 1)
	others := map[string]batch.StepKey{"job": step, "instance": step, "step": step, "visit": step}
	for part, other := range others {
		switch part {
		case "job":
			other.Job = "weekly"
		case "instance":
			other.Instance = "77aa"
		case "step":
			other.Step = "load"
		case "visit":
			other.Visit = 2
		}
		if at := claim(t, l, other, 1)[0]; at.Sequence != 0 {
			t.Errorf("another %s begins at sequence %d, want 0", part, at.Sequence)
		}
	}
}

func ledgerRacingClaims(t *testing.T, f LedgerFixture) {
	step := ledgerStep("repo-a")
	const racers = 6
	ledgers := make([]batch.Ledger, racers)
	epochs := make([]int64, racers)
	errs := make([]error, racers)
	var group sync.WaitGroup
	for i := range racers {
		ledgers[i] = openLedger(t, f)
	}
	for i := range racers {
		group.Go(func() {
			at, err := ledgers[i].Claim(context.WithoutCancel(t.Context()), step, 2)
			errs[i] = err
			if err == nil {
				epochs[i] = at[0].Epoch
			}
		})
	}
	group.Wait()
	seen := map[int64]int{}
	highest := 0
	for i, epoch := range epochs {
		if errs[i] != nil {
			t.Fatalf("claim %d: %v", i, errs[i])
		}
		if other, twice := seen[epoch]; twice {
			t.Fatalf("claims %d and %d both got epoch %d", i, other, epoch)
		}
		seen[epoch] = i
		if epoch > epochs[highest] {
			highest = i
		}
	}
	for i, l := range ledgers {
		_, err := f.commitRow(t, l, batch.LaneKey{StepKey: step, Lane: 1}, i)
		if holds := i == highest; holds != (err == nil) || !holds && !errors.Is(err, batch.ErrFenced) {
			t.Errorf("commit of claim %d (epoch %d, the last is %d): %v", i, epochs[i], epochs[highest], err)
		}
	}
	f.wantRows(t, highest)
}

func ledgerForeign(t *testing.T, f LedgerFixture) {
	mine, theirs := ledgerStep("repo-a"), ledgerStep("repo-b")
	first := openLedger(t, f)
	claim(t, first, mine, 1)
	// Claimed, but nothing committed: there is nothing that could be done twice.
	claim(t, openLedger(t, f), theirs, 1)
	second := openLedger(t, f)
	claim(t, second, mine, 1)
	f.mustCommit(t, second, batch.LaneKey{StepKey: mine}, 1)
	_, err := openLedger(t, f).Claim(t.Context(), theirs, 1)
	var foreign *batch.ForeignError
	if !errors.As(err, &foreign) {
		t.Fatalf("claim by another repository: got %v, want a ForeignError", err)
	}
	if foreign.Repository != "repo-a" || foreign.UpdatedAt == "" {
		t.Errorf("got %+v, want repository repo-a and a time", foreign)
	}
	f.mustCommit(t, second, batch.LaneKey{StepKey: mine}, 2)
	f.wantRows(t, 1, 2)
}

func ledgerStates(t *testing.T, f LedgerFixture) {
	l := openLedger(t, f)
	step := ledgerStep("repo-a")
	claim(t, l, step, 1)
	lane := batch.LaneKey{StepKey: step}
	want := batch.Checkpoint{
		Phase:    batch.Publishing,
		Ordinal:  1 << 60,
		Reader:   batch.State(`{"file":"주문 'a' \"b\" \\ ;--","n":12345678901234567890}`),
		Writer:   batch.State(`[1,null,"\u0000"]`),
		Counters: batch.Counters{Read: 9, Write: 4, Filter: 3, ReadSkip: 7, ProcessSkip: 1, WriteSkip: 1, Commit: 2, Rollback: 5, Retry: 6},
	}
	if _, err := l.Commit(t.Context(), lane, func(batch.Tx) (batch.Checkpoint, error) { return want, nil }); err != nil {
		t.Fatal(err)
	}
	got := claim(t, openLedger(t, f), step, 1)[0]
	want.Epoch, want.Sequence = got.Epoch, 1
	if !sameCheckpoint(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func sameCheckpoint(a, b batch.Checkpoint) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
