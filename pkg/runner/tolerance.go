package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Tolerance says what a step does about errors. The zero Tolerance fails at the first one.
type Tolerance struct {
	Retry Retry
	Skip  Skip
}

// Retry says which errors are tried again, how often, and after which pauses.
type Retry struct {
	Max   int                           // attempts after the first
	On    func(err error) bool          // nil: none
	Pause func(retry int) time.Duration // before the nth retry, from 1; nil: none
}

func (r Retry) allows(err error, retries int) bool {
	return retries < r.Max && r.On != nil && r.On(err) && !final(err)
}

// longestBusy bounds how long a retry waits because the other side asked for it.
const longestBusy = time.Hour

// pause returns how long to wait before the nth retry after an error, which may ask for more than the step would wait.
func (r Retry) pause(retry int, err error) time.Duration {
	pause := time.Duration(0)
	if r.Pause != nil {
		pause = r.Pause(retry)
	}
	var busy *batch.BusyError
	if errors.As(err, &busy) {
		pause = max(pause, min(busy.After, longestBusy))
	}
	return pause
}

// Skip says which errors leave their record out, and how many may be. Limit and Ratio count read, process and write skips
// of the instance's step together; one more fails the step.
type Skip struct {
	On    func(err error) bool // nil: none
	Limit int64                // below 0: no limit
	Ratio float64              // of the records read so far, 0: no ratio
	After int64                // Ratio counts from so many records on
}

func (s Skip) allows(err error) bool { return s.On != nil && s.On(err) && !final(err) }

// final reports whether nothing can be done about an error but to stop: the step belongs to somebody else, or the job
// is to end.
func final(err error) bool {
	return errors.Is(err, batch.ErrFenced) || errors.Is(err, batch.ErrStopped) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// ErrSkipLimit means that more records were bad than the step tolerates.
var ErrSkipLimit = errors.New("too many records were skipped")

// check returns an error that wraps ErrSkipLimit where counters go beyond what is tolerated. skips are the newest ones.
func (s Skip) check(c batch.Counters, skips []skipped) error {
	if c.Skip() == 0 {
		return nil
	}
	reason, class := ErrSkipLimit, fault.Validation
	if len(skips) > 0 {
		last := skips[len(skips)-1].err
		reason, class = fmt.Errorf("%w; the last: %w", ErrSkipLimit, last), fault.ClassOf(last)
	}
	seen := c.Read + c.ReadSkip
	switch {
	case s.Limit >= 0 && c.Skip() > s.Limit:
		return fault.Wrap(class, reason, "skip limit %d exceeded", s.Limit).WithCode("skip_limit")
	case s.Ratio > 0 && seen >= s.After && float64(c.Skip()) > s.Ratio*float64(seen):
		return fault.Wrap(class, reason, "skip ratio %g%% exceeded by %d of %d records", s.Ratio*100, c.Skip(), seen).WithCode("skip_ratio")
	}
	return nil
}

// pollEvery is how often a waiting step looks whether another process asked it to stop.
const pollEvery = time.Second

// wait waits before a retry, outside of every transaction. A request to stop ends it with batch.ErrStopped.
func (r *Runner) wait(ctx context.Context, execution int64, pause time.Duration) error {
	for pause > 0 {
		slice := min(pause, pollEvery)
		select {
		case <-r.After(slice):
		case <-r.Stop:
			return batch.ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause -= slice
		if err := r.askWhetherToStop(ctx, execution); err != nil {
			return err
		}
		if r.stopping() {
			return batch.ErrStopped
		}
	}
	return nil
}
