package runner

import (
	"sync"

	"batchctl/pkg/batch"
)

// group is the lanes of a step together. Limits are about all of them.
type group struct {
	mu    sync.Mutex
	lanes map[string]batch.Counters
}

// set notes what a lane has counted.
func (g *group) set(lane string, c batch.Counters) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lanes == nil {
		g.lanes = map[string]batch.Counters{}
	}
	g.lanes[lane] = c
}

// allow notes what a lane is about to count, unless all lanes together would then have skipped too much.
func (g *group) allow(lane string, c batch.Counters, limit Skip, skips []skipped) error {
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
	if g.lanes == nil {
		g.lanes = map[string]batch.Counters{}
	}
	g.lanes[lane] = c
	return nil
}
