package runner

import (
	"cmp"
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// stream is a step that is being run: records from its reader, through its processors, to its writer, chunk by chunk.
type stream struct {
	runner     *Runner
	components *Components
	chain      *chain
	ledger     batch.Ledger
	lane       batch.LaneKey
	execution  *batch.StepExecution
	inTx       bool // rows and checkpoint commit in one transaction
	complete   bool // everything was written by an earlier attempt, or earlier in this one
	tally      *tally
	meter      *meter
	wrote      time.Duration // what the meter has of this lane's writing
	marks      *marks        // of all lanes; nil where there is one
	low        lowWater
	own        spans            // what the lane committed above the place where the step goes on
	first      batch.Counters   // of the lane, before this attempt
	at         batch.Checkpoint // as committed
	next       batch.Checkpoint // covers what was written since; as at where nothing was
	tolerance  Tolerance
	share      *Share // of a partitioned step, nil otherwise
	manager    string // the name of that step
	rate       float64
	began      time.Time
	deadline   deadline
	instance   int64         // JOB_INSTANCE_ID
	out        output        // of the chunk in hand
	kept       output        // what isolation has left of it
	letters    record.Batch  // of the chunk in hand
	committed  time.Time     // when at was
	cost       time.Duration // of the last commit
	unsaid     []batch.Event // of records left out since at
	source     *source
	taken      *work // from the source, ahead of its turn; nil where none was
}

// stream runs a chunk-oriented step from where its checkpoint stands to its end.
func (r *Runner) stream(ctx context.Context, step *Step, instance int64, execution *batch.StepExecution) (err error) {
	ledger, key, err := step.Claim(ctx, execution)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	s := &stream{runner: r, meter: r.newMeter(execution), tolerance: step.Tolerance, instance: instance, rate: step.Rate, ledger: ledger, lane: batch.LaneKey{StepKey: key}, execution: execution}
	var lanes []batch.Checkpoint
	err = s.insist(ctx, func() (err error) {
		lanes, err = ledger.Claim(ctx, key, step.lanes())
		return err
	})
	if err != nil {
		return err
	}
	s.began = r.Now()
	s.deadline = earlier(earlier(r.deadline, step.until), r.deadlineAfter(step.Timeout, "step "+step.Name))
	s.share, s.manager = step.share, step.manager
	s.tally = newTally(execution, cmp.Or(step.group, newGroup()), lanes)
	defer func() { s.tally.took(s.meter.times()) }()
	s.first = lanes[0].Counters
	s.stand(lanes[0])
	if !step.again {
		r.observe(batch.StepStarted{Step: execution, Resumed: lanes[0].Sequence > 0})
	}
	if s.at.Phase == batch.Done {
		return nil
	}
	if s.components, err = step.Build(ctx, execution, s.at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.components.close()) }()
	s.chain = &chain{processors: s.components.Processors}
	var own map[int]spans
	if s.low, own, err = lowest(s.components.ReaderKind, lanes); err != nil {
		return err
	}
	s.own, s.complete = own[0], s.at.Phase == batch.Publishing || step.again
	if err := s.insist(ctx, func() error { return s.open(ctx) }); err != nil {
		return err
	}
	if !s.complete {
		if step.lanes() > 1 {
			err = s.sideBySide(ctx, step, lanes, own)
		} else {
			err = s.chunks(ctx, step)
		}
		if err != nil {
			return s.failed(ctx, err)
		}
		if step.hold {
			return nil
		}
		if err := s.insist(ctx, func() error { return verify(ctx, step, s.execution) }); err != nil {
			return s.failed(ctx, err)
		}
	}
	return s.failed(ctx, s.publish(ctx))
}

// lanes returns how many workers commit chunks of their own.
func (s *Step) lanes() int {
	if s.Lanes {
		return max(1, s.Workers)
	}
	return 1
}

func sumOf(lanes []batch.Checkpoint) batch.Counters {
	var sum batch.Counters
	for _, at := range lanes {
		sum = sum.Add(at.Counters)
	}
	return sum
}

func (c *Components) closeOutputs() error {
	if c.Letters == nil {
		return c.Writer.Close()
	}
	return errors.Join(c.Writer.Close(), c.Letters.Close())
}

