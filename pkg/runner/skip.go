package runner

import (
	"errors"
	"slices"

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
