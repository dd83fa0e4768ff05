package meta

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

func TestStepsComeBackAsTheyWereSaved(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		want := &batch.StepExecution{JobID: l.Execution.ID, Name: "load/part:partition3", Visit: 2,
			Context: batch.Context{"a": json.RawMessage(`1`)}}
		if err := s.StartStep(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if want.ID == 0 || want.Created.IsZero() || want.Status != batch.Starting {
			t.Errorf("got %+v, want id, time and status STARTING", want)
		}
		want.Status, want.Started = batch.Started, want.Created
		want.Counters = batch.Counters{Read: 1, Write: 2, Filter: 3, ReadSkip: 4, ProcessSkip: 5, WriteSkip: 6, Commit: 7, Rollback: 8, Retry: 9}
		want.Total = want.Counters.Add(want.Counters)
		want.Context = batch.Context{"a": json.RawMessage(`"` + strings.Repeat("긴", 3000) + `"`), "b": json.RawMessage(`null`)}
		want.Times = batch.Times{Read: 1500 * time.Millisecond, Write: 7 * time.Microsecond, Readers: 1, Workers: 4, Writers: 4}
		want.Exit = batch.ExitStatus{Code: "WITH SKIPS", Description: "two of them"}
		if err := s.SaveStep(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := lastStep(t, open(t), l)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

// lastStep returns the newest step execution of a launch's instance, nil where it has none.
func lastStep(t *testing.T, s *Store, l *Launch) (*batch.StepExecution, error) {
	t.Helper()
	history, err := s.StepHistory(t.Context(), l.Execution.Instance.ID)
	if len(history) == 0 {
		return nil, err
	}
	return history[len(history)-1], err
}

func TestStepHistorySpansTheExecutionsOfAnInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		other := launch(t, s, identified("2026-11-19"))
		first := launch(t, s, identified("2026-11-20"))
		oldest := step(t, s, first, "load", batch.Failed, 1)
		end(t, s, first, batch.Failed)
		second := launch(t, s, identified("2026-11-20"))
		newest := step(t, s, second, "load", batch.Failed, 2)
		step(t, s, other, "load", batch.Completed, 9)
		history, err := s.StepHistory(t.Context(), second.Execution.Instance.ID)
		if err != nil || len(history) != 2 || history[0].ID != oldest.ID || history[1].ID != newest.ID {
			t.Errorf("got %+v, %v, want %d and %d", history, err, oldest.ID, newest.ID)
		}
	})
}

func TestStatusMovesOnlyAsTheTableSays(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		e := step(t, s, l, "load", batch.Completed, 1)
		e.Status = batch.Started
		if err := s.SaveStep(t.Context(), e); fault.ClassOf(err) != fault.Internal || !strings.Contains(err.Error(), "is COMPLETED and cannot become STARTED") {
			t.Errorf("step: got %v", err)
		}
		l.Execution.Status = batch.Abandoned
		if err := s.SaveJob(t.Context(), l.Execution); fault.ClassOf(err) != fault.Internal || !strings.Contains(err.Error(), "is STARTED and cannot become ABANDONED") {
			t.Errorf("job: got %v", err)
		}
		l.Execution.Status = batch.Started
		if err := s.SaveStep(t.Context(), &batch.StepExecution{ID: 99, JobID: l.Execution.ID, Status: batch.Started}); fault.ClassOf(err) != fault.Internal {
			t.Errorf("unknown step: got %v", err)
		}
	})
}

func TestFailedSaveDoesNotMakeTheNextFail(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		e := step(t, s, l, "load", batch.Started, 1)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		e.Status = batch.Completed
		if err := s.SaveStep(cancelled, e); !errors.Is(err, context.Canceled) {
			t.Fatalf("save in a cancelled context: %v", err)
		}
		// A save that came through although its answer was lost leaves the row one version further.
		change(t, s, "update BATCH_STEP_EXECUTION set VERSION = VERSION + 1")
		e.Status = batch.Failed
		if err := s.SaveStep(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		end(t, s, l, batch.Failed)
		if last, err := lastStep(t, s, l); err != nil || last.Status != batch.Failed {
			t.Errorf("got %+v, %v, want FAILED", last, err)
		}
	})
}

func TestVersionsCountUpdates(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := launch(t, s, identified("2026-11-20"))
		step(t, s, l, "load", batch.Completed, 1) // two saves
		end(t, s, l, batch.Completed)             // two saves
		for _, table := range []string{"BATCH_JOB_EXECUTION", "BATCH_STEP_EXECUTION"} {
			var version int
			if _, err := one(t.Context(), s.db, to(&version), "select VERSION from "+table); err != nil || version != 2 {
				t.Errorf("%s: got version %d, %v, want 2", table, version, err)
			}
		}
	})
}

func TestExitMessageIsCutAtACharacter(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := launch(t, s, identified("2026-11-20"))
		l.Execution.Exit.Description = "a\x00b\xff" + strings.Repeat("결", 5000)
		end(t, s, l, batch.Failed)
		d, err := s.Execution(t.Context(), l.Execution.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Execution.Exit.Description
		if utf8.RuneCountInString(got) != batch.MaxDescription || !utf8.ValidString(got) || !strings.HasPrefix(got, "a\uFFFDb\uFFFD결") {
			t.Errorf("got %d characters, %.20q", utf8.RuneCountInString(got), got)
		}
	})
}

func TestContextColumnsAreSpringBatchs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("긴", 2501)
	cases := map[string]struct {
		text, short string
		whole       any
	}{
		"empty":             {"{}", "{}", nil},
		"just short":        {long[:2500*len("긴")], long[:2500*len("긴")], nil},
		"one character too": {long, strings.Repeat("긴", 2492) + " ...", long},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if short, whole := contextColumns(c.text); short != c.short || whole != c.whole {
				t.Errorf("got %.40q (%d), %.40v", short, utf8.RuneCountInString(short), whole)
			}
		})
	}
}

func TestStepWhoseStartWasNotAnsweredIsStartedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := launch(t, s, identified("2026-11-20"))
		begin := func(name string, visit int) *batch.StepExecution {
			t.Helper()
			e := &batch.StepExecution{JobID: l.Execution.ID, Name: name, Visit: visit}
			if err := s.StartStep(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			return e
		}
		first, again := begin("load", 0), begin("load", 0)
		if again.ID != first.ID || !again.Created.Equal(first.Created) {
			t.Errorf("got %d and %d: the step was started twice", first.ID, again.ID)
		}
		if other := begin("load", 1); other.ID == first.ID {
			t.Error("another visit was taken for the same")
		}
		again.Status = batch.Started
		if err := s.SaveStep(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if later := begin("load", 0); later.ID == first.ID {
			t.Error("a step that has begun was taken for one that has not")
		}
	})
}
