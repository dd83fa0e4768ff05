package meta

import (
	"strings"
	"testing"

	"batchctl/pkg/batch"
)

func TestEachRunMakesANewInstanceAfterACompletedOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		first := ended(t, s, eachRun("a.csv"), batch.Completed)
		second := ended(t, s, eachRun("a.csv"), batch.Completed)
		if first.Instance == second.Instance || len(second.Instance.Key) != 36 {
			t.Errorf("got instances %v and %v, want two, with UUIDs as keys", first.Instance, second.Instance)
		}
	})
}

func TestEachRunContinuesTheUnfinishedInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		first := ended(t, s, eachRun("a.csv"), batch.Failed)
		second := ended(t, s, eachRun("a.csv"), batch.Stopped)
		dead := start(t, s, launch(t, s, eachRun("a.csv")))
		die(t, dead)
		last := launch(t, s, eachRun("a.csv"))
		if second.Instance != first.Instance || dead.Execution.Instance != first.Instance || last.Execution.Instance != first.Instance {
			t.Errorf("got instances %v, %v, %v, %v, want one", first.Instance, second.Instance, dead.Execution.Instance, last.Execution.Instance)
		}
		if last.Previous.ID != dead.Execution.ID || last.Previous.Status != batch.Failed {
			t.Errorf("continues %d (%s), want %d (FAILED)", last.Previous.ID, last.Previous.Status, dead.Execution.ID)
		}
	})
}

func TestEachRunRefusesToLeaveAnUnfinishedInstance(t *testing.T) {
	t.Parallel()
	elsewhere := eachRun("a.csv")
	elsewhere.Definition.Path = "/other/import.yaml"
	cases := map[string]struct {
		request Request
		message string
	}{
		"other parameters": {eachRun("b.csv"), "other parameters: file=a.csv"},
		"another path":     {elsewhere, "the definition /jobs/import.yaml"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				s := open(t)
				first := ended(t, s, eachRun("a.csv"), batch.Failed)
				refusal := refused(t, s, c.request, batch.ErrNotRestartable)
				if !strings.Contains(refusal.Message, c.message) || !strings.Contains(refusal.Hint, "batchctl restart 1") ||
					!strings.Contains(refusal.Hint, "--new") {
					t.Errorf("got %q, hint %q", refusal.Message, refusal.Hint)
				}
				anew := c.request
				anew.New = true
				if l := launch(t, s, anew); l.Previous != nil || l.Execution.Instance == first.Instance {
					t.Errorf("--new continues %v", l.Execution.Instance)
				}
			})
		})
	}
}

func TestEachRunRefusesWhileAnotherExecutionRuns(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		older := launch(t, s, eachRun("a.csv"))
		anew := eachRun("a.csv")
		anew.New = true
		ended(t, s, anew, batch.Completed) // the newest instance is complete, an older one still runs
		if refusal := refused(t, s, eachRun("a.csv"), batch.ErrRunning); refusal.Execution != older.Execution.ID {
			t.Errorf("got execution %d, want %d", refusal.Execution, older.Execution.ID)
		}
	})
}

func TestEachRunRestartNamesItsExecution(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		failed := ended(t, s, eachRun("a.csv"), batch.Failed)
		anew := eachRun("b.csv")
		anew.New = true
		ended(t, s, anew, batch.Completed)
		r := eachRun("a.csv")
		r.Restart = failed.ID
		if l := launch(t, s, r); l.Execution.Instance != failed.Instance || l.Previous.ID != failed.ID {
			t.Errorf("got %v after %v, want the instance of execution %d", l.Execution.Instance, l.Previous, failed.ID)
		}
	})
}

func TestEachRunStartsAnewWhereItCannotBeContinued(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	r := eachRun("a.csv")
	r.NotRestartable = true
	first := ended(t, s, r, batch.Failed)
	second := ended(t, s, r, batch.Failed)
	if first.Instance == second.Instance {
		t.Errorf("got %v twice, want a new instance", first.Instance)
	}
	if err := s.Abandon(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	if third := ended(t, s, eachRun("c.csv"), batch.Failed); third.Instance == second.Instance {
		t.Errorf("got %v after it was abandoned, want a new instance", third.Instance)
	}
}

func TestEachRunRestartOfACompletedExecutionIsRefused(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	r := eachRun("a.csv")
	r.Restart = ended(t, s, r, batch.Completed).ID
	if refusal := refused(t, s, r, batch.ErrComplete); !strings.Contains(refusal.Hint, "new instance") {
		t.Errorf("got hint %q", refusal.Hint)
	}
}
