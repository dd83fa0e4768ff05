package runner

import (
	"context"
	"errors"
	"slices"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// write brings a chunk to its target. Where an attempt fails it is undone, and the chunk tried again from memory if the
// error may pass; if its records may be skipped, they are isolated: in one more attempt the bad ones are found and left
// out. So nothing is ever half done, and a kill at any moment repeats the whole chunk.
func (s *stream) write(ctx context.Context, w *work) error {
	if w.empty() {
		return nil
	}
	s.out = w.out
	a := attempt{stream: s, work: w}
	for {
		err := a.try(ctx)
		if err == nil {
			break
		}
		done, err := a.after(ctx, err)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	s.unsaid = append(s.unsaid, s.skipEvents(w, a.left)...)
	if s.inTx {
		s.tellSkips()
	} else {
		if !s.due() {
			return nil
		}
		if err := s.commitWritten(ctx); err != nil {
			return err
		}
	}
	return s.show(ctx)
}

// attempt is a chunk on its way to the target, over all attempts at it.
type attempt struct {
	*stream
	work      *work
	isolating bool
	excluded  map[int]error    // inputs that are left out in writing, and why
	known     bool             // all inputs together were tried, and fail
	suspect   int              // the input that was then blamed, -1: none
	retries   int              // so far
	left      []skipped        // out of the chunk, in the last attempt
	next      batch.Checkpoint // what the current attempt saves
}

// try writes the chunk once, and commits it where rows and checkpoint share a transaction.
func (a *attempt) try(ctx context.Context) error {
	a.next = a.stream.next
	a.next.Phase = batch.Running
	var err error
	if a.next.Ordinal, a.next.Reader, err = a.covering(a.work); err != nil {
		return err
	}
	if a.inTx {
		return a.tryInTx(ctx)
	}
	if err := a.put(ctx, nil); err != nil {
		return err
	}
	if a.next.Writer, err = a.state(); err != nil {
		return err
	}
	a.stream.next = a.next
	a.tally.written(a.lane.Lane, a.next.Counters)
	return nil
}

// tryInTx writes and commits the chunk in one transaction. What the writer has left to the commit fails there.
func (a *attempt) tryInTx(ctx context.Context) error {
	put := false
	err := a.commit(ctx, &a.next, func(ctx context.Context, tx batch.Tx) error {
		err := a.put(ctx, tx)
		put = err == nil
		return err
	})
	if put {
		return a.blamedIn(err)
	}
	return err
}

// covering returns the place in the input, and the state of the reader, that a checkpoint with this chunk covers.
func (s *stream) covering(w *work) (ordinal int64, reader batch.State, err error) {
	if s.marks != nil {
		return s.marks.covering(s.lane.Lane, w)
	}
	reader, err = keptState{Kind: s.components.ReaderKind, State: w.reader, Done: s.own.above(w.ordinal)}.text()
	return w.ordinal, reader, err
}

// put writes what survives of the chunk, then the letters of what does not.
func (a *attempt) put(ctx context.Context, tx batch.Tx) error {
	begin := a.meter.begin()
	err := a.putRows(ctx, tx)
	a.wrote += a.meter.add(&a.meter.write, begin, 0)
	return err
}

func (a *attempt) putRows(ctx context.Context, tx batch.Tx) error {
	if a.isolating {
		if err := a.isolate(ctx, tx); err != nil {
			return err
		}
	} else if err := a.writeAll(ctx, tx); err != nil {
		return err
	}
	skips := a.skips()
	counters := a.stream.next.Counters.Add(a.count(skips))
	if err := counters.Check(); err != nil {
		return fault.Wrap(fault.Internal, err, "chunk that ends at record %d", a.work.ordinal)
	}
	if err := a.tally.allow(a.lane.Lane, counters, a.tolerance.Skip, skips); err != nil {
		return err
	}
	a.next.Counters, a.left = counters, skips
	return a.writeLetters(ctx, tx, a.work, skips)
}

// writeRows writes rows to a writer. Where the writer blames one of them, the error says which record it came from.
func (a *attempt) writeRows(ctx context.Context, tx batch.Tx, writer batch.Writer, o *output) error {
	if len(o.rows) == 0 {
		return nil
	}
	err := writer.Write(ctx, tx, o.rows)
	if input := o.blamed(err, 0); input >= 0 {
		return located(err, a.components.Reader, a.work.chunk, input)
	}
	return err
}

// writeAll writes all rows of the chunk.
func (a *attempt) writeAll(ctx context.Context, tx batch.Tx) error {
	last, ok := a.components.Writer.(batch.LastWriter)
	if !ok || len(a.out.rows) == 0 || tx == nil || a.components.Letters != nil && len(a.skips()) > 0 {
		return a.writeRows(ctx, tx, a.components.Writer, &a.out)
	}
	var left time.Time
	err := last.WriteLast(ctx, tx, a.out.rows, a.work.ahead, a.nextAhead, func() {
		if !left.IsZero() { // what the target does meanwhile is writing
			a.wrote += a.meter.add(&a.meter.write, left, 0)
		}
	})
	left = a.meter.begin()
	return a.blamedIn(err)
}

// blamedIn says which record an error is about where it is of a row of the chunk.
func (a *attempt) blamedIn(err error) error {
	if input := a.out.blamed(err, 0); input >= 0 {
		return located(err, a.components.Reader, a.work.chunk, input)
	}
	return err
}

// skips returns everything that is left out of the chunk, in the order of the input.
func (a *attempt) skips() []skipped {
	if len(a.work.skips) == 0 && len(a.excluded) == 0 {
		return nil
	}
	all := slices.Clone(a.work.skips)
	for input, err := range a.excluded {
		all = append(all, skipped{ordinal: a.work.chunk.Origins[input].Ordinal, phase: batch.SkipInWrite, input: input, err: err})
	}
	return inOrder(all)
}

// count returns what the chunk adds to the counters.
func (a *attempt) count(skips []skipped) batch.Counters {
	c := batch.Counters{
		Read: int64(a.work.chunk.In.Len()), Commit: 1, Retry: a.work.retries + int64(a.retries),
		ReadSkip:    countSkips(skips, batch.SkipInRead),
		ProcessSkip: countSkips(skips, batch.SkipInProcess),
		WriteSkip:   countSkips(skips, batch.SkipInWrite),
	}
	written := a.out.inputs()
	c.Filter = c.Read - written - c.ProcessSkip
	c.Write = written - c.WriteSkip
	return c
}

// after decides about an attempt that failed: it returns nil where the chunk is to be tried again, done where it turned
// out to be committed after all, and the error where it is final. A target that is still away counts as one more attempt.
func (a *attempt) after(ctx context.Context, err error) (done bool, _ error) {
	a.tally.rolledBack()
	a.tellFailure(err)
	unknown := a.inTx && !errors.Is(err, batch.ErrRolledBack)
	for {
		if err := a.decide(ctx, err); err != nil {
			return false, err
		}
		if done, err = a.stepBack(ctx, unknown); err == nil {
			return done, nil
		}
	}
}

// decide returns nil where the chunk may be tried again, once it is time to.
func (a *attempt) decide(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errExcluded):
	case a.tolerance.Retry.allows(err, a.retries) && !errors.Is(err, ErrSkipLimit):
		a.retries++
		a.runner.tellRetry(a.execution, a.tolerance.Retry, a.retries, err)
		return a.pause(ctx, a.tolerance.Retry.pause(a.retries, err))
	case !a.isolating && a.tolerance.Skip.allows(err) && !errors.Is(err, ErrSkipLimit):
		a.isolating, a.excluded = true, map[int]error{}
		a.known, a.suspect = true, a.out.blamed(err, 0)
	default:
		return a.blame(ctx, err)
	}
	return nil
}

