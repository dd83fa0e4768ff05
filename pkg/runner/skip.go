package runner

import (
	"errors"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// skipped is a record that is left out of a chunk.
type skipped struct {
	ordinal int64
	phase   batch.SkipPhase
	input   int           // index into the chunk's inputs; -1 for a record that could not be read
	origin  record.Origin // of a record that could not be read; its texts are its own
	err     error
}

// skipRead leaves a record out that could not be read.
func (w *work) skipRead(ordinal int64, err error) {
	s := skipped{ordinal: ordinal, phase: batch.SkipInRead, input: -1, err: err}
	var bad *batch.BadRecord
	if errors.As(err, &bad) {
		s.origin = bad.Origin
	}
	w.skips = append(w.skips, s)
}

// skipInput leaves an input of the chunk out.
func (w *work) skipInput(phase batch.SkipPhase, input int, err error) {
	w.skips = append(w.skips, skipped{ordinal: w.chunk.Origins[input].Ordinal, phase: phase, input: input, err: err})
}

// skipEvents returns what is to be said of records that a chunk leaves out. It holds nothing of the chunk.
func (s *stream) skipEvents(w *work, skips []skipped) (events []batch.Event) {
	for _, skip := range skips {
		origin := skip.origin
		if skip.input >= 0 {
			origin = w.chunk.Origins[skip.input]
		}
		events = append(events, batch.RecordSkipped{
			Step: s.execution, Ordinal: skip.ordinal, Phase: skip.phase, Source: strings.Clone(origin.Source), Line: origin.Line, Err: reason(skip.err),
		})
	}
	return events
}

// tellSkips says what was left out, now that it is committed.
func (s *stream) tellSkips() {
	for _, event := range s.unsaid {
		s.runner.observe(event)
	}
	s.unsaid = s.unsaid[:0]
}

// tellFailure says that a chunk failed: a request to stop is no failure, nor is the repetition without a refused record.
func (s *stream) tellFailure(err error) {
	if !final(err) && !errors.Is(err, errExcluded) {
		s.runner.observe(batch.ChunkFailed{Step: s.execution, Err: err})
	}
}

// inOrder returns the skips by the place of their records in the input.
func inOrder(skips []skipped) []skipped {
	slices.SortStableFunc(skips, func(a, b skipped) int { return int(a.ordinal - b.ordinal) })
	return skips
}

func countSkips(skips []skipped, phase batch.SkipPhase) int64 {
	n := int64(0)
	for _, s := range skips {
		if s.phase == phase {
			n++
		}
	}
	return n
}
