package runner

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// insist does something that may be repeated, and that no chunk depends on: what begins a step, what ends it, what shows it
// to others. It is tried again as a chunk would be.
func (s *stream) insist(ctx context.Context, do func() error) error {
	for retries := 0; ; {
		err := do()
		if err == nil || !s.tolerance.Retry.allows(err, retries) {
			return err
		}
		retries++
		s.runner.observe(batch.ChunkRetried{Step: s.execution, Attempt: retries + 1, Of: s.tolerance.Retry.Max + 1, Err: err})
		if err := s.pause(ctx, s.tolerance.Retry.pause(retries)); err != nil {
			return err
		}
	}
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
