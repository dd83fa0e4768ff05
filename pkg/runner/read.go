package runner

import (
	"context"
	"io"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// readAhead is how many chunks a step with one worker has: one commits, one waits, one is being read. Where goroutines
// process them there is one more for each. Where several lanes write, or shares of a partitioned step, there is one less: while
// no chunk waits for one of them, the others go on. Where their chunks are small they have one more each, which is sent to the
// target ahead of its turn.
const readAhead = 3

// smallChunk is up to how many records a chunk is small: waiting for the target once for each takes a share of the time that
// is worth the memory of another one.
const smallChunk = 2000

// work is a chunk that is read and processed, with the state that covers it.
type work struct {
	*room
	number  int64       // of the chunk in this run, from 0
	reader  batch.State // covers the chunk
	first   int64       // place in the input of the last record before the chunk
	ordinal int64       // place in the input of the last record read for the chunk, from 1
	skips   []skipped   // in reading and processing
	retries int64
	end     bool          // nothing comes after it
	err     error         // reading or processing failed; the chunk is not to be written
	ready   chan struct{} // closed when the chunk is processed; nil where it is already
}

// room is what a chunk takes. It is used for one after the other.
type room struct {
	chunk *record.Chunk
	out   output      // its rows as the writer gets them, once it is processed
	ahead batch.Ahead // those that were made ready; nil where the writer does not do that, or nobody before it
}

// await waits until the chunk is processed.
func (w *work) await() {
	if w.ready != nil {
		<-w.ready
	}
}

// processed reports whether the chunk is.
func (w *work) processed() bool {
	if w.ready == nil {
		return true
	}
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// empty reports whether the chunk has nothing to commit.
func (w *work) empty() bool { return w.chunk.In.Len() == 0 && len(w.skips) == 0 }

// source reads chunks in a goroutine of its own, ahead of the writer.
type source struct {
	reader    batch.Reader
	size      int
	number    int64 // of the next chunk
	ordinal   int64 // of the last record read
	done      spans // what is to be passed over
	passed    *record.Chunk
	marks     *marks      // nil where there is one lane
	state     batch.State // covers it
	tolerance Tolerance
	again     func(ctx context.Context, retry int, err error) error // says that something is tried again, when it is time to
	meter     *meter
	todo      chan *work // chunks to process; nil where there is nothing to do with them, or the lanes do it
	ready     chan *work // chunks in the order of the input
	free      chan *room
	processed bool // rows pass through processors
	early     bool // the next chunk may be taken before its turn
}

// newSource returns what reads for a step, and has all chunks that there will be.
func (s *stream) newSource(step *Step) *source {
	workers := max(1, step.Workers)
	processed := len(s.components.Processors) > 0
	aside := s.marks == nil && processed // by goroutines, in the order of the input
	encoder, ok := s.components.Writer.(batch.LastWriter)
	encoded := ok && s.inTx && (aside || !processed)
	small := encoded && step.Chunk <= smallChunk
	chunks := s.chunksOf(workers, aside, small)
	source := &source{
		reader: s.components.Reader, size: step.Chunk, ordinal: s.low.ordinal, state: s.low.state,
		done: s.low.done, passed: new(record.Chunk), marks: s.marks,
		tolerance: step.Tolerance, meter: s.meter,
		again: func(ctx context.Context, retry int, err error) error {
			s.runner.tellRetry(s.execution, step.Tolerance.Retry, retry, err)
			return s.runner.wait(ctx, s.execution.JobID, step.Tolerance.Retry.pause(retry, err))
		},
		ready: make(chan *work, chunks-2), free: make(chan *room, chunks), processed: processed,
		early: s.rate <= 0 && (small || encoded && s.marks == nil),
	}
	s.meter.staff(1, 1)
	switch {
	case s.marks != nil:
		source.ready = make(chan *work)
		s.meter.staff(workers, workers)
	case aside:
		source.todo = make(chan *work, chunks)
		s.meter.staff(workers, 1)
	}
	for range chunks {
		r := &room{chunk: record.NewChunk(step.Chunk)}
		if encoded {
			r.ahead = encoder.NewAhead()
		}
		source.free <- r
	}
	return source
}

// chunksOf returns how many chunks a step has in memory (readAhead). small says that they are, and sent ahead.
func (s *stream) chunksOf(workers int, aside, small bool) int {
	chunks := readAhead + workers - 1
	if aside {
		chunks++
	}
	if s.share == nil && s.marks == nil {
		return chunks
	}
	if small {
		return chunks - 1 + workers
	}
	return chunks - 1
}

// run fills chunks until the input ends, something fails or ctx is cancelled, then closes ready.
func (s *source) run(ctx context.Context) {
	defer close(s.ready)
	if s.todo != nil {
		defer close(s.todo)
	}
	for {
		r := s.room(ctx)
		if r == nil {
			return
		}
		w := s.next(ctx, r)
		end := w.end || w.err != nil // w belongs to others from here on
		if s.todo != nil && w.err == nil {
			w.ready = make(chan struct{})
			s.todo <- w // it has room for all chunks that there are
		}
		if !s.hand(ctx, w) || end {
			return
		}
	}
}

// room waits until a chunk may be filled and returns it, nil where ctx has ended.
func (s *source) room(ctx context.Context) *room {
	begin := s.meter.begin()
	defer func() { s.meter.add(&s.meter.readerWait, begin, 0) }()
	if s.marks != nil {
		s.marks.await(ctx, s.number)
	}
	select {
	case r := <-s.free:
		return r
	case <-ctx.Done():
		return nil
	}
}

// hand gives a chunk to those that write, and reports whether somebody took it.
func (s *source) hand(ctx context.Context, w *work) bool {
	begin := s.meter.begin()
	defer func() { s.meter.add(&s.meter.readerWait, begin, 0) }()
	select {
	case s.ready <- w:
		return true
	case <-ctx.Done():
		return false
	}
}

// next reads one chunk. A panic of a component becomes the chunk's error.
func (s *source) next(ctx context.Context, r *room) *work {
	w := &work{room: r, number: s.number, first: s.ordinal}
	s.number++
	w.err = guarded(func() (err error) {
		begin := s.meter.begin()
		err = s.fill(ctx, w)
		s.meter.add(&s.meter.read, begin, 0)
		if err != nil {
			return err
		}
		w.ordinal = s.ordinal
		if s.state, err = s.reader.State(); err != nil {
			return err
		}
		w.reader = s.state
		if !s.processed {
			s.collect(w)
		}
		return nil
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
		if err := s.again(ctx, retries+1, err); err != nil {
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
		into := w.chunk
		if s.done.hold(s.ordinal + 1) {
			into = s.passed
		}
		err := s.reader.Read(ctx, into)
		switch {
		case err == io.EOF: // not errors.Is: a lost connection may be an io.EOF deep down, and is no end of the input
			w.end = true
			return nil
		case into == s.passed && (err == nil || fault.ClassOf(err).Data()):
			s.ordinal++
			s.passed.Reset()
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

// process makes of a chunk the rows that are written.
func (s *source) process(ctx context.Context, through *chain, w *work) error {
	if !s.processed {
		return nil
	}
	if err := s.pass(ctx, through, w); err != nil {
		return err
	}
	s.collect(w)
	return nil
}

// pass hands the chunk's inputs to the processors, one by one. An error that may pass is tried again, one that may be
// skipped leaves its record out.
func (s *source) pass(ctx context.Context, through *chain, w *work) error {
	begin := s.meter.begin()
	defer func() { s.meter.add(&s.meter.process, begin, 0) }()
	if err := through.begin(w.chunk); err != nil {
		return err
	}
	for i := range w.chunk.In.Len() {
		for retries := 0; ; retries++ {
			err := through.one(ctx, w.chunk, i)
			if err == nil {
				break
			}
			if s.tolerance.Retry.allows(err, retries) {
				w.retries++
				if err := s.again(ctx, retries+1, err); err != nil {
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

// collect takes the rows of a chunk together, and makes them ready for the writer.
func (s *source) collect(w *work) {
	w.out.collect(w.chunk, s.processed)
	if w.ahead == nil {
		return
	}
	begin := s.meter.begin()
	w.ahead.Prepare(w.out.rows)
	s.meter.add(&s.meter.write, begin, 0)
}

// release gives the room of a chunk back after its commit. The caller must not use the chunk any more.
func (s *source) release(w *work) {
	w.chunk.Reset()
	s.free <- w.room
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