// stepBack makes ledger and writers ready for one more attempt, or finds the one before done.
func (a *attempt) stepBack(ctx context.Context, unknown bool) (done bool, _ error) {
	if unknown {
		if done, err := a.reload(ctx, a.next); done || err != nil {
			return done, err
		}
	}
	return false, a.reopen(ctx)
}

// blame has the writer search for the record that an error is about, where nothing says so yet.
func (a *attempt) blame(ctx context.Context, err error) error {
	var row *batch.RowError
	target, _ := parts(a.components.Writer)
	blamer, ok := target.(batch.Blamer)
	if !ok || !fault.ClassOf(err).Data() || errors.As(err, &row) || errors.Is(err, ErrSkipLimit) || ctx.Err() != nil {
		return err
	}
	if input := a.out.blamed(blamer.Blame(ctx, a.out.rows, err), 0); input >= 0 {
		return located(err, a.components.Reader, a.work.chunk, input)
	}
	return err
}

// reopen opens the writers where the last attempt that held has left them. Without a transaction that is ahead of the
// checkpoint, in buffers that would be gone: they are flushed first.
func (s *stream) reopen(ctx context.Context) error {
	if s.inTx {
		return s.openWriters(ctx, s.at.Writer)
	}
	if err := s.flush(ctx, nil); err != nil {
		return err
	}
	return s.openWriters(ctx, s.next.Writer)
}
