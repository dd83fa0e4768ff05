package runner

import (
	"sync"

	"batchctl/pkg/batch"
)

// group is the lanes of a step, and of all its shares, together. Limits are about all of them.
type group struct {
	mu    sync.Mutex
	lanes map[laneName]batch.Counters // as committed, or as a lane is about to commit
}

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
		return err
	}
	g.lanes[lane] = c
	return nil
}
