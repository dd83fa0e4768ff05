package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// ErrOverlapSkipped means that the instance is running already, and that this is to be taken for success.
var ErrOverlapSkipped = errors.New("skipped")

// enter launches a request, and does what is to be done where another execution of the instance is running.
func (e *Engine) enter(ctx context.Context, store *meta.Store, r meta.Request, overlap job.Overlap, w Watcher) (*meta.Launch, error) {
	launch, err := store.Launch(ctx, r)
	switch {
	case !errors.Is(err, batch.ErrRunning):
		return launch, err
	case overlap.Do == job.OverlapSkip:
		return nil, fmt.Errorf("%w: %w", ErrOverlapSkipped, err)
	case overlap.Do == job.OverlapWait:
		return (&queue{engine: e, store: store, watcher: w, bound: time.Duration(overlap.Wait)}).launch(ctx, r, err)
	}
	return nil, err
}

// queue is a launch that waits for running executions of its instance. Of several that wait for the same one, launching
// lets exactly one go on, and the others wait for that.
type queue struct {
	engine  *Engine
	store   *meta.Store
	watcher Watcher
	bound   time.Duration
	told    int64 // the execution that was last said to be waited for
}

// launch waits until nothing of the instance is running, and launches then: what the other execution ended with decides
// anew. reason is the refusal of the first try.
func (q *queue) launch(ctx context.Context, r meta.Request, reason error) (*meta.Launch, error) {
	until := q.engine.Now().Add(q.bound)
	for {
		if err := q.await(ctx, reason, until); err != nil {
			return nil, err
		}
		if err := q.follow(ctx, &r); err != nil {
			return nil, err
		}
		launch, err := q.store.Launch(ctx, r)
		if !errors.Is(err, batch.ErrRunning) {
			return launch, err
		}
		reason = err
	}
}

// follow makes a restart go on with what others have made of the instance meanwhile.
func (q *queue) follow(ctx context.Context, r *meta.Request) error {
	if r.Restart == 0 {
		return nil
	}
	details, err := q.store.Execution(ctx, r.Restart)
	if err == nil {
		r.Restart = details.Newest
	}
	return err
}

// queuePoll is how often a waiting run looks whether the other execution has ended.
const queuePoll = 100 * time.Millisecond

// await returns nil when the execution that stands in the way has ended, or its process has died.
func (q *queue) await(ctx context.Context, reason error, until time.Time) error {
	var refusal *meta.Refusal
	errors.As(reason, &refusal)
	q.tell(refusal)
	for {
		left := until.Sub(q.engine.Now())
		if left <= 0 {
			return q.givenUp(reason)
		}
		select {
		case <-q.watcher.Stop:
			return batch.ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-q.engine.After(min(queuePoll, left)):
		}
		if refusal == nil || refusal.Execution == 0 {
			return nil // somebody is just starting or ending: a launch finds out who
		}
		running, err := q.store.Running(ctx, refusal.Execution)
		if err != nil || !running {
			return err
		}
	}
}

// tell says for whom the run waits, once for each execution.
func (q *queue) tell(refusal *meta.Refusal) {
	if refusal == nil || refusal.Execution == 0 || refusal.Execution == q.told {
		return
	}
	q.told = refusal.Execution
	q.watcher.Observer.Observe(batch.Waiting{Execution: refusal.Execution,
		Message: fmt.Sprintf("%s; waiting until it has ended, for %s at most", refusal.Message, shortest(q.bound))})
}

func (q *queue) givenUp(reason error) error {
	return fault.Wrap(fault.Environment, reason, "waited for %s", shortest(q.bound)).WithCode("running").
		WithHint("wait longer with --wait-lock, or stop the other execution with batchctl stop")
}

// shortest writes a duration without units that are zero: 10m instead of 10m0s.
func shortest(d time.Duration) string {
	text := d.String()
	if trimmed, ok := strings.CutSuffix(text, "m0s"); ok {
		text = trimmed + "m"
	}
	if trimmed, ok := strings.CutSuffix(text, "h0m"); ok {
		text = trimmed + "h"
	}
	return text
}
