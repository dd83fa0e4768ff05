package runner

import (
	"context"
	"io"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// readAhead is how many chunks of a step exist: one commits, one waits, one is being read and processed.
const readAhead = 3

// work is a chunk that is read and processed, with the state that covers it.
type work struct {
	chunk    *record.Chunk
	state    batch.State
	counters batch.Counters
	ordinal  int64 // inputs read up to the chunk's end, read skips included
	end      bool  // nothing comes after it
	err      error // reading or processing failed; the chunk is not to be written
}

// source reads and processes chunks in a goroutine of its own, ahead of the writer.
type source struct {
	reader  batch.Reader
	kind    string
	chain   *chain
	size    int
	ordinal int64
	ready   chan work
	free    chan *record.Chunk
}

func newSource(c *Components, chain *chain, size int, ordinal int64) *source {
	s := &source{
		reader: c.Reader, kind: c.ReaderKind, chain: chain, size: size, ordinal: ordinal,
		ready: make(chan work, readAhead-2), free: make(chan *record.Chunk, readAhead),
	}
	for range readAhead {
		s.free <- new(record.Chunk)
	}
	return s
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
		chunk.First = s.ordinal
		err := s.fill(ctx, chunk)
		w.end = err == io.EOF // not errors.Is: a lost connection may be an io.EOF deep down, and is no end of the input
		if err != nil && !w.end {
			return err
		}
		if i, err := s.chain.run(ctx, chunk); err != nil {
			return located(err, s.reader, chunk, i)
		}
		w.ordinal = s.ordinal
		w.counters = s.chain.count(chunk)
		state, err := s.reader.State()
		if err == nil {
			w.state, err = ofKind(s.kind, state)
		}
		return err
	})
	return w
}

// fill reads records until the chunk is full. The chunk is cut only by its size and the end of the input, never by time,
// so that chunks are the same on every run.
func (s *source) fill(ctx context.Context, chunk *record.Chunk) error {
	for chunk.In.Len() < s.size {
		if err := s.reader.Read(ctx, chunk); err != nil {
			return err
		}
		s.ordinal++
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
	if fault.PositionOf(err).File != "" || input < 0 || input >= len(chunk.Origins) {
		return err
	}
	origin := chunk.Origins[input]
	if locator, ok := reader.(batch.Locator); ok {
		return fault.Wrap(fault.ClassOf(err), err, "%s", locator.Locate(chunk.In.Row(input), origin))
	}
	if origin.Line == 0 {
		return fault.Wrap(fault.ClassOf(err), err, "record %d", chunk.First+int64(input)+1)
	}
	return (&fault.Error{Class: fault.ClassOf(err), Err: err}).At(fault.Position{File: origin.Source, Line: int(origin.Line)})
}
