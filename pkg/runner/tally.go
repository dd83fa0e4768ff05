package runner

import (
	"sync"
	"time"

	"batchctl/pkg/batch"
)

// tally is what the lanes of a step execution have done together. The execution's counters are changed by it alone.
type tally struct {
	mu        sync.Mutex // guards what follows, and the counters of execution
	execution *batch.StepExecution
	group     *group
	base      batch.Counters         // of the attempts before this one
	lanes     map[int]batch.Counters // as committed
	shown     time.Time              // when the observer heard of it
	saved     time.Time              // when the execution was
}

// newTally begins to count behind what the lanes have committed. attempt is what this attempt has done of it already.
func newTally(execution *batch.StepExecution, g *group, lanes []batch.Checkpoint) *tally {
	t := &tally{execution: execution, group: g, lanes: map[int]batch.Counters{}}
	attempt := execution.Counters
	attempt.Rollback = 0
	for i, at := range lanes {
		t.lanes[i] = at.Counters
		g.set(t.name(i), at.Counters)
	}
	t.base = t.total().Sub(attempt)
	t.settle()
	return t
}

func (t *tally) total() batch.Counters {
	var sum batch.Counters
	for _, c := range t.lanes {
		sum = sum.Add(c)
	}
	return sum
}

func (t *tally) name(lane int) laneName { return laneName{t.execution.Name, lane} }

// settle sets the execution's counters to what is committed.
func (t *tally) settle() {
	t.execution.Total = t.total()
	t.execution.Counters = t.execution.Total.Sub(t.base).Add(batch.Counters{Rollback: t.execution.Counters.Rollback})
}

// committed notes what a lane has committed.
func (t *tally) committed(lane int, c batch.Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lanes[lane] = c
	t.group.set(t.name(lane), c)
	t.settle()
}

// written notes what a lane has written, and not committed yet.
func (t *tally) written(lane int, c batch.Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.execution.Total = t.total().Sub(t.lanes[lane]).Add(c)
}

// undone forgets what was written and not committed.
func (t *tally) undone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.execution.Total = t.total()
}

// restarted begins again from nothing.
func (t *tally) restarted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for lane := range t.lanes {
		t.group.set(t.name(lane), batch.Counters{})
	}
	clear(t.lanes)
	t.base = batch.Counters{}
	t.settle()
}

// rolledBack counts an attempt that was undone.
func (t *tally) rolledBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.execution.Counters.Rollback++
}

// allow returns an error where a lane that comes to have counted c would make the step skip too much.
func (t *tally) allow(lane int, c batch.Counters, limit Skip, skips []skipped) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.group.allow(t.name(lane), c, limit, skips)
}

// due reports what of the showing is to be done now, and that it is being done.
func (t *tally) due(now time.Time) (show, save bool, total batch.Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if show = now.Sub(t.shown) >= showEvery; show {
		t.shown = now
	}
	if save = now.Sub(t.saved) >= saveEvery; save {
		t.saved = now
	}
	return show, save, t.total()
}

// took notes what the time was spent on.
func (t *tally) took(times batch.Times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.execution.Times = times
}

// whileStill calls fn while nothing changes the execution.
func (t *tally) whileStill(fn func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fn()
}
