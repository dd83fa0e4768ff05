package plan

import (
	"time"

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
			if pause = time.Duration(float64(pause) * float64(r.Multiplier)); pause >= time.Duration(r.MaxBackoff) {
				break
			}
		}
		pause = min(pause, time.Duration(r.MaxBackoff))
		return pause + time.Duration(float64(pause)*float64(r.Jitter)*(2*a.engine.Random()-1))
	}
}
