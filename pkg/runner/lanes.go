package runner

import (
	"context"
	"errors"
	"sync"

	"batchctl/pkg/batch"
)

// lanes are the workers of a step that process, write and commit chunks side by side, each with an own writer and an own
// row of the ledger. One goroutine reads for all of them.
type lanes struct {
	workers []*stream
	stop    context.CancelFunc // of the reading

	mu     sync.Mutex
	failed bool
	errs   []error
}

// sideBySide runs the step's chunks in so many lanes as it has workers.
func (s *stream) sideBySide(ctx context.Context, step *Step, at []batch.Checkpoint, own map[int]spans) (err error) {
	s.marks = newMarks(s.components.ReaderKind, step.Workers, s.low, own)
	all := &lanes{workers: []*stream{s}}
	s.rate /= float64(step.Workers)
	for i := 1; i < step.Workers; i++ {
		worker, err := s.besides(ctx, i, at[i])
		if err != nil {
			return errors.Join(err, all.close())
		}
		all.workers = append(all.workers, worker)
	}
	defer func() { err = errors.Join(err, all.close()) }()
	reading, cancel := context.WithCancel(ctx)
	all.stop = cancel
	source := s.newSource(step)
	var running sync.WaitGroup
	running.Go(func() { source.run(reading) })
	for _, worker := range all.workers {
		running.Go(func() { all.fail(guarded(func() error { return worker.take(ctx, source, all) })) })
	}
	running.Wait()
	cancel()
	if err := joinWorst(all.errs); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	s.at.Ordinal, s.at.Reader, err = s.marks.end()
	return err
}

// besides makes another lane beside the first.
func (s *stream) besides(ctx context.Context, number int, at batch.Checkpoint) (*stream, error) {
	writer, letters, processors, err := s.components.Lane()
	if err != nil {
		return nil, err
	}
	worker := *s
	worker.components = &Components{
		Reader: s.components.Reader, Processors: processors, Writer: writer, Letters: letters,
		ReaderKind: s.components.ReaderKind, WriterKind: s.components.WriterKind, LettersKind: s.components.LettersKind,
	}
	worker.chain = &chain{processors: processors}
	worker.lane.Lane = number
	worker.out, worker.kept, worker.unsaid = output{}, output{}, nil
	worker.at, worker.next, worker.first = at, at, at.Counters
	err = worker.insist(ctx, func() error { return worker.openWriters(ctx, at.Writer) })
	if err != nil {
		return nil, errors.Join(err, worker.components.closeOutputs())
	}
	return &worker, nil
}

// close gives up the outputs of all lanes but the first, whose owner closes them.
func (l *lanes) close() error {
	var errs []error
	for _, worker := range l.workers[1:] {
		errs = append(errs, worker.components.closeOutputs())
	}
	return errors.Join(errs...)
}

// fail ends the reading, and every lane behind the chunk that it has in hand.
func (l *lanes) fail(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = true
	l.errs = append(l.errs, err)
	l.stop()
}

func (l *lanes) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// take processes, writes and commits chunks until there are no more, or a lane has failed.
func (s *stream) take(ctx context.Context, source *source, all *lanes) error {
	s.source = source
	for {
		w := s.receive()
		if w == nil || all.over() {
			return nil
		}
		if w.err == nil {
			w.err = guarded(func() error { return source.process(ctx, s.chain, w) })
		}
		if w.err != nil {
			s.tally.rolledBack()
			s.tellFailure(w.err)
			return w.err
		}
		if err := s.write(ctx, w); err != nil {
			return err
		}
		s.marks.committed(s.lane.Lane, w)
		end := w.end
		source.release(w)
		if end {
			return nil
		}
		if err := s.bounds(); err != nil {
			return err
		}
		if err := s.pace(ctx); err != nil {
			return err
		}
	}
}

// processAside processes the chunks of a source in so many goroutines as the step has workers, for one that writes them in
// the order of the input. They end when the source has. A single worker has a goroutine of its own, too, so that reading,
// processing and writing go on at the same time.
func (s *stream) processAside(ctx context.Context, step *Step, source *source) (running *sync.WaitGroup, err error) {
	running = new(sync.WaitGroup)
	if source.todo == nil {
		return running, nil
	}
	chains := []*chain{s.chain}
	for range step.Workers - 1 {
		processors, err := s.components.Chain()
		if err != nil {
			return nil, err
		}
		chains = append(chains, &chain{processors: processors})
	}
	for _, through := range chains {
		running.Go(func() {
			for w := range source.todo {
				w.err = guarded(func() error { return source.process(ctx, through, w) })
				close(w.ready)
			}
		})
	}
	return running, nil
}
