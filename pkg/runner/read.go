package runner

import (
	"context"
	"io"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// readAhead is how many chunks of a step exist: one commits, one waits, one is being read and processed.
const readAhead = 3

// work is a chunk that is read and processed, with the state that covers it.
type work struct {
	chunk   *record.Chunk
	state   batch.State
	ordinal int64     // place in the input of the last record read for the chunk, from 1
	skips   []skipped // in reading and processing
	retries int64
	end     bool  // nothing comes after it
	err     error // reading or processing failed; the chunk is not to be written
}

// empty reports whether the chunk has nothing to commit.
func (w *work) empty() bool { return w.chunk.In.Len() == 0 && len(w.skips) == 0 }

// source reads and processes chunks in a goroutine of its own, ahead of the writer.
type source struct {
	reader    batch.Reader
	kind      string // of the reader
	chain     *chain
	size      int
	ordinal   int64       // of the last record read
	state     batch.State // covers it
	tolerance Tolerance
	wait      func(ctx context.Context, pause time.Duration) error
	ready     chan work
	free      chan *record.Chunk
}

func (s *stream) newSource(step *Step) *source {
	source := &source{
		reader: s.components.Reader, kind: s.components.ReaderKind, chain: s.chain, size: step.Chunk, ordinal: s.at.Ordinal, state: s.from,
		tolerance: step.Tolerance,
		wait: func(ctx context.Context, pause time.Duration) error {
			return s.runner.wait(ctx, s.execution.JobID, pause)
		},
		ready: make(chan work, readAhead-2), free: make(chan *record.Chunk, readAhead),
	}
	for range readAhead {
		source.free <- new(record.Chunk)
	}
	return source
}

// run fills chunks until the input ends, something fails or ctx is cancelled, then closes ready.
func (s *source) run(ctx context.Context) {
	defer close(s.ready)
	for {
		var chunk *record.Chunk
		select {
		case chunk = <-s.free:
		case <-ctx.Done():
			return
		}
		w := s.next(ctx, chunk)
		select {
		case s.ready <- w:
		case <-ctx.Done():
			return
		}
		if w.end || w.err != nil {
			return
		}
	}
}

// next reads and processes one chunk. A panic of a component becomes the chunk's error.
func (s *source) next(ctx context.Context, chunk *record.Chunk) work {
	w := work{chunk: chunk}
	w.err = guarded(func() error {
		if err := s.fill(ctx, &w); err != nil {
			return err
		}
		if err := s.process(ctx, &w); err != nil {
			return err
		}
		var err error
		w.ordinal = s.ordinal
		if s.state, err = s.reader.State(); err == nil {
			w.state, err = ofKind(s.kind, s.state)
		}
		return err
	})
	return w
}

// fill reads until the chunk is full. Where reading fails in a way that may pass, the reader is opened again where the
// chunk began, and the chunk read anew.
func (s *source) fill(ctx context.Context, w *work) error {
	begin := s.ordinal
	err := s.read(ctx, w)
	for retries := 0; err != nil; retries++ {
		if !s.tolerance.Retry.allows(err, retries) {
			return err
		}
		if err := s.wait(ctx, s.tolerance.Retry.pause(retries+1)); err != nil {
			return err
		}
		w.chunk.Reset()
		w.skips, s.ordinal = nil, begin
		w.retries++
		if err = s.reader.Open(ctx, s.state); err == nil {
			err = s.read(ctx, w)
		}
	}
	return nil
}

// read adds records to the chunk: so many attempts as the chunk is large, so that chunks are cut by the place in the input
// alone, and are the same on every run. A bad record that may be left out uses up its place.
func (s *source) read(ctx context.Context, w *work) error {
	w.chunk.First = s.ordinal
	for range s.size {
		err := s.reader.Read(ctx, w.chunk)
		switch {
		case err == io.EOF: // not errors.Is: a lost connection may be an io.EOF deep down, and is no end of the input
			w.end = true
			return nil
		case err == nil:
			s.ordinal++
			w.chunk.Origins[len(w.chunk.Origins)-1].Ordinal = s.ordinal
		case fault.ClassOf(err).Data() && s.tolerance.Skip.allows(err):
			s.ordinal++
			w.skipRead(s.ordinal, err)
		default:
			return err
		}
	}
	return nil
}

// process hands the chunk's inputs to the processors, one by one. An error that may pass is tried again, one that may be
// skipped leaves its record out.
func (s *source) process(ctx context.Context, w *work) error {
	if err := s.chain.begin(w.chunk); err != nil {
		return err
	}
	for i := range w.chunk.In.Len() {
		for retries := 0; ; retries++ {
			err := s.chain.one(ctx, w.chunk, i)
			if err == nil {
				break
			}
			if s.tolerance.Retry.allows(err, retries) {
				w.retries++
				if err := s.wait(ctx, s.tolerance.Retry.pause(retries+1)); err != nil {
					return err
				}
				continue
			}
			err = located(err, s.reader, w.chunk, i)
			if !s.tolerance.Skip.allows(err) {
				return err
			}
			w.skipInput(batch.SkipInProcess, i, err)
			break
		}
	}
	return nil
}

// release gives a chunk back after its commit. The caller must not use it any more.
func (s *source) release(chunk *record.Chunk) {
	chunk.Reset()
	s.free <- chunk
}

// located says which record an error is about, where the error does not say so itself.
func located(err error, reader batch.Reader, chunk *record.Chunk, input int) error {
	if fault.PositionOf(err).File != "" || input >= len(chunk.Origins) {
		return err
	}
	origin := chunk.Origins[input]
	if locator, ok := reader.(batch.Locator); ok {
		return fault.Wrap(fault.ClassOf(err), err, "%s", locator.Locate(chunk.In.Row(input), origin))
	}
	if origin.Line == 0 {
		return fault.Wrap(fault.ClassOf(err), err, "record %d", origin.Ordinal)
	}
	return (&fault.Error{Class: fault.ClassOf(err), Err: err}).At(fault.Position{File: origin.Source, Line: int(origin.Line)})
}
