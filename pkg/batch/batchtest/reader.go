// Package batchtest holds the conformance suites of the contracts in package batch. A new reader or writer gets all of
// its suite with one call from its own tests.
package batchtest

import (
	"testing"

	"batchctl/pkg/batch"
)

// ReaderCase describes a kind of reader to the suite. The functions return a new reader each time, not yet opened, over
// a source that stays the same. Sources of 5 to 50 records are best: the suite resumes behind each of them.
type ReaderCase struct {
	New  func() batch.Reader
	Rows []string // the records as Render shows them; nil: not compared
	Size int      // how many records New has, where Rows is nil; 0: not compared

	Empty func() batch.Reader // over a source without records; nil: left out

	Malformed func() batch.Reader // over a source with bad records between good ones; nil: left out
	BadLines  []int64             // the line that each bad record's position names, in order; 0: not compared
	GoodRows  []string            // the good records among them; nil: not compared
}

// Reader runs the suite. It is quick: a few reads of the source for each of its records.
func Reader(t *testing.T, c ReaderCase) {
	t.Helper()
	t.Run("FullRead", c.fullRead)
	t.Run("TwoReadsAreTheSame", func(t *testing.T) { c.twoReads(t, c.New) })
	t.Run("ResumeAfterEveryRecord", func(t *testing.T) { resumeEverywhere(t, c.New) })
	t.Run("OpenAgainWithOlderState", func(t *testing.T) { openAgain(t, c.New) })
	t.Run("StatesAreValues", func(t *testing.T) { statesAreValues(t, c.New) })
	t.Run("EOFStaysEOF", func(t *testing.T) { endStaysEnd(t, c.New) })
	t.Run("CloseTwice", func(t *testing.T) { closeTwice(t, c.New) })
	t.Run("CancelledContext", func(t *testing.T) { cancelled(t, c.New) })
	t.Run("RowsStayWhileMoreAreRead", func(t *testing.T) { rowsStay(t, c.New) })
	t.Run("ProgressGrows", func(t *testing.T) { progressGrows(t, c.New) })
	if c.Empty != nil {
		t.Run("EmptySource", func(t *testing.T) { emptySource(t, c.Empty) })
	}
	if c.Malformed != nil {
		t.Run("MalformedRecord", c.malformed)
		t.Run("ResumeAroundMalformed", func(t *testing.T) { resumeEverywhere(t, c.Malformed) })
	}
}

func (c ReaderCase) fullRead(t *testing.T) {
	steps := readAll(t, c.New, nil)
	for i, s := range steps {
		if s.err != nil {
			t.Fatalf("record %d: %v", i+1, s.err)
		}
	}
	switch {
	case c.Rows != nil:
		compareRows(t, steps, c.Rows)
	case c.Size > 0 && len(steps) != c.Size:
		t.Fatalf("got %d records, want %d", len(steps), c.Size)
	case len(steps) < 2:
		t.Fatalf("got %d records; the suite needs a source with at least two", len(steps))
	}
}

func (c ReaderCase) twoReads(t *testing.T, source func() batch.Reader) {
	compareSteps(t, readAll(t, source, nil), readAll(t, source, nil))
}

func (c ReaderCase) malformed(t *testing.T) {
	var good, bad []step
	for _, s := range readAll(t, c.Malformed, nil) {
		if s.err != nil {
			bad = append(bad, s)
		} else {
			good = append(good, s)
		}
	}
	if len(bad) != len(c.BadLines) {
		t.Fatalf("got %d bad records, want %d: %v", len(bad), len(c.BadLines), errorsOf(bad))
	}
	for i, s := range bad {
		checkBad(t, s, c.BadLines[i])
	}
	if c.GoodRows != nil {
		compareRows(t, good, c.GoodRows)
	}
}
