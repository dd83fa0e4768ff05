package runner

import (
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
	inTx       bool             // rows and checkpoint commit in one transaction
	base       batch.Counters   // of the attempts before this one
	at         batch.Checkpoint // as committed
	next       batch.Checkpoint // covers what was written since; as at where nothing was
	from       batch.State      // the reader's, where this attempt began
	tolerance  Tolerance
	group      *group
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
	saved      time.Time     // when the step execution was
	shown      time.Time     // when the observer heard of it
}

// stream runs a chunk-oriented step from where its checkpoint stands to its end.
func (r *Runner) stream(ctx context.Context, step *Step, instance int64, execution *batch.StepExecution) (err error) {
	ledger, key, err := step.Claim(ctx, execution.Visit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	s := &stream{runner: r, tolerance: step.Tolerance, instance: instance, rate: step.Rate, ledger: ledger, lane: batch.LaneKey{StepKey: key}, execution: execution}
	var lanes []batch.Checkpoint
	err = s.insist(ctx, func() (err error) {
		lanes, err = ledger.Claim(ctx, key, 1)
		return err
	})
	if err != nil {
		return err
	}
	s.began = r.Now()
	counted := execution.Counters // by this attempt, where it has been here before
	counted.Rollback = 0
	s.deadline = earlier(earlier(r.deadline, step.until), r.deadlineAfter(step.Timeout, "step "+step.Name))
	s.group, s.share, s.manager = step.group, step.share, step.manager
	if s.group == nil {
		s.group = new(group)
	}
	s.base = lanes[0].Counters.Sub(counted)
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
	if err := s.insist(ctx, func() error { return s.open(ctx) }); err != nil {
		return err
	}
	if s.at.Phase != batch.Publishing {
		if err := s.chunks(ctx, step); err != nil {
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

func (c *Components) close() error {
	errs := []error{c.Writer.Close(), c.Reader.Close()}
	if c.Letters != nil {
		errs = append(errs, c.Letters.Close())
	}
	if c.Close != nil {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// open opens writer and reader where the checkpoint stands. Where an unfinished output file is gone, and nothing but
// files depends on the step, it begins again from nothing.
func (s *stream) open(ctx context.Context) error {
	s.inTx = connection(s.components.Writer) != "" || connection(s.components.Letters) != ""
	from, err := stateFor("reader", s.components.ReaderKind, s.at.Reader)
	if err != nil {
		return err
	}
	s.from = from.State
	err = s.openWriters(ctx, s.at.Writer)
	if errors.Is(err, batch.ErrOutputLost) && !s.inTx && s.at.Phase != batch.Publishing {
		s.runner.observe(batch.Notice{Step: s.execution, Message: err.Error() + ": the step begins again from nothing"})
		s.base, s.from = batch.Counters{}, nil
		s.stand(batch.Checkpoint{Epoch: s.at.Epoch, Sequence: s.at.Sequence})
		err = s.openWriters(ctx, nil)
	}
	if err != nil {
		return err
	}
	if s.at.Phase == batch.Publishing {
		return nil
	}
	return s.components.Reader.Open(ctx, s.from)
}

// stand takes over a committed checkpoint as where the step stands.
func (s *stream) stand(at batch.Checkpoint) {
	s.at, s.next = at, at
	s.committed = s.runner.Now()
	s.execution.Total = at.Counters
	s.group.set(s.execution.Name, at.Counters)
	s.execution.Counters = at.Counters.Sub(s.base).Add(batch.Counters{Rollback: s.execution.Counters.Rollback})
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
	defer func() {
		cancel()
		<-ended
	}()
	return s.consume(ctx, source)
}

func (s *stream) consume(ctx context.Context, source *source) error {
	for w := range source.ready {
		if w.err != nil {
			s.execution.Counters.Rollback++
			return errors.Join(w.err, s.commitWritten(ctx))
		}
		if err := s.write(ctx, &w); err != nil {
			return err
		}
		end := w.end
		source.release(w.chunk)
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
	return context.Cause(ctx)
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
	return s.commitAlone(ctx, s.next)
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
	begin := s.runner.Now()
	saved, err := s.ledger.Commit(ctx, s.lane, fn)
	if err != nil {
		return err
	}
	s.stand(saved)
	s.cost = s.committed.Sub(begin)
	return nil
}

// show lets those who look see how far the step is. It is no part of a commit: where it fails the commit holds.
func (s *stream) show(ctx context.Context) error {
	now := s.runner.Now()
	if now.Sub(s.shown) >= showEvery {
		s.shown = now
		progress := batch.StepProgress{Step: s.execution, Counters: s.at.Counters}
		if estimator, ok := s.components.Reader.(batch.Estimator); ok {
			progress.Done, progress.Total = estimator.Progress()
		}
		s.runner.observe(progress)
	}
	if now.Sub(s.saved) < saveEvery {
		return nil
	}
	s.saved = now
	return s.insist(ctx, func() error {
		if err := s.runner.Repository.SaveStep(ctx, s.execution); err != nil {
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
		if err := p.Publish(ctx); err != nil {
			return err
		}
	}
	done := s.at
	done.Phase = batch.Done
	return s.settled(ctx, done, func() error {
		return s.save(ctx, func(batch.Tx) (batch.Checkpoint, error) { return done, nil })
	})
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
		if err := p.Finish(ctx); err != nil {
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
	s.execution.Total = s.at.Counters
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
