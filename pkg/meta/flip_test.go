package meta

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// restart is what a restart goes by.
type restart struct {
	previous    *batch.JobExecution
	parameters  []batch.Parameter
	context     batch.Context
	history     []*batch.StepExecution
	checkpoints []batch.Checkpoint
	complete    bool // of the other instance
}

// restartFrom launches the failed instance of a file, and asks for the completed one.
func restartFrom(t *testing.T, path string) (r restart, err error) {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path, Now: fixedClock})
	if err != nil {
		return r, err
	}
	defer func() { _ = s.Close() }() // a damaged file may not close
	_, err = s.Launch(t.Context(), identified("2026-11-21"))
	if r.complete = fault.CodeOf(err) == "complete"; !r.complete {
		return r, fmt.Errorf("the completed instance: %w", err)
	}
	l, err := s.Launch(t.Context(), identified("2026-11-20"))
	if err != nil {
		return r, err
	}
	defer func() { _ = l.Close() }()
	r.previous, r.context = l.Previous, l.Execution.Context
	if r.previous != nil {
		r.parameters = r.previous.Parameters
		onlyWhatCounts(r.previous)
	}
	if r.history, err = s.StepHistory(t.Context(), l.Execution.Instance.ID); err != nil {
		return r, err
	}
	onlyWhatCounts(&batch.JobExecution{Steps: r.history})
	key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: identified("2026-11-20").Key, Step: "load"}
	r.checkpoints, err = NewStoreLedger(s, false).Claim(t.Context(), key, 1)
	return r, err
}

// onlyWhatCounts removes what is shown, and nothing goes by: times and messages.
func onlyWhatCounts(e *batch.JobExecution) {
	e.Created, e.Started, e.Ended, e.Updated, e.Exit.Description = time.Time{}, time.Time{}, time.Time{}, time.Time{}, ""
	for _, s := range e.Steps {
		s.Created, s.Started, s.Ended, s.Updated, s.Exit.Description = time.Time{}, time.Time{}, time.Time{}, time.Time{}, ""
	}
}

// unfinishedFile makes a file with a failed and a completed instance.
func unfinishedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	s, err := Open(t.Context(), Options{Path: path, Now: fixedClock})
	if err != nil {
		t.Fatal(err)
	}
	ended(t, s, identified("2026-11-21"), batch.Completed)
	l := launch(t, s, identified("2026-11-20"))
	step(t, s, l, "load", batch.Failed, 3)
	key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: l.Execution.Instance.Key, Step: "load"}
	ledger := NewStoreLedger(s, false)
	if _, err := ledger.Claim(t.Context(), key, 1); err != nil {
		t.Fatal(err)
	}
	_, err = ledger.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(batch.Tx) (batch.Checkpoint, error) {
		return batch.Checkpoint{Ordinal: 3000, Reader: batch.State(`{"offset":330000}`), Writer: batch.State(`{"size":295000}`)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Execution.Context = batch.Context{"total": []byte(`"12.50"`)}
	end(t, s, l, batch.Failed)
	closeStore(t, s)
	return path
}

// flips is how many bits are tried, each alone.
const flips = 120

func TestFlippedBitsNeverChangeARestart(t *testing.T) {
	t.Parallel()
	path := unfinishedFile(t)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	want, err := restartFrom(t, path)
	if err != nil {
		t.Fatal(err)
	}
	same, refused := 0, 0
	for range flips {
		flipped := append([]byte{}, sound...)
		bit := random.IntN(8 * len(flipped))
		flipped[bit/8] ^= 1 << (bit % 8)
		copied := filepath.Join(t.TempDir(), "batchctl.db")
		if err := os.WriteFile(copied, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := restartFrom(t, copied)
		switch {
		case err != nil:
			refused++
			if fault.ClassOf(err) != fault.Environment {
				t.Errorf("seed %d, bit %d: class %s: %v", seed, bit, fault.ClassOf(err), err)
			}
		case reflect.DeepEqual(got, want):
			same++
		default:
			t.Errorf("seed %d, bit %d: got %s, want %s", seed, bit, show(got), show(want))
		}
	}
	if same == 0 || refused == 0 {
		t.Errorf("%d flips changed nothing and %d were refused: the trial shows nothing", same, refused)
	}
}

func show(r restart) string {
	text := fmt.Sprintf("%+v", r)
	if r.previous != nil {
		text += fmt.Sprintf(" previous %+v", *r.previous)
	}
	for _, step := range r.history {
		text += fmt.Sprintf(" step %+v", *step)
	}
	return text
}
