package meta

import (
	"errors"
	"iter"
	"maps"
	"sync"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// lanes are what a ledger has claimed of a step. Each holds a connection, and several goroutines ask for theirs.
type lanes[L interface{ close() error }] struct {
	mutex   sync.Mutex
	claimed map[batch.LaneKey]L
}

// take makes a lane the ledger's. One that it had under this key is given up.
func (l *lanes[L]) take(key batch.LaneKey, lane L) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if old, again := l.claimed[key]; again {
		_ = old.close() // nothing on it is to be kept
	}
	if l.claimed == nil {
		l.claimed = map[batch.LaneKey]L{}
	}
	l.claimed[key] = lane
}

// lane returns a lane that this ledger has claimed.
func (l *lanes[L]) lane(key batch.LaneKey) (L, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	lane, claimed := l.claimed[key]
	if !claimed {
		return lane, fault.New(fault.Internal, "lane %d of step %s was never claimed", key.Lane, key.Step)
	}
	return lane, nil
}

// all are the lanes, in no order.
func (l *lanes[L]) all() iter.Seq[L] {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return maps.Values(maps.Clone(l.claimed))
}

// Close gives the connections back. No lane is claimed any more.
func (l *lanes[L]) Close() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var errs []error
	for _, lane := range l.claimed {
		errs = append(errs, lane.close())
	}
	clear(l.claimed)
	return errors.Join(errs...)
}
