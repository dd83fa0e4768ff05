package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

func onData(err error) bool      { return fault.ClassOf(err).Data() }
func onTransient(err error) bool { return fault.ClassOf(err) == fault.Transient }
func onEither(err error) bool    { return onData(err) || onTransient(err) }

func set(numbers ...int) map[int]bool {
	m := map[int]bool{}
	for _, n := range numbers {
		m[n] = true
	}
	return m
}

// bad is a world with bad records of all sorts.
func bad(n int) *world {
	w := newWorld(n)
	w.badRead = set(2, 11)
	w.badProcess = set(5, 15)
	w.badRow = set(7, 9, 13, -17)
	return w
}

func tolerant(limit int64) func(*Step) {
	return func(s *Step) { s.Tolerance.Skip = Skip{On: onData, Limit: limit} }
}

func tolerantTrials() map[string]trial {
	return map[string]trial{
		"chunk of 4":       {chunk: 4, writer: table, processors: oddOnly, letters: true, edit: tolerant(100)},
		"chunk of 1":       {chunk: 1, writer: table, processors: oddOnly, letters: true, edit: tolerant(100)},
		"all in one chunk": {chunk: 100, writer: table, processors: oddOnly, letters: true, edit: tolerant(100)},
		"without letters":  {chunk: 4, writer: table, processors: oddOnly, edit: tolerant(100)},
		"late":             {chunk: 4, writer: late, processors: oddOnly, letters: true, edit: tolerant(100)},
		"late, no letters": {chunk: 4, writer: late, processors: oddOnly, edit: tolerant(100)},
	}
}

func TestBadRecordsAreLeftOutAndTheGoodOnesWritten(t *testing.T) {
	t.Parallel()
	for name, tr := range tolerantTrials() {
		for _, blames := range []bool{false, true} {
			w := bad(20)
			w.blames = blames
			job, _, err := tr.run(t, w)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if want := []int{1, -1, 3, -3, 19, -19}; !slices.Equal(w.rows, want) {
				t.Errorf("%s: got rows %v, want %v", name, w.rows, want)
			}
			total := job.Steps[0].Total
			total.Commit, total.Rollback = 0, 0
			// 11 cannot be read, and 17 is left out because one of the two rows made of it is refused.
			if want := (batch.Counters{Read: 18, Write: 3, Filter: 9, ReadSkip: 2, ProcessSkip: 2, WriteSkip: 4}); total != want {
				t.Errorf("%s: got %+v, want %+v", name, total, want)
			}
			if tr.letters && len(w.letters) != 8 {
				t.Errorf("%s: got letters %v, want 8", name, w.letters)
			}
		}
	}
}

func TestLettersSayWhatWasReadAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(6)
	w.badRead, w.badProcess, w.badRow = set(0), set(1), set(3)
	if _, _, err := (trial{chunk: 6, writer: table, processors: oddOnly, letters: true, edit: tolerant(3)}).run(t, w); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`1 read parse  numbers.txt not a number ? `,
		`2 process validation  numbers.txt rule failed  {"n":1}`,
		`4 write constraint 23505 numbers.txt duplicate key  {"n":3}`,
	}
	for i, letter := range w.letters {
		if i >= len(want) || fmt.Sprint(letter) != want[i] {
			t.Errorf("letter %d: got %q", i, letter)
		}
	}
	if len(w.letters) != len(want) {
		t.Errorf("got %d letters, want %d", len(w.letters), len(want))
	}
}

func TestCrashAtEveryPointWithBadRecordsEqualsUninterruptedRun(t *testing.T) {
	t.Parallel()
	for name, tr := range tolerantTrials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clean := bad(20)
			job, _, err := tr.run(t, clean)
			if err != nil {
				t.Fatal(err)
			}
			want := outcomeOf(clean, job)
			for at := range clean.operations {
				if got := crashAndRestart(t, tr, bad(20), at); got != want {
					t.Errorf("crash at operation %d of %d:\n got %s\nwant %s", at, clean.operations, got, want)
				}
			}
		})
	}
}

func TestOneSkipTooManyFailsTheStepAndKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.badRow = set(3, 9, 15)
	job, _, err := trial{chunk: 4, writer: table, letters: true, edit: tolerant(2)}.run(t, w)
	if !errors.Is(err, ErrSkipLimit) || job.Status != batch.Failed {
		t.Fatalf("got %v, %s, want ErrSkipLimit", err, job.Status)
	}
	if len(w.rows) != 10 || len(w.letters) != 2 {
		t.Errorf("got %d rows and %d letters, want the 10 and 2 of the three chunks before", len(w.rows), len(w.letters))
	}
	if _, _, err = (trial{chunk: 4, writer: table, letters: true, edit: tolerant(3)}).run(t, w); err != nil || len(w.rows) != 17 || len(w.letters) != 3 {
		t.Errorf("restart with a higher limit: %v, %d rows, %d letters", err, len(w.rows), len(w.letters))
	}
}

