package plan

import (
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/runner"
)

// tolerance is what a step's definition says about errors, for the runner.
func (a *assembly) tolerance(s *job.Step) runner.Tolerance {
	t := runner.Tolerance{Skip: runner.Skip{Limit: -1}}
	if s.Retry != nil {
		t.Retry = runner.Retry{Max: s.Retry.MaxRetries, On: s.Retry.On.Match, Pause: a.pause(s.Retry)}
	}
	if s.Skip != nil {
		t.Skip.On, t.Skip.After = s.Skip.On.Match, s.Skip.After
		if s.Skip.Limit != nil {
			t.Skip.Limit = *s.Skip.Limit
		}
		if s.Skip.Ratio != nil {
			t.Skip.Ratio = float64(*s.Skip.Ratio)
		}
	}
	if a.prepared.overrides.FailFast {
		t.Skip.On = nil // what earlier attempts have skipped still counts
	}
	return t
}

// pause returns how long to wait before each retry: longer by the multiplier each time up to the most, and then by chance
// a little more or less, so that jobs that failed together do not come back together.
func (a *assembly) pause(r *job.Retry) func(int) time.Duration {
	return func(retry int) time.Duration {
		pause := time.Duration(r.Backoff)
		for range retry - 1 {
			if pause *= time.Duration(r.Multiplier); pause >= time.Duration(r.MaxBackoff) {
				break
			}
		}
		pause = min(pause, time.Duration(r.MaxBackoff))
		return pause + time.Duration(float64(pause)*float64(r.Jitter)*(2*a.engine.Random()-1))
	}
}

// targetOf returns the one database connection that a step's writer and its dead letters write into, "" where both write
// files.
func (a *assembly) targetOf(s *job.Step, writer batch.Writer, b *builder) (string, error) {
	target := targetOf(writer)
	if s.DeadLetter == nil {
		return target, nil
	}
	letters, err := b.letters(*s.DeadLetter)
	if err != nil {
		return "", err
	}
	defer letters.Close()
	switch other := targetOf(letters); {
	case target == "":
		return other, nil
	case other != "" && other != target:
		at := s.DeadLetter.Node.Errorf("step %s writes into connection %s, and its dead letters into %s: they could not commit together",
			s.Name, target, other)
		return "", at.WithHint("keep the dead letters in %s, or in a file", target)
	}
	return target, nil
}
