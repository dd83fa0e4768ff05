package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// recentRuns is how many completed executions say how long a job usually takes.
const recentRuns = 10

// watchTheClock has the listeners of job.slow told when the job takes longer than they expect.
func (l *audience) watchTheClock(ctx context.Context, store *meta.Store) {
	for _, one := range l.all {
		if !slices.Contains(one.On, job.JobSlow) {
			continue
		}
		expected, err := l.expected(ctx, store, one.Expect)
		if err != nil {
			l.warn(fmt.Sprintf("how long the job usually takes is not known, so job.slow is not told: %v", err))
			continue
		}
		if expected > 0 {
			l.waiting.Add(1)
			go l.wait(one, expected)
		}
	}
}

// wait tells one listener that the job is slow, unless it ends before.
func (l *audience) wait(one *listener, expected time.Duration) {
	defer l.waiting.Done()
	select {
	case <-l.engine.After(expected):
	case <-l.closed:
		return
	}
	l.mu.Lock()
	summary := l.summary
	l.mu.Unlock()
	summary.Status, summary.Seconds = batch.Started, seconds(l.engine.Now().Sub(l.began))
	l.tell(event{
		EventSummary: EventSummary{Name: job.JobSlow, Text: fmt.Sprintf("is slow: it is not done after %s", expected.Round(time.Millisecond))},
		summary:      summary, only: one,
	})
}

// expected is how long the job should take, 0 where there is nothing to compare it with.
func (l *audience) expected(ctx context.Context, store *meta.Store, e job.Expect) (time.Duration, error) {
	if e.Times == 0 {
		return e.Duration, nil
	}
	recent, err := store.Executions(ctx, meta.Filter{Job: l.execution.Instance.Name, Status: []batch.Status{batch.Completed}, Limit: recentRuns, Runs: true})
	if err != nil || len(recent) == 0 {
		return 0, err
	}
	took := make([]time.Duration, len(recent))
	for i, r := range recent {
		took[i] = r.Execution.Ended.Sub(r.Execution.Started)
	}
	return time.Duration(e.Times * float64(median(took))), nil
}

// median is the one in the middle, or the mean of both that are.
func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	half := len(all) / 2
	if len(all)%2 == 1 {
		return all[half]
	}
	return (all[half-1] + all[half]) / 2
}
