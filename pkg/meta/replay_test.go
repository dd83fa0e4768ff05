package meta

import (
	"errors"
	"reflect"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// replayRequest asks for a replay of letters of an execution's instance, by their ordinals.
func replayRequest(of *batch.JobExecution, ordinals ...int64) Request {
	r := eachRun("in.csv")
	r.New = true
	r.Replay = &Replay{Source: of.Instance.ID, Step: "load"}
	for _, ordinal := range ordinals {
		r.Replay.Letters = append(r.Replay.Letters, LetterKey{Instance: of.Instance.ID, Step: "load", Ordinal: ordinal, Execution: of.ID})
	}
	return r
}

// fates are the ordinals of an instance's letters with what became of them in each replay.
func fates(t *testing.T, s *Store, instance int64) map[int64][]string {
	t.Helper()
	all, err := s.LetterReplays(t.Context(), instance)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int64][]string{}
	for _, r := range all {
		fate := string(r.Status)
		if r.Through {
			fate = "through by " + number(r.Execution)
		}
		found[r.Letter.Ordinal] = append(found[r.Letter.Ordinal], fate)
	}
	return found
}

func TestReplayKeepsItsLettersInTheirOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		run := ended(t, s, identified("1"), batch.Completed)
		request := replayRequest(run, 7, 3)
		for i := range int64(250) {
			request.Replay.Letters = append(request.Replay.Letters, LetterKey{run.Instance.ID, "load:east", int(i % 3), 100 + i, run.ID})
		}
		l := launch(t, s, request)
		kept, err := s.Replay(t.Context(), l.Execution.Instance.ID)
		if err != nil || !reflect.DeepEqual(kept, request.Replay) || kept.Instance != l.Execution.Instance.ID {
			t.Errorf("got %+v, %v, want %+v", kept, err, request.Replay)
		}
		if none, err := s.Replay(t.Context(), run.Instance.ID); none != nil || err != nil {
			t.Errorf("a run is the replay %+v, %v", none, err)
		}
		change(t, s, "update BATCHCTL_REPLAYED set ORDINAL = 4 where PLACE = 2")
		if _, err := s.Replay(t.Context(), l.Execution.Instance.ID); fault.CodeOf(err) != "checksum" {
			t.Errorf("a changed letter: got %v, want checksum", err)
		}
	})
}

func TestOneReplayAtATimeHasALetter(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		run := ended(t, s, identified("1"), batch.Completed)
		first := launch(t, s, replayRequest(run, 1, 2, 3))
		instances := count(t, s, "BATCH_JOB_INSTANCE")
		if _, err := s.Launch(t.Context(), replayRequest(run, 3, 4)); !errors.Is(err, batch.ErrRunning) {
			t.Errorf("while it runs: got %v, want running", err)
		}
		other := ended(t, s, replayRequest(run, 4), batch.Failed)
		if err := s.Abandon(t.Context(), other.ID); err != nil {
			t.Fatal(err)
		}
		end(t, s, first, batch.Failed)
		if _, err := s.Launch(t.Context(), replayRequest(run, 3)); !errors.Is(err, batch.ErrNotRestartable) || fault.HintOf(err) != "finish that first: batchctl restart "+number(first.Execution.ID) {
			t.Errorf("when it failed: got %v, hint %q", err, fault.HintOf(err))
		}
		if n := count(t, s, "BATCH_JOB_INSTANCE"); n != instances+1 {
			t.Errorf("refused replays left instances behind: %d, want %d", n, instances+1)
		}
		again := replayRequest(run, 1, 2, 3)
		again.New, again.Replay, again.Restart = false, nil, first.Execution.ID
		second := launch(t, s, again)
		if err := errors.Join(s.MarkReplayed(t.Context(), second.Execution.Instance.ID, second.Execution.ID, map[int64]bool{2: true}),
			s.MarkReplayed(t.Context(), second.Execution.Instance.ID, second.Execution.ID, map[int64]bool{2: true})); err != nil {
			t.Fatal(err)
		}
		end(t, s, second, batch.Completed)
		through := "through by " + number(second.Execution.ID)
		want := map[int64][]string{1: {through}, 2: {"COMPLETED"}, 3: {through}, 4: {"ABANDONED"}}
		if got := fates(t, s, run.Instance.ID); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := s.Launch(t.Context(), replayRequest(run, 2, 3)); !errors.Is(err, batch.ErrRunning) {
			t.Errorf("what went through: got %v, want a refusal", err)
		}
		once := replayRequest(run, 2, 3)
		once.Replay.Again = true
		ended(t, s, once, batch.Completed)
		if got := fates(t, s, run.Instance.ID)[2]; len(got) != 2 || other.ID == 0 {
			t.Errorf("a letter in two replays has the fates %v", got)
		}
	})
}

// A replay is an instance of its own: the next run of a job without identity neither continues nor minds it.
func TestReplayIsNoRunOfItsJob(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		run := ended(t, s, eachRun("in.csv"), batch.Failed)
		replayed := ended(t, s, replayRequest(run, 1), batch.Failed)
		next := launch(t, s, eachRun("in.csv"))
		if next.Previous == nil || next.Previous.ID != run.ID {
			t.Errorf("the next run continues %+v, want execution %d", next.Previous, run.ID)
		}
		end(t, s, next, batch.Completed)
		runs, err := s.Executions(t.Context(), Filter{Runs: true})
		if err != nil || len(runs) != 2 || runs[0].Execution.ID == replayed.ID {
			t.Errorf("got the runs %+v, %v", runs, err)
		}
	})
}

// What went through is known for as long as the letters or the replay are.
func TestPurgeOfAReplayKeepsWhatWentThrough(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		run := ended(t, s, eachRun("in.csv"), batch.Completed)
		l := launch(t, s, replayRequest(run, 1, 2))
		if err := s.MarkReplayed(t.Context(), l.Execution.Instance.ID, l.Execution.ID, map[int64]bool{2: true}); err != nil {
			t.Fatal(err)
		}
		end(t, s, l, batch.Completed)
		chosen, err := s.Purgeable(t.Context(), PurgeFilter{})
		if err != nil || len(chosen) != 2 {
			t.Fatalf("got %v, %v", chosen, err)
		}
		for _, p := range chosen {
			if p.Instance.ID != run.Instance.ID {
				if _, err := s.Purge(t.Context(), []Purgeable{p}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, want := fates(t, s, run.Instance.ID), map[int64][]string{1: {"through by " + number(l.Execution.ID)}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		purged(t, s, PurgeFilter{})
		if n := count(t, s, "BATCHCTL_REPLAYED") + count(t, s, "BATCHCTL_REPLAY"); n != 0 {
			t.Errorf("%d rows are left of what is purged", n)
		}
	})
}