func TestLimitCountsSkipsOfTheInstanceOverRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.badRow = set(1, 15)
	w.failRead = 10
	tr := trial{chunk: 4, writer: table, edit: tolerant(1)}
	if _, _, err := tr.run(t, w); err == nil || errors.Is(err, ErrSkipLimit) {
		t.Fatalf("got %v, want the read error", err)
	}
	w.failRead = -1
	if _, _, err := tr.run(t, w); !errors.Is(err, ErrSkipLimit) {
		t.Errorf("got %v, want ErrSkipLimit: the first execution has used the limit up", err)
	}
}

func TestRatioCountsFromItsThresholdOn(t *testing.T) {
	t.Parallel()
	ratio := func(s *Step) { s.Tolerance.Skip = Skip{On: onData, Limit: -1, Ratio: 0.1, After: 12} }
	w := newWorld(20)
	w.badRow = set(0, 1)
	if _, _, err := (trial{chunk: 4, writer: table, edit: ratio}).run(t, w); !errors.Is(err, ErrSkipLimit) {
		t.Errorf("2 of 12: got %v, want ErrSkipLimit", err)
	}
	w = newWorld(20)
	w.badRow = set(0)
	if _, _, err := (trial{chunk: 4, writer: table, edit: ratio}).run(t, w); err != nil {
		t.Errorf("1 of 12 and of 20: got %v", err)
	}
}

func TestTransientErrorIsTriedAgainOutsideTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(8)
	w.transient = 2
	pauses := []time.Duration{}
	job, seen, err := trial{chunk: 4, writer: table, pauses: &pauses, edit: func(s *Step) {
		s.Tolerance.Retry = Retry{Max: 3, On: onTransient, Pause: func(n int) time.Duration { return time.Duration(n) * 700 * time.Millisecond }}
	}}.run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{700 * time.Millisecond, time.Second, 400 * time.Millisecond}; !slices.Equal(pauses, want) {
		t.Errorf("got pauses %v, want %v: one and two times 0.7 s, a second at a time", pauses, want)
	}
	if c := job.Steps[0].Counters; c.Retry != 2 || c.Rollback != 2 || len(w.rows) != 8 {
		t.Errorf("got %+v, %d rows", c, len(w.rows))
	}
	if told := retriesTold(seen); told != 2 {
		t.Errorf("the observer heard of %d retries, want 2", told)
	}
}

func TestRetryWaitsAsLongAsTheOtherSideAsks(t *testing.T) {
	t.Parallel()
	retry := Retry{Pause: func(n int) time.Duration { return time.Duration(n) * time.Second }}
	refused := fault.New(fault.Transient, "too many requests")
	for _, c := range []struct{ after, want time.Duration }{{0, 3 * time.Second}, {time.Second, 3 * time.Second}, {time.Minute, time.Minute}, {48 * time.Hour, time.Hour}} {
		err := fault.Wrap(fault.Transient, &batch.BusyError{After: c.after, Err: refused}, "POST http://host")
		if got := retry.pause(3, err); got != c.want {
			t.Errorf("asked for %s: got a pause of %s, want %s", c.after, got, c.want)
		}
	}
	if got := (Retry{}).pause(1, refused); got != 0 {
		t.Errorf("got %s", got)
	}
}

func retriesTold(seen *events) (told int) {
	for _, e := range seen.all {
		if _, ok := e.(batch.ChunkRetried); ok {
			told++
		}
	}
	return told
}

func TestRetriesRunOut(t *testing.T) {
	t.Parallel()
	w := newWorld(8)
	w.transient = 100
	retry := Retry{Max: 2, On: onTransient}
	job, _, err := trial{chunk: 4, writer: table, edit: func(s *Step) { s.Tolerance.Retry = retry }}.run(t, w)
	if err == nil || job.Steps[0].Counters.Rollback != 3 || len(w.rows) != 0 {
		t.Errorf("got %v, %+v, %d rows, want 3 attempts", err, job.Steps[0].Counters, len(w.rows))
	}
	w = newWorld(8)
	w.transient = 4 // three attempts, and one more write of the isolated chunk
	job, _, err = trial{chunk: 4, writer: table, edit: func(s *Step) {
		s.Tolerance = Tolerance{Retry: retry, Skip: Skip{On: onEither, Limit: 10}}
	}}.run(t, w)
	if err != nil || len(w.rows) != 8 || job.Steps[0].Total.WriteSkip != 0 {
		t.Errorf("skip on transient: %v, %d rows, %+v", err, len(w.rows), job.Steps[0].Total)
	}
}

