package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// ErrNothingRead means that a step with FailOnEmpty read no record.
var ErrNothingRead = errors.New("nothing was read")

// ErrCheckFailed means that a check of a step does not hold.
var ErrCheckFailed = batch.ErrCheckFailed

// ErrTimedOut means that a step or the job took longer than it may. It counts as batch.ErrStopped: the execution can be
// restarted.
var ErrTimedOut = fmt.Errorf("timed out: %w", batch.ErrStopped)

// deadline is when something has to stop, and what.
type deadline struct {
	at   time.Time // zero: never
	what string
}

// deadlineAfter returns the deadline of something that begins now; 0 is none.
func (r *Runner) deadlineAfter(allowed time.Duration, what string) deadline {
	if allowed <= 0 {
		return deadline{}
	}
	return deadline{r.Now().Add(allowed), fmt.Sprintf("%s took longer than %s", what, allowed)}
}

// earlier returns the deadline that comes first.
func earlier(a, b deadline) deadline {
	if a.at.IsZero() || !b.at.IsZero() && b.at.Before(a.at) {
		return b
	}
	return a
}

// bounds is what ends a step at a chunk boundary before its input does: a request to stop, or a deadline.
func (s *stream) bounds() error {
	if s.runner.stopping() {
		return batch.ErrStopped
	}
	if !s.deadline.at.IsZero() && s.runner.Now().After(s.deadline.at) {
		return fmt.Errorf("%s: %w", s.deadline.what, ErrTimedOut)
	}
	return nil
}

// pace waits so long that the step stays within its rate of records a second.
func (s *stream) pace(ctx context.Context) error {
	if s.rate <= 0 {
		return nil
	}
	read := s.next.Counters.Sub(s.first).Read
	due := s.began.Add(time.Duration(float64(read) / s.rate * float64(time.Second)))
	return s.pause(ctx, due.Sub(s.runner.Now()))
}

// pause waits, where it is to, in a way that a stop ends.
func (s *stream) pause(ctx context.Context, pause time.Duration) error {
	begin := s.meter.begin()
	err := s.runner.wait(ctx, s.execution.JobID, pause)
	s.meter.add(&s.meter.paused, begin, 0)
	return err
}

// verify evaluates what must hold at the end of a step, before its output is published.
func verify(ctx context.Context, step *Step, execution *batch.StepExecution) error {
	if step.FailOnEmpty && execution.Total.Read+execution.Total.ReadSkip == 0 {
		return fault.Wrap(fault.Validation, ErrNothingRead, "fail_on_empty").
			WithHint("see whether the input is there, and whole; a restart reads it again")
	}
	if step.Check == nil {
		return nil
	}
	return step.Check(ctx, execution)
}
