package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

func trials() map[string]trial {
	return map[string]trial{
		"table":                      {chunk: 3, writer: table},
		"table, processors":          {chunk: 3, writer: table, processors: oddOnly},
		"table, chunk of one":        {chunk: 1, writer: table},
		"table, all in one chunk":    {chunk: 100, writer: table},
		"late table":                 {chunk: 3, writer: late},
		"late table, processors":     {chunk: 3, writer: late, processors: oddOnly},
		"late table, workers":        {chunk: 3, writer: late, processors: oddOnly, edit: func(s *Step) { s.Workers = 3 }},
		"file":                       {chunk: 3, writer: file},
		"file, processors":           {chunk: 3, writer: file, processors: oddOnly},
		"file, rare checkpoints":     {chunk: 3, writer: file, every: 12 * time.Millisecond},
		"file, checkpoint at end":    {chunk: 3, writer: file, every: time.Hour},
		"table, end on chunk border": {chunk: 5, writer: table},
	}
}

func TestCrashAtEveryPointThenRestartEqualsUninterruptedRun(t *testing.T) {
	t.Parallel()
	for name, tr := range trials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clean := newWorld(20)
			job, _, err := tr.run(t, clean)
			if err != nil {
				t.Fatal(err)
			}
			want := outcomeOf(clean, job)
			for at := range clean.operations {
				if got := crashAndRestart(t, tr, newWorld(20), at); got != want {
					t.Errorf("crash at operation %d of %d:\n got %s\nwant %s", at, clean.operations, got, want)
				}
			}
		})
	}
}

// The chunk that goes to the target with the commit of the one before is the one that is written next, whatever becomes of either;
// one that may be written in another way, or must not come yet, does not go.
func TestNextChunkGoesWithTheCommitOfTheOneBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		processors func(*world) []batch.Processor
		trouble    func(w *world)
		rate       float64
		goes       bool
	}{
		"chunks":                        {goes: true},
		"processed chunks":              {processors: oddOnly, goes: true},
		"with rows that are refused":    {trouble: func(w *world) { w.badRow = set(3, 17, 18, 26) }, goes: true},
		"with a target that fails":      {trouble: func(w *world) { w.transient = 5 }, goes: true},
		"at a rate":                     {rate: 1e6},
		"with records that are skipped": {trouble: func(w *world) { w.badRead = set(0, 3, 6, 9, 12, 15, 18, 21, 24, 27) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(30)
			if c.trouble != nil {
				c.trouble(w)
			}
			var writer *lateWriter
			tr := trial{chunk: 3, processors: c.processors}
			tr.writer = func(w *world) batch.Writer {
				writer = &lateWriter{tableWriter: tableWriter{w}, pause: 2 * time.Millisecond}
				return writer
			}
			tr.edit = func(s *Step) {
				s.Rate = c.rate
				s.Tolerance = Tolerance{Skip: Skip{On: onData, Limit: 20}, Retry: Retry{On: onTransient, Max: 9}}
			}
			if _, _, err := tr.run(t, w); err != nil {
				t.Fatal(err)
			}
			if got := writer.early > 0; got != c.goes {
				t.Errorf("%d chunks went ahead", writer.early)
			}
			plain := newWorld(30)
			if c.trouble != nil {
				c.trouble(plain)
			}
			tr.writer = table
			if _, _, err := tr.run(t, plain); err != nil || !slices.Equal(w.rows, plain.rows) {
				t.Errorf("got %v, want %v (%v)", w.rows, plain.rows, err)
			}
		})
	}
}

func crashAndRestart(t *testing.T, tr trial, w *world, at int) string {
	t.Helper()
	w.fuse = at
	if _, _, err := tr.run(t, w); !errors.Is(err, errCrash) && err != nil {
		t.Errorf("crash at operation %d: got error %v", at, err)
	}
	w.reboot()
	job, _, err := tr.run(t, w)
	if err != nil {
		t.Fatalf("restart after a crash at operation %d: %v", at, err)
	}
	return outcomeOf(w, job)
}

// A harness that cannot see lost or doubled records proves nothing: with the checkpoint saved apart from the rows it must.
func TestControlsFindLostAndDoubledRecords(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"before", "after"} {
		tr := trial{chunk: 3, writer: table}
		clean := newWorld(20)
		if _, _, err := tr.run(t, clean); err != nil {
			t.Fatal(err)
		}
		lost, doubled := 0, 0
		for at := range clean.operations + 10 {
			w := newWorld(20)
			w.reordered = order
			crashAndRestart(t, tr, w, at)
			lost += max(0, 20-len(w.rows))
			doubled += max(0, len(w.rows)-20)
		}
		if order == "before" && lost == 0 || order == "after" && doubled == 0 {
			t.Errorf("checkpoint %s the rows: %d lost, %d doubled; the harness sees nothing", order, lost, doubled)
		}
	}
}

func TestCountersAccountForEveryRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	job, _, err := trial{chunk: 3, writer: table, processors: oddOnly}.run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	want := batch.Counters{Read: 20, Write: 10, Filter: 10, Commit: 7}
	if got := job.Steps[0].Total; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := job.Steps[0].Counters; got != want {
		t.Errorf("of this attempt: got %+v, want %+v", got, want)
	}
	if len(w.rows) != 20 {
		t.Errorf("got %d rows, want 20: two for each odd number", len(w.rows))
	}
}

func TestReadErrorFailsStepAfterCommittingChunksBeforeIt(t *testing.T) {
	t.Parallel()
	for name, writer := range map[string]func(*world) batch.Writer{"table": table, "file": file} {
		w := newWorld(20)
		w.failRead = 10
		tr := trial{chunk: 3, writer: writer, every: time.Hour}
		job, _, err := tr.run(t, w)
		var step *StepError
		if !errors.As(err, &step) || step.Step != "load" {
			t.Fatalf("%s: got %v, want a StepError", name, err)
		}
		if job.Status != batch.Failed || job.Steps[0].Status != batch.Failed {
			t.Errorf("%s: got %s/%s, want FAILED", name, job.Status, job.Steps[0].Status)
		}
		if got := job.Steps[0].Counters; got.Read != 9 || got.Rollback != 1 {
			t.Errorf("%s: got %+v, want 9 read and one rollback", name, got)
		}
		if !strings.Contains(job.Exit.Description, "bad sector") {
			t.Errorf("%s: exit description %q does not say why", name, job.Exit.Description)
		}
		w.failRead = -1
		job, _, err = tr.run(t, w)
		if err != nil {
			t.Fatal(err)
		}
		if got := job.Steps[0]; got.Counters.Read != 11 || got.Total.Read != 20 {
			t.Errorf("%s: restart counted %d read, %d in total, want 11 and 20", name, got.Counters.Read, got.Total.Read)
		}
	}
}

func TestProcessErrorNamesItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.failProcess = 13
	_, _, err := trial{chunk: 5, writer: table, processors: oddOnly}.run(t, w)
	if err == nil || !strings.Contains(err.Error(), "numbers.txt:14: bad number") {
		t.Errorf("got %v, want the position numbers.txt:14", err)
	}
	if len(w.rows) == 0 || len(w.rows) > 20 {
		t.Errorf("got %d rows, want those of the chunks before", len(w.rows))
	}
}

// stopAfter asks for a stop at the first progress report, which is behind a committed chunk.
type stopAfter struct {
	batch.Writer
	stop  chan struct{}
	calls int
}

func (s *stopAfter) Flush(ctx context.Context, tx batch.Tx) error {
	if s.calls++; s.calls == 2 {
		close(s.stop)
	}
	return s.Writer.Flush(ctx, tx)
}

func (s *stopAfter) Connection() string { return "db" }

func TestStopIsHonouredAtChunkBoundary(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	stop := make(chan struct{})
	tr := trial{chunk: 3, stop: stop, writer: func(w *world) batch.Writer { return &stopAfter{Writer: table(w), stop: stop} }}
	job, _, err := tr.run(t, w)
	if !errors.Is(err, batch.ErrStopped) {
		t.Fatalf("got %v, want ErrStopped", err)
	}
	if job.Status != batch.Stopped || job.Steps[0].Status != batch.Stopped || job.Steps[0].Counters.Rollback != 0 {
		t.Errorf("got %s/%s, %+v, want STOPPED without a rollback", job.Status, job.Steps[0].Status, job.Steps[0].Counters)
	}
	if len(w.rows) != 6 {
		t.Errorf("got %d rows, want the 6 of the two chunks until the stop", len(w.rows))
	}
	job, seen, err := trial{chunk: 3, writer: table}.run(t, w)
	if err != nil || job.Status != batch.Completed || len(w.rows) != 20 {
		t.Errorf("restart: %v, %s, %d rows", err, job.Status, len(w.rows))
	}
	if started, ok := seen.all[1].(batch.StepStarted); !ok || !started.Resumed {
		t.Errorf("got %T, want a StepStarted that says it goes on", seen.all[1])
	}
}

func TestStopRequestOfAnotherProcessIsHonouredAtChunkBoundary(t *testing.T) {
	t.Parallel()
	w := newWorld(2000)
	w.stopAfter = 2
	job, _, err := trial{chunk: 3, writer: table}.run(t, w)
	if !errors.Is(err, batch.ErrStopped) || job.Status != batch.Stopped {
		t.Fatalf("got %v, %s, want STOPPED", err, job.Status)
	}
	if len(w.rows) == 0 || len(w.rows) == 2000 || len(w.rows)%3 != 0 {
		t.Errorf("got %d rows, want those of some chunks", len(w.rows))
	}
	w.stopAfter = 0
	if _, _, err := (trial{chunk: 3, writer: table}).run(t, w); err != nil || len(w.rows) != 2000 {
		t.Errorf("restart: %v, %d rows", err, len(w.rows))
	}
}

func TestCompletedStepIsNotRunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	tr := trial{chunk: 3, writer: table}
	if _, _, err := tr.run(t, w); err != nil {
		t.Fatal(err)
	}
	job, seen, err := tr.run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.rows) != 20 || len(w.steps) != 1 || job.Steps[0].Total.Read != 20 {
		t.Errorf("got %d rows, %d step executions, %d read", len(w.rows), len(w.steps), job.Steps[0].Total.Read)
	}
	if _, ok := seen.all[1].(batch.StepRepeated); !ok {
		t.Errorf("got %T, want StepRepeated", seen.all[1])
	}
}

func TestCompletedStepThatLedgerDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	tr := trial{chunk: 3, writer: table}
	if _, _, err := tr.run(t, w); err != nil {
		t.Fatal(err)
	}
	w.checkpoint = batch.Checkpoint{}
	if _, _, err := tr.run(t, w); !errors.Is(err, batch.ErrNotRestartable) {
		t.Errorf("got %v, want ErrNotRestartable", err)
	}
}

func TestAllowRerunRunsCompletedStepOnNewVisit(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	visits := []int{}
	tr := trial{chunk: 3, writer: table, edit: func(s *Step) {
		s.AllowRerun = true
		claim := s.Claim
		s.Claim = func(ctx context.Context, step *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
			visits = append(visits, step.Visit)
			w.checkpoint = batch.Checkpoint{}
			return claim(ctx, step)
		}
	}}
	for range 2 {
		if _, _, err := tr.run(t, w); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.rows) != 40 || len(visits) != 2 || visits[1] != 1 {
		t.Errorf("got %d rows, visits %v, want 40 and a second visit", len(w.rows), visits)
	}
}

func TestStartLimitRefusesOneStartTooMany(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.failRead = 0
	tr := trial{chunk: 3, writer: table, edit: func(s *Step) { s.StartLimit = 2 }}
	for range 2 {
		if _, _, err := tr.run(t, w); err == nil || strings.Contains(err.Error(), "start_limit") {
			t.Fatalf("got %v, want the read error", err)
		}
	}
	if _, _, err := tr.run(t, w); err == nil || !strings.Contains(err.Error(), "start_limit is 2") {
		t.Errorf("got %v, want start_limit", err)
	}
}

func TestFailOnEmptyFailsStepThatReadNothing(t *testing.T) {
	t.Parallel()
	tr := trial{chunk: 3, writer: table, edit: func(s *Step) { s.FailOnEmpty = true }}
	if _, _, err := tr.run(t, newWorld(0)); !errors.Is(err, ErrNothingRead) {
		t.Errorf("got %v, want ErrNothingRead", err)
	}
	if _, _, err := tr.run(t, newWorld(1)); err != nil {
		t.Errorf("one record: got %v", err)
	}
}

type panicking struct{ batch.Writer }

func (panicking) Write(context.Context, batch.Tx, []record.Record) error { panic("index out of range") }

func TestPanicOfComponentFailsStep(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	job, _, err := trial{chunk: 3, writer: func(w *world) batch.Writer { return panicking{file(w)} }}.run(t, w)
	if err == nil || !strings.Contains(err.Error(), "index out of range") || job.Status != batch.Failed {
		t.Errorf("got %v, %s, want FAILED with the panic's message", err, job.Status)
	}
}

func TestLostPartialFileBeginsAgainFromNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.failRead = 10
	tr := trial{chunk: 3, writer: file}
	if _, _, err := tr.run(t, w); err == nil {
		t.Fatal("want the read error")
	}
	w.failRead = -1
	w.partial = nil
	job, seen, err := tr.run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.published) != 21 || job.Steps[0].Total.Read != 20 || job.Steps[0].Counters.Read != 20 {
		t.Errorf("got %d rows, %+v", len(w.published), job.Steps[0])
	}
	said := false
	for _, e := range seen.all {
		_, ok := e.(batch.Notice)
		said = said || ok
	}
	if !said {
		t.Error("nobody was told that the step began again")
	}
}

func TestCancelledContextLeavesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &Runner{Repository: &memoryRepository{w}, Observer: &events{}, Now: func() time.Time { return time.Unix(0, 0) }}
	execution := &batch.JobExecution{ID: 1, Status: batch.Starting}
	cause := errors.New("second signal")
	step := Step{Name: "load", Chunk: 3,
		Claim: func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
			return &memoryLedger{w}, batch.StepKey{}, nil
		},
		Build: func(context.Context, *batch.StepExecution, batch.Checkpoint) (*Components, error) {
			cancel(errors.Join(batch.ErrStopped, cause))
			return &Components{Reader: &memoryReader{w: w}, Writer: table(w)}, nil
		}}
	err := r.Run(ctx, &Job{Flow: Sequence(step)}, execution)
	if !errors.Is(err, cause) || execution.Status != batch.Stopped {
		t.Errorf("got %v, %s, want the cause and STOPPED", err, execution.Status)
	}
	if w.execution.Status != batch.Stopped {
		t.Errorf("recorded %s, want STOPPED", w.execution.Status)
	}
}