func TestTransientErrorAtAnyOperationIsHealedExactly(t *testing.T) {
	t.Parallel()
	retry := func(s *Step) {
		s.Tolerance = Tolerance{Retry: Retry{Max: 2, On: onTransient}, Skip: Skip{On: onData, Limit: 100}}
	}
	for name, tr := range map[string]trial{
		"table":             {chunk: 3, writer: table, processors: oddOnly, letters: true, edit: retry},
		"late table":        {chunk: 3, writer: late, processors: oddOnly, letters: true, edit: retry},
		"file":              {chunk: 3, writer: file, processors: oddOnly, letters: true, edit: retry},
		"table, one record": {chunk: 1, writer: table, processors: oddOnly, edit: retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := func() *world {
				if name == "file" {
					w := newWorld(12)
					w.badRead, w.badProcess = set(2, 11), set(5)
					return w
				}
				return bad(20)
			}
			clean := world()
			job, _, err := tr.run(t, clean)
			if err != nil {
				t.Fatal(err)
			}
			want := outcomeOf(clean, job)
			failed := 0
			for at := range clean.operations {
				w := world()
				w.hiccup = at + 1
				job, seen, err := tr.run(t, w)
				if err == nil && retriesTold(seen) == 0 {
					t.Errorf("nobody heard that operation %d was tried again", at)
				}
				if err != nil {
					failed++
					w.reboot()
					job, _, err = tr.run(t, w)
				}
				if err != nil {
					t.Fatalf("operation %d: %v", at, err)
				}
				if got := outcomeOf(w, job); got != want {
					t.Errorf("transient error at operation %d of %d:\n got %s\nwant %s", at, clean.operations, got, want)
				}
			}
			t.Logf("%d operations, %d needed a restart", clean.operations, failed)
			around := 8 // those of the job repository around the step
			if name == "file" {
				around = 11 // and of publishing
			}
			if failed > around {
				t.Errorf("%d of %d operations needed a restart, want at most %d", failed, clean.operations, around)
			}
		})
	}
}

func TestNothingIsIsolatedThatMayNotBeSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(3)
	w.badRow = set(1)
	job, _, err := trial{chunk: 3, writer: table}.run(t, w)
	if err == nil || len(w.writes) != 1 || job.Steps[0].Counters.Rollback != 1 {
		t.Errorf("got %v, writes %v, %+v, want one attempt", err, w.writes, job.Steps[0].Counters)
	}
}

func TestIsolationDividesTheInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(8)
	w.badRow = set(5)
	if _, _, err := (trial{chunk: 8, writer: table, edit: tolerant(1)}).run(t, w); err != nil {
		t.Fatal(err)
	}
	if want := []int{8, 4, 2, 1, 1, 2}; !slices.Equal(w.writes, want) {
		t.Errorf("got writes %v, want %v", w.writes, want)
	}
	w = newWorld(8)
	w.badRow, w.blames = set(5), true
	if _, _, err := (trial{chunk: 8, writer: table, edit: tolerant(1)}).run(t, w); err != nil {
		t.Fatal(err)
	}
	if want := []int{8, 5, 1, 2}; !slices.Equal(w.writes, want) {
		t.Errorf("blamed: got writes %v, want %v", w.writes, want)
	}
}

func TestTimeoutStopsAtChunkBoundaryAndCanBeRestarted(t *testing.T) {
	t.Parallel()
	w := newWorld(200)
	job, _, err := trial{chunk: 3, writer: table, edit: func(s *Step) { s.Timeout = 50 * time.Millisecond }}.run(t, w)
	if !errors.Is(err, ErrTimedOut) || !errors.Is(err, batch.ErrStopped) || job.Status != batch.Stopped {
		t.Fatalf("got %v, %s, want ErrTimedOut and STOPPED", err, job.Status)
	}
	if len(w.rows) == 0 || len(w.rows) == 200 || len(w.rows)%3 != 0 {
		t.Errorf("got %d rows, want those of some chunks", len(w.rows))
	}
	if _, _, err := (trial{chunk: 3, writer: table}).run(t, w); err != nil || len(w.rows) != 200 {
		t.Errorf("restart: %v, %d rows", err, len(w.rows))
	}
}

