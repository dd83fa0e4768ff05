package runner

import (
	"context"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// workClock moves when work is done, and stands still otherwise.
type workClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *workClock) work(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *workClock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// What each part of the work takes in these tests.
const (
	toRead    = time.Second
	toProcess = time.Minute
	toWrite   = time.Hour
	toCommit  = 1000 * time.Hour
	toTake    = 10 * time.Hour // for the target, rows that were left to the commit
)

type slowReader struct {
	batch.Reader
	clock *workClock
}

func (s slowReader) Read(ctx context.Context, into *record.Chunk) error {
	s.clock.work(toRead)
	return s.Reader.Read(ctx, into)
}

type slowProcessor struct {
	batch.Processor
	clock *workClock
}

func (s slowProcessor) Process(ctx context.Context, in record.Record, out *record.Batch) error {
	s.clock.work(toProcess)
	return s.Processor.Process(ctx, in, out)
}

type slowWriter struct {
	*tableWriter
	clock *workClock
}

func (s slowWriter) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	s.clock.work(toWrite)
	return s.tableWriter.Write(ctx, tx, rows)
}

// slowLateWriter leaves the end of its work to the commit.
type slowLateWriter struct {
	*lateWriter
	clock *workClock
}

func (s slowLateWriter) WriteLast(ctx context.Context, tx batch.Tx, rows []record.Record, ahead batch.Ahead, next func() batch.Ahead, ended func()) error {
	s.clock.work(toWrite)
	err := s.lateWriter.WriteLast(ctx, tx, rows, ahead, next, ended)
	t := tx.(*memoryTx)
	if late := t.late; late != nil {
		t.late = func() error {
			s.clock.work(toTake)
			defer s.clock.work(toCommit) // what else belongs to committing
			return late()
		}
	}
	return err
}

type slowLedger struct {
	*memoryLedger
	clock *workClock
}

func (s slowLedger) Commit(ctx context.Context, lane batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	s.clock.work(toCommit)
	return s.memoryLedger.Commit(ctx, lane, fn)
}

func slowTrial(w *world, clock *workClock) trial {
	return trial{
		chunk: 100, clock: clock.read,
		writer: func(w *world) batch.Writer { return slowWriter{&tableWriter{w}, clock} },
		processors: func(w *world) []batch.Processor {
			return []batch.Processor{slowProcessor{&odd{w: w}, clock}}
		},
		edit: func(s *Step) {
			build := s.Build
			s.Build = func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*Components, error) {
				c, err := build(ctx, step, at)
				c.Reader = slowReader{c.Reader, clock}
				return c, err
			}
			s.Claim = func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
				return slowLedger{&memoryLedger{w}, clock}, batch.StepKey{Job: "j", Step: "load"}, nil
			}
		},
	}
}

// One chunk is read, processed, written and committed without anything beside it, so that the clock moves for one part at
// a time.
func TestTimesOfAStepAreThoseOfItsParts(t *testing.T) {
	t.Parallel()
	w, clock := newWorld(9), &workClock{now: time.Unix(0, 0)}
	job, _, err := slowTrial(w, clock).run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	got := job.Steps[0].Times
	want := batch.Times{
		Read: 10 * toRead, Process: 9 * toProcess, Write: toWrite, Commit: 2 * toCommit, // rows, then that all is done
		Readers: 1, Workers: 1, Writers: 1,
	}
	if got.WriterWait == 0 || got.WriterWait > want.Read+want.Process {
		t.Errorf("the writer waited %v, want something up to %v", got.WriterWait, want.Read+want.Process)
	}
	got.WriterWait = 0
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if saved := w.steps[0].Times; saved.Commit != want.Commit {
		t.Errorf("the repository has %+v", saved)
	}
}

func TestEveryAttemptAtAChunkIsTimed(t *testing.T) {
	t.Parallel()
	w, clock := newWorld(9), &workClock{now: time.Unix(0, 0)}
	w.transient = 2
	tr := slowTrial(w, clock)
	edit := tr.edit
	tr.edit = func(s *Step) {
		edit(s)
		s.Tolerance.Retry = Retry{On: onTransient, Max: 3}
	}
	job, _, err := tr.run(t, w)
	if err != nil {
		t.Fatal(err)
	}
	if got := job.Steps[0].Times; got.Write != 3*toWrite || got.Commit != 4*toCommit {
		t.Errorf("three attempts at writing took %v, and committing %v; want %v and %v", got.Write, got.Commit, 3*toWrite, 4*toCommit)
	}
}

// What the target still does with the rows when the commit has begun is writing, in each attempt, and is not counted as
// committing as well.
func TestWritingThatIsLeftToTheCommitIsTimedAsWriting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ refused, attempts, chunks int }{
		"one chunk":                 {0, 1, 1},
		"a chunk, refused at first": {2, 3, 1},
		"several chunks":            {0, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newWorld(9), &workClock{now: time.Unix(0, 0)}
			w.transient = c.refused
			tr := slowTrial(w, clock)
			tr.chunk = 9 / c.chunks
			tr.processors = nil
			tr.writer = func(w *world) batch.Writer { return slowLateWriter{&lateWriter{tableWriter: tableWriter{w}}, clock} }
			slow := tr.edit
			tr.edit = func(s *Step) {
				slow(s)
				s.Tolerance.Retry = Retry{On: onTransient, Max: 3}
				build := s.Build
				s.Build = func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*Components, error) {
					c, err := build(ctx, step, at)
					c.Reader = c.Reader.(slowReader).Reader // it reads ahead, while the clock moves for others
					return c, err
				}
			}
			job, _, err := tr.run(t, w)
			if err != nil {
				t.Fatal(err)
			}
			attempts := time.Duration(c.attempts)
			wantWrite, wantCommit := attempts*(toWrite+toTake), attempts*2*toCommit+toCommit // and that all is done
			if got := job.Steps[0].Times; got.Write != wantWrite || got.Commit != wantCommit {
				t.Errorf("writing took %v and committing %v, want %v and %v", got.Write, got.Commit, wantWrite, wantCommit)
			}
			if len(w.rows) == 0 {
				t.Error("no row was written")
			}
		})
	}
}
