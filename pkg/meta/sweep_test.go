package meta

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

func TestSweepMarksOnlyTheDead(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		dead := start(t, s, launch(t, s, identified("2026-11-20")))
		completed := step(t, s, dead, "load", batch.Completed, 2)
		started := step(t, s, dead, "export", batch.Started, 5)
		alive := start(t, s, launch(t, s, identified("2026-11-21")))
		die(t, dead)

		marked, err := open(t).Sweep(t.Context())
		if err != nil || len(marked) != 1 || marked[0].Execution != dead.Execution.ID || marked[0].Owner.PID != ThisProcess().PID {
			t.Fatalf("marked %+v, %v; want execution %d", marked, err, dead.Execution.ID)
		}
		d, err := s.Execution(t.Context(), dead.Execution.ID)
		if err != nil {
			t.Fatal(err)
		}
		e := d.Execution
		if e.Status != batch.Failed || e.Exit.Code != "FAILED" || e.Ended.IsZero() || !strings.Contains(e.Exit.Description, ThisProcess().String()) ||
			!strings.Contains(e.Exit.Description, "last heard from at 2026-11-21 00:30:00 UTC") {
			t.Errorf("got %s, %+v, ended %v", e.Status, e.Exit, e.Ended)
		}
		for i, want := range []struct {
			id     int64
			status batch.Status
			commit int64
		}{{completed.ID, batch.Completed, 2}, {started.ID, batch.Failed, 5}} {
			if got := e.Steps[i]; got.ID != want.id || got.Status != want.status || got.Counters.Commit != want.commit || got.Ended.IsZero() {
				t.Errorf("step %d: got %+v, want %+v", i, got, want)
			}
		}
		if d, err := s.Execution(t.Context(), alive.Execution.ID); err != nil || d.Execution.Status != batch.Started {
			t.Errorf("the living execution: %v, %v", d, err)
		}
		if again, err := s.Sweep(t.Context()); err != nil || len(again) > 0 {
			t.Errorf("second sweep marked %v, %v", again, err)
		}
	})
}

func TestZombieCannotSave(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		zombie := step(t, s, l, "load", batch.Started, 1)
		die(t, l) // its lock is lost, it itself goes on
		again := launch(t, open(t), identified("2026-11-20"))
		zombie.Status = batch.Completed
		l.Execution.Status = batch.Completed
		saves := map[string]error{
			"SaveStep":  s.SaveStep(t.Context(), zombie),
			"SaveJob":   s.SaveJob(t.Context(), l.Execution),
			"StartStep": s.StartStep(t.Context(), &batch.StepExecution{JobID: l.Execution.ID, Name: "next"}),
		}
		for name, err := range saves {
			if !errors.Is(err, batch.ErrFenced) {
				t.Errorf("%s: got %v, want ErrFenced", name, err)
			}
		}
		if last, err := lastStep(t, s, again); err != nil || last.Status != batch.Failed {
			t.Errorf("the zombie's step: %+v, %v; want FAILED", last, err)
		}
	})
}

func TestLostLockFolderHidesOnlyTheLiving(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	helper, _ := startHelper(t, "work", path, "working")
	if err := os.RemoveAll(path + ".locks"); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	if marked, err := s.Sweep(t.Context()); err != nil || len(marked) > 0 {
		t.Errorf("marked %v, %v while the process lives", marked, err)
	}
	refused(t, s, identified("2026-11-20"), batch.ErrRunning)
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // it says that it was killed
	if marked, err := s.Sweep(t.Context()); err != nil || len(marked) != 1 {
		t.Errorf("marked %v, %v, want the execution of the dead process", marked, err)
	}
	launch(t, s, identified("2026-11-20"))
}

func TestOwnerInAnotherLockFolderIsNotJudged(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		die(t, start(t, s, launch(t, s, identified("2026-11-20"))))
		change(t, s, "update BATCHCTL_OWNER set LOCK_FOLDER_ID = 'another', LOCK_FOLDER = '/old/batchctl.db.locks'")
		if marked, err := s.Sweep(t.Context()); err != nil || len(marked) > 0 {
			t.Errorf("marked %v, %v; want nothing", marked, err)
		}
		refusal := refused(t, s, identified("2026-11-20"), batch.ErrRunning)
		switch {
		case s.leased() && (!strings.Contains(refusal.Message, "its lease lasts until") || !strings.Contains(refusal.Message, ThisProcess().String())):
			t.Errorf("got %q, want the owner and its lease", refusal.Message)
		case !s.leased() && (!strings.Contains(refusal.Hint, "/old/batchctl.db.locks") || !strings.Contains(refusal.Hint, s.locks.Folder())):
			t.Errorf("got hint %q, want both folders", refusal.Hint)
		}
		each := eachRun("a.csv")
		refused(t, s, each, batch.ErrRunning)
		if l, err := s.Launch(t.Context(), identified("2026-11-21")); err != nil {
			t.Errorf("another instance: %v", err)
		} else if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStopIsARequestOnly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		asked, err := s.StopRequested(t.Context(), l.Execution.ID)
		if asked || err != nil {
			t.Errorf("asked before: %v, %v", asked, err)
		}
		for range 2 {
			if err := open(t).RequestStop(t.Context(), l.Execution.ID); err != nil {
				t.Fatal(err)
			}
		}
		asked, err = s.StopRequested(t.Context(), l.Execution.ID)
		if !asked || err != nil {
			t.Errorf("asked afterwards: %v, %v", asked, err)
		}
		d, err := s.Execution(t.Context(), l.Execution.ID)
		if err != nil || d.Execution.Status != batch.Started || d.StopAsked.IsZero() {
			t.Errorf("got %+v, %v; want STARTED and asked", d, err)
		}
		end(t, s, l, batch.Stopped) // a save of the worker still goes through
		if err := s.RequestStop(t.Context(), l.Execution.ID); !errors.Is(err, ErrNotRunning) || fault.CodeOf(err) != "not_running" {
			t.Errorf("stop of a stopped one: %v, want ErrNotRunning", err)
		}
		if err := s.RequestStop(t.Context(), 99); !errors.Is(err, ErrNoExecution) {
			t.Errorf("stop of an unknown one: %v, want ErrNoExecution", err)
		}
	})
}

func TestAbandonTakesOnlyTheLastFailedOrStoppedExecution(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		first := ended(t, s, identified("2026-11-20"), batch.Failed)
		second := ended(t, s, identified("2026-11-20"), batch.Failed)
		running := start(t, s, launch(t, s, identified("2026-11-21")))
		completed := ended(t, s, identified("2026-11-22"), batch.Completed)
		for _, c := range []struct {
			execution int64
			want      error
		}{
			{first.ID, batch.ErrNotRestartable}, {running.Execution.ID, batch.ErrRunning}, {completed.ID, batch.ErrNotRestartable},
			{99, ErrNoExecution}, {second.ID, nil}, {second.ID, batch.ErrNotRestartable},
		} {
			if err := s.Abandon(t.Context(), c.execution); !errors.Is(err, c.want) {
				t.Errorf("abandon %d: got %v, want %v", c.execution, err, c.want)
			}
		}
	})
}