func TestRateIsKeptByPausesBetweenChunks(t *testing.T) {
	t.Parallel()
	pauses := []time.Duration{}
	if _, _, err := (trial{chunk: 5, writer: table, pauses: &pauses, edit: func(s *Step) { s.Rate = 10 }}).run(t, newWorld(20)); err != nil {
		t.Fatal(err)
	}
	if len(pauses) == 0 {
		t.Error("ten records a second took no pause")
	}
}

func TestFailedCheckPublishesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(6)
	holds := false
	tr := trial{chunk: 3, writer: file, edit: func(s *Step) {
		s.Check = func(context.Context, *batch.StepExecution) error {
			if holds {
				return nil
			}
			return ErrCheckFailed
		}
	}}
	if job, _, err := tr.run(t, w); !errors.Is(err, ErrCheckFailed) || job.Status != batch.Failed || w.published != nil {
		t.Errorf("got %v, %s, published %v", err, job.Status, w.published)
	}
	holds = true
	if job, _, err := tr.run(t, w); err != nil || len(w.published) != 7 || job.Steps[0].Counters.Read != 0 {
		t.Errorf("restart: %v, published %v, %+v: want the check alone to be done again", err, w.published, job.Steps[0].Counters)
	}
}

func TestExitStatusIsTheSteps(t *testing.T) {
	t.Parallel()
	job, _, err := trial{chunk: 3, writer: table, edit: func(s *Step) {
		s.ExitStatus = func(step *batch.StepExecution) (string, error) { return fmt.Sprint("ROWS ", step.Total.Write), nil }
	}}.run(t, newWorld(4))
	if err != nil || job.Steps[0].Exit.Code != "ROWS 4" || job.Exit.Code != "ROWS 4" || job.Status != batch.Completed {
		t.Errorf("got %v, %+v, %+v, %s", err, job.Steps[0].Exit, job.Exit, job.Status)
	}
}

// Lanes and shares are asked side by side: one that is about to commit counts for the others.
func TestSkipLimitCountsWhatOthersAreAboutToCommit(t *testing.T) {
	t.Parallel()
	five := batch.Counters{Read: 5, ProcessSkip: 5}
	for _, c := range []struct {
		limit   int64
		refused bool
	}{{9, true}, {10, false}} {
		limit := Skip{Limit: c.limit}
		lanes := newTally(&batch.StepExecution{Name: "load"}, newGroup(), make([]batch.Checkpoint, 2))
		if err := lanes.allow(0, five, limit, nil); err != nil {
			t.Fatalf("limit %d: %v", c.limit, err)
		}
		if err := lanes.allow(1, five, limit, nil); errors.Is(err, ErrSkipLimit) != c.refused {
			t.Errorf("limit %d: the second lane: %v", c.limit, err)
		}
		lanes.committed(0, five)
		if err := lanes.allow(1, five, limit, nil); (err != nil) != c.refused || errors.Is(err, ErrSkipLimit) || c.refused && !errors.Is(err, batch.ErrStopped) {
			t.Errorf("limit %d: another lane, behind the one that said so: %v", c.limit, err)
		}
		shares := newGroup()
		for i, refused := range []bool{false, c.refused} {
			share := newTally(&batch.StepExecution{Name: fmt.Sprint("load:partition", i)}, shares, make([]batch.Checkpoint, 1))
			if err := share.allow(0, five, limit, nil); errors.Is(err, ErrSkipLimit) != refused {
				t.Errorf("limit %d: share %d: %v", c.limit, i, err)
			}
		}
	}
}

func TestDivisionAndCheckOfAPartitionedStepAreTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(8)
	divisions, checks := 0, 0
	lost := fault.New(fault.Transient, "connection lost")
	job, _, err := trial{chunk: 4, writer: table, edit: func(s *Step) {
		share := *s
		s.Claim, s.Build = nil, nil
		s.Tolerance.Retry = Retry{Max: 1, On: onTransient}
		s.Partition = &Partition{
			Shares: func(context.Context, *batch.StepExecution, []Share) ([]Share, error) {
				if divisions++; divisions == 1 {
					return nil, lost
				}
				return []Share{{Name: "partition0", Count: 1}}, nil
			},
			Worker: func(Share) *Step { worker := share; return &worker },
		}
		s.Check = func(context.Context, *batch.StepExecution) error {
			if checks++; checks == 1 {
				return lost
			}
			return nil
		}
	}}.run(t, w)
	if err != nil || job.Status != batch.Completed || len(w.rows) != 8 {
		t.Errorf("got %v, %s, %d rows", err, job.Status, len(w.rows))
	}
}