func (c *Components) close() error {
	errs := []error{c.Reader.Close(), c.closeOutputs()}
	if c.Close != nil {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// open opens writer and reader where the checkpoint stands. Where an unfinished output file is gone, and nothing but
// files depends on the step, it begins again from nothing.
func (s *stream) open(ctx context.Context) error {
	s.inTx = connection(s.components.Writer) != "" || connection(s.components.Letters) != ""
	err := s.openWriters(ctx, s.at.Writer)
	if errors.Is(err, batch.ErrOutputLost) && !s.inTx && !s.complete {
		s.runner.observe(batch.Notice{Step: s.execution, Message: err.Error() + ": the step begins again from nothing"})
		s.tally.restarted()
		s.low, s.first = lowWater{}, batch.Counters{}
		s.stand(batch.Checkpoint{Epoch: s.at.Epoch, Sequence: s.at.Sequence})
		err = s.openWriters(ctx, nil)
	}
	if err != nil || s.complete {
		return err
	}
	begin := s.meter.begin()
	err = s.components.Reader.Open(ctx, s.low.state)
	s.meter.add(&s.meter.read, begin, 0)
	return err
}

// stand takes over a committed checkpoint as where the step stands.
func (s *stream) stand(at batch.Checkpoint) {
	s.at, s.next = at, at
	s.committed = s.runner.Now()
	s.tally.committed(s.lane.Lane, at.Counters)
}

// chunks reads, processes and writes until the input ends. Reading runs ahead in a goroutine that has ended when chunks
// returns.
func (s *stream) chunks(ctx context.Context, step *Step) error {
	reading, cancel := context.WithCancel(ctx)
	source := s.newSource(step)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		source.run(reading)
	}()
	processed, err := s.processAside(reading, step, source)
	if err != nil {
		cancel()
		<-ended
		return err
	}
	defer func() {
		cancel()
		<-ended
		processed.Wait()
	}()
	s.source = source
	return s.consume(ctx)
}

func (s *stream) consume(ctx context.Context) error {
	for {
		w := s.receive()
		if w == nil {
			return context.Cause(ctx)
		}
		if w.err != nil {
			s.tally.rolledBack()
			s.tellFailure(w.err)
			return errors.Join(w.err, s.commitWritten(ctx))
		}
		if err := s.write(ctx, w); err != nil {
			return err
		}
		end := w.end
		s.source.release(w)
		if end {
			return s.commitWritten(ctx)
		}
		if err := s.bounds(); err != nil {
			return errors.Join(err, s.commitWritten(ctx))
		}
		if err := s.pace(ctx); err != nil {
			return errors.Join(err, s.commitWritten(ctx))
		}
	}
}

// receive waits for the next chunk and returns it, nil where there are no more.
func (s *stream) receive() *work {
	begin := s.meter.begin()
	w := s.taken
	if s.taken = nil; w == nil {
		w = <-s.source.ready
	}
	if w != nil {
		w.await()
	}
	s.meter.add(&s.meter.writerWait, begin, 0)
	return w
}

// nextAhead returns what has made the rows of the next chunk ready, nil where that is not there, or may not be written as it is, or
// not soon.
func (s *stream) nextAhead() batch.Ahead {
	if !s.source.early {
		return nil
	}
	if s.taken == nil {
		select {
		case s.taken = <-s.source.ready:
		default:
		}
	}
	if w := s.taken; w != nil && w.processed() && w.err == nil && len(w.skips) == 0 && len(w.out.rows) > 0 {
		return w.ahead
	}
	return nil
}

// The time between checkpoints of a step that writes files: at most a twentieth of it is spent on checkpoints, however
// slow the disk is, and never more than maxInterval is lost to a crash.
const (
	checkpointShare = 20
	maxInterval     = time.Second
)

// due reports whether what was written since the last checkpoint is worth another one.
func (s *stream) due() bool {
	interval := max(s.runner.CheckpointEvery, min(checkpointShare*s.cost, maxInterval))
	return s.runner.CheckpointEvery == 0 || s.runner.Now().Sub(s.committed) >= interval
}

// commitWritten commits what was written since the last checkpoint.
func (s *stream) commitWritten(ctx context.Context) error {
	if s.next.Counters == s.at.Counters && s.next.Ordinal == s.at.Ordinal {
		return nil
	}
	err := s.commitAlone(ctx, s.next)
	if err == nil {
		s.tellSkips()
	}
	return err
}

// commitAlone commits a checkpoint with no rows of its own.
func (s *stream) commitAlone(ctx context.Context, next batch.Checkpoint) error {
	return s.settled(ctx, next, func() error {
		return s.commit(ctx, &next, func(context.Context, batch.Tx) error { return nil })
	})
}

// commit runs write and saves the checkpoint next, whose writer state it fills in: both hold, or neither.
func (s *stream) commit(ctx context.Context, next *batch.Checkpoint, write func(context.Context, batch.Tx) error) error {
	return s.save(ctx, func(tx batch.Tx) (batch.Checkpoint, error) {
		if err := write(ctx, tx); err != nil {
			return *next, err
		}
		if err := s.flush(ctx, tx); err != nil {
			return *next, err
		}
		var err error
		next.Writer, err = s.state()
		return *next, err
	})
}

func (s *stream) save(ctx context.Context, fn func(batch.Tx) (batch.Checkpoint, error)) error {
	begin, metered, written := s.runner.Now(), s.meter.begin(), s.wrote
	saved, err := s.ledger.Commit(ctx, s.lane, fn)
	s.meter.add(&s.meter.commit, metered, s.wrote-written)
	if err != nil {
		return err
	}
	s.stand(saved)
	s.cost = s.committed.Sub(begin)
	return nil
}

// show lets those who look see how far the step is. It is no part of a commit: where it fails the commit holds.
func (s *stream) show(ctx context.Context) error {
	show, save, total := s.tally.due(s.runner.Now())
	if show {
		progress := batch.StepProgress{Step: s.execution, Counters: total}
		if estimator, ok := s.components.Reader.(batch.Estimator); ok {
			progress.Done, progress.Total = estimator.Progress()
		}
		s.runner.observe(progress)
	}
	if !save {
		return nil
	}
	return s.insist(ctx, func() error {
		s.tally.took(s.meter.times())
		err := s.tally.whileStill(func() error { return s.runner.Repository.SaveStep(ctx, s.execution) })
		if err != nil {
			return err
		}
		return s.runner.askWhetherToStop(ctx, s.execution.JobID)
	})
}

// publish makes the output visible: first what is to be published is recorded, then published, then recorded as done.
func (s *stream) publish(ctx context.Context) error {
	publishers := s.components.publishers()
	if len(publishers) > 0 && s.at.Phase != batch.Publishing {
		if err := s.finish(ctx, publishers); err != nil {
			return err
		}
	}
	for _, p := range publishers {
		if err := s.runner.confirm(ctx); err != nil {
			return err
		}
		if err := s.committing(func() error { return p.Publish(ctx) }); err != nil {
			return err
		}
	}
	done := s.at
	done.Phase = batch.Done
	return s.settled(ctx, done, func() error {
		return s.save(ctx, func(batch.Tx) (batch.Checkpoint, error) { return done, nil })
	})
}

// committing does something that belongs to committing.
func (s *stream) committing(do func() error) error {
	begin := s.meter.begin()
	err := do()
	s.meter.add(&s.meter.commit, begin, 0)
	return err
}

func (r *Runner) confirm(ctx context.Context) error {
	if r.Confirm == nil {
		return nil
	}
	return r.Confirm(ctx)
}

// finish ends the outputs and records what is to be published.
func (s *stream) finish(ctx context.Context, publishers []batch.Publisher) error {
	for _, p := range publishers {
		if err := s.committing(func() error { return p.Finish(ctx) }); err != nil {
			return err
		}
	}
	publishing := s.at
	publishing.Phase = batch.Publishing
	return s.commitAlone(ctx, publishing)
}

// failed says why ctx was cancelled where that is the reason of an error. What was written since the checkpoint does not
// count.
func (s *stream) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s.tally.undone()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
