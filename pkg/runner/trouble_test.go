package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// breaking is a reader whose connection breaks after some records.
type breaking struct {
	*memoryReader
	after int
	err   error
}

func (b *breaking) Read(ctx context.Context, into *record.Chunk) error {
	if b.at == b.after {
		return b.err
	}
	return b.memoryReader.Read(ctx, into)
}

// Only io.EOF itself is the end of the input. Drivers wrap it when a server hangs up.
func TestErrorThatWrapsEOFIsNoEndOfTheInput(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	lost := fmt.Errorf("lost the connection: %w", io.EOF)
	tr := trial{chunk: 3, writer: file, edit: func(s *Step) {
		build := s.Build
		s.Build = func(ctx context.Context, e *batch.StepExecution, at batch.Checkpoint) (*Components, error) {
			c, err := build(ctx, e, at)
			c.Reader = &breaking{c.Reader.(*memoryReader), 10, lost}
			return c, err
		}
	}}
	job, _, err := tr.run(t, w)
	if !errors.Is(err, lost) || job.Status != batch.Failed || w.published != nil {
		t.Errorf("got %v, %s, published %v, want FAILED and nothing published", err, job.Status, w.published)
	}
}

func TestFailureAfterBeginningAgainCountsNothingNegative(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.failRead = 10
	tr := trial{chunk: 3, writer: file}
	if _, _, err := tr.run(t, w); err == nil {
		t.Fatal("want the read error")
	}
	w.partial, w.failRead = nil, 0
	job, _, err := tr.run(t, w)
	if err == nil {
		t.Fatal("want the read error")
	}
	if got, want := job.Steps[0].Counters, (batch.Counters{Rollback: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// refusing is a reader whose input is not what it was.
type refusing struct{ *memoryReader }

func (r *refusing) Open(_ context.Context, from batch.State) error {
	if from != nil {
		return errors.New("the input was changed")
	}
	return r.memoryReader.Open(context.Background(), nil)
}

func TestAttemptThatCouldNotGoOnCountsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(20)
	w.failRead = 10
	tr := trial{chunk: 3, writer: file, edit: func(s *Step) {
		build := s.Build
		s.Build = func(ctx context.Context, e *batch.StepExecution, at batch.Checkpoint) (*Components, error) {
			c, err := build(ctx, e, at)
			c.Reader = &refusing{c.Reader.(*memoryReader)}
			return c, err
		}
	}}
	if _, _, err := tr.run(t, w); err == nil {
		t.Fatal("want the read error")
	}
	job, _, err := tr.run(t, w)
	if err == nil || job.Steps[0].Counters != (batch.Counters{}) || job.Steps[0].Total.Read == 0 {
		t.Errorf("got %v, this attempt %+v, all %+v, want nothing counted in this attempt", err, job.Steps[0].Counters, job.Steps[0].Total)
	}
}

// What was written since the last checkpoint will be written again: a failed step must not claim it.
func TestFailedStepCountsOnlyWhatItsCheckpointCovers(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	w := newWorld(20)
	tr := trial{chunk: 3, every: time.Hour, writer: func(w *world) batch.Writer { return &filling{Writer: file(w), chunks: 2, err: full} }}
	job, _, err := tr.run(t, w)
	if !errors.Is(err, full) {
		t.Fatalf("got %v, want %v", err, full)
	}
	if got := job.Steps[0].Total; got.Read != w.checkpoint.Counters.Read {
		t.Errorf("the step says that %d records were read, its checkpoint %d", got.Read, w.checkpoint.Counters.Read)
	}
}

// filling is a writer whose disk is full after some chunks.
type filling struct {
	batch.Writer
	chunks int
	err    error
}

func (f *filling) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if f.chunks == 0 {
		return f.err
	}
	f.chunks--
	return f.Writer.Write(ctx, tx, rows)
}

func TestBareCancellationTakesTheReasonOfWhoCancelled(t *testing.T) {
	t.Parallel()
	stop := fmt.Errorf("second signal: %w", batch.ErrStopped)
	ctx, cancel := context.WithCancelCause(context.Background())
	other := errors.New("disk full")
	if err := cancelled(ctx, context.Canceled); err != context.Canceled {
		t.Errorf("nobody cancelled: got %v", err)
	}
	cancel(stop)
	for name, c := range map[string]struct{ err, want error }{
		"bare":    {fmt.Errorf("open: %w", context.Canceled), stop},
		"nothing": {nil, nil},
		"other":   {other, other},
	} {
		if got := cancelled(ctx, c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if got := outcome(cancelled(ctx, context.Canceled)); got != batch.Stopped {
		t.Errorf("got %s, want STOPPED", got)
	}
}
