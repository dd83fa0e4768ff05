package runner

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"batchctl/pkg/batch"
)

// span is a range of ordinals of inputs: above From, up to and with To.
type span struct {
	From, To int64
}

// MarshalJSON writes the span as two numbers.
func (s span) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{s.From, s.To}) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *span) UnmarshalJSON(raw []byte) error {
	var ends [2]int64
	err := json.Unmarshal(raw, &ends)
	s.From, s.To = ends[0], ends[1]
	return err
}

// spans are ranges in rising order, apart from each other.
type spans []span

// add joins a range.
func (s spans) add(one span) spans {
	all := append(slices.Clone(s), one)
	slices.SortFunc(all, func(a, b span) int { return int(a.From - b.From) })
	joined := all[:1]
	for _, next := range all[1:] {
		last := &joined[len(joined)-1]
		if next.From <= last.To {
			last.To = max(last.To, next.To)
		} else {
			joined = append(joined, next)
		}
	}
	return joined
}

// above leaves out what lies at or below an ordinal.
func (s spans) above(ordinal int64) spans {
	var kept spans
	for _, one := range s {
		if one.To > ordinal {
			kept = append(kept, span{max(one.From, ordinal), one.To})
		}
	}
	return kept
}

func (s spans) hold(ordinal int64) bool {
	return slices.ContainsFunc(s, func(one span) bool { return ordinal > one.From && ordinal <= one.To })
}

// marks say how far the lanes of a step have come together, while their chunks commit in any order. The low-water mark is
// the last input before which everything is committed. Every lane keeps, in its own row, the mark as it was known when it
// committed, with the reader's state there, and the ranges above it that it has committed itself. So a restart begins at
// the highest mark of any row, and passes over what any row says is done above it.
type marks struct {
	kind  string // of the reader
	ahead int64  // how many chunks may be handed out above the mark: it bounds the ranges

	mu      sync.Mutex
	next    int64 // the chunk that the mark stands before
	ordinal int64 // of the mark
	state   batch.State
	pending map[int64]*work // committed above the mark
	own     map[int]spans   // of the lanes
	moved   chan struct{}   // closed, and made anew, when the mark moves
}

func newMarks(kind string, workers int, low lowWater, own map[int]spans) *marks {
	return &marks{
		kind: kind, ahead: int64(16 * workers), ordinal: low.ordinal, state: low.state,
		pending: map[int64]*work{}, own: own, moved: make(chan struct{}),
	}
}

// covering returns what a lane's row is to say when it commits a chunk.
func (m *marks) covering(lane int, w *work) (ordinal int64, reader batch.State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ordinal, state := m.ordinal, m.state
	for at := m.next; at == w.number || m.pending[at] != nil; at++ {
		covered := w
		if at != w.number {
			covered = m.pending[at]
		}
		ordinal, state = covered.ordinal, covered.reader
	}
	done := m.own[lane].add(span{w.first, w.ordinal}).above(ordinal)
	reader, err = keptState{Kind: m.kind, State: state, Done: done}.text()
	return ordinal, reader, err
}

// committed notes that a lane has committed a chunk, or that there was nothing of it to commit.
func (m *marks) committed(lane int, w *work) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending[w.number] = &work{number: w.number, ordinal: w.ordinal, reader: w.reader}
	for m.pending[m.next] != nil {
		m.ordinal, m.state = m.pending[m.next].ordinal, m.pending[m.next].reader
		delete(m.pending, m.next)
		m.next++
	}
	m.own[lane] = m.own[lane].add(span{w.first, w.ordinal}).above(m.ordinal)
	close(m.moved)
	m.moved = make(chan struct{})
}

// await waits until a chunk may be handed out.
func (m *marks) await(ctx context.Context, number int64) {
	for {
		m.mu.Lock()
		moved, free := m.moved, number < m.next+m.ahead
		m.mu.Unlock()
		if free {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// end returns the mark.
func (m *marks) end() (ordinal int64, reader batch.State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reader, err = ofKind(m.kind, m.state)
	return m.ordinal, reader, err
}

// lowWater is where the rows of all lanes together say that a restart has to begin, and what above is done.
type lowWater struct {
	ordinal int64
	state   batch.State
	done    spans
}

// lowest reads the rows of all lanes. own are the ranges of each.
func lowest(kind string, lanes []batch.Checkpoint) (low lowWater, own map[int]spans, err error) {
	own = map[int]spans{}
	first := true
	for i, at := range lanes {
		kept, err := stateFor("reader", kind, at.Reader)
		if err != nil {
			return low, nil, err
		}
		own[i] = kept.Done
		if first || at.Ordinal > low.ordinal {
			low.ordinal, low.state, first = at.Ordinal, kept.State, false
		}
	}
	for _, ranges := range own {
		for _, one := range ranges.above(low.ordinal) {
			low.done = low.done.add(one)
		}
	}
	return low, own, nil
}
