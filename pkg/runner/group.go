package runner

import (
	"fmt"
	"sync"

	"batchctl/pkg/batch"
)

// group is the lanes of a step, and of all its shares, together. Limits are about all of them.
type group struct {
	mu    sync.Mutex
	lanes map[laneName]batch.Counters // as committed, or as a lane is about to commit
	over  bool                        // a lane was told that all together skip too much
}

// errOver stops the lanes beside the one that was told first that all together skip too much: that one says so.
var errOver = fmt.Errorf("the step skips too many records: %w", batch.ErrStopped)

type laneName struct {
	step string // STEP, or STEP:SHARE
	lane int
}

func newGroup() *group { return &group{lanes: map[laneName]batch.Counters{}} }

// set notes what a lane has counted.
func (g *group) set(lane laneName, c batch.Counters) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lanes[lane] = c
}

// allow notes what a lane is about to count, unless all lanes together would then have skipped too much.
func (g *group) allow(lane laneName, c batch.Counters, limit Skip, skips []skipped) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := c
	for name, other := range g.lanes {
		if name != lane {
			sum = sum.Add(other)
		}
	}
	if err := limit.check(sum, skips); err != nil {
		if g.over {
			return errOver
		}
		g.over = true
		return err
	}
	g.lanes[lane] = c
	return nil
}
