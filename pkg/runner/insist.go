package runner

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// insist does something that may be repeated, and that no chunk depends on: what begins a step, what ends it, what shows it
// to others. It is tried again as a chunk would be, behind pauses.
func (r *Runner) insist(execution *batch.StepExecution, retry Retry, pause func(time.Duration) error, do func() error) error {
	for retries := 0; ; {
		err := do()
		if err == nil || !retry.allows(err, retries) {
			return err
		}
		retries++
		r.tellRetry(execution, retry, retries, err)
		if err := pause(retry.pause(retries, err)); err != nil {
			return err
		}
	}
}

func (s *stream) insist(ctx context.Context, do func() error) error {
	return s.runner.insist(s.execution, s.tolerance.Retry, func(d time.Duration) error { return s.pause(ctx, d) }, do)
}

// insist is for what is done about all shares of a step.
func (p *partitions) insist(ctx context.Context, do func() error) error {
	pause := func(d time.Duration) error { return p.runner.wait(ctx, p.job.ID, d) }
	return p.runner.insist(p.execution, p.step.Tolerance.Retry, pause, do)
}

// tellRetry says that something is tried again because of an error, for the nth time.
func (r *Runner) tellRetry(execution *batch.StepExecution, retry Retry, n int, err error) {
	r.observe(batch.ChunkRetried{Step: execution, Attempt: n + 1, Of: retry.Max + 1, Err: err})
}

// settled insists on a save of the checkpoint next, and asks before it is tried again whether it has happened.
func (s *stream) settled(ctx context.Context, next batch.Checkpoint, save func() error) error {
	unknown := false
	return s.insist(ctx, func() error {
		if unknown {
			if done, err := s.reload(ctx, next); done || err != nil {
				return err
			}
		}
		err := save()
		unknown = err != nil && !errors.Is(err, batch.ErrRolledBack)
		return err
	})
}

// reload asks the ledger where the lane stands after an attempt to save next whose outcome is not known. An acknowledged
// commit is never assumed, and one that happened never repeated.
func (s *stream) reload(ctx context.Context, next batch.Checkpoint) (done bool, _ error) {
	at, err := s.ledger.Load(ctx, s.lane)
	if err != nil {
		return false, err
	}
	if at.Sequence == s.at.Sequence {
		return false, nil
	}
	if at.Sequence == s.at.Sequence+1 && at.Ordinal == next.Ordinal {
		s.stand(at)
		return true, nil
	}
	return false, fault.New(fault.Internal, "step %s stands at commit %d in its target, and this process has written up to %d",
		s.lane.Step, at.Sequence, s.at.Sequence)
}
