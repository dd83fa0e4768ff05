package batchtest

import (
	"errors"
	"io"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// step is what one Read did: a row and its origin, or the error of a bad record.
type step struct {
	row    string
	source string
	line   int64
	raw    string
	err    error
}

// chunkSize is how many records the suite reads before it releases the chunk, so that a reader that keeps memory of the
// chunk is seen with the build tag poison.
const chunkSize = 3

// readAll opens a new reader at a state and reads it to the end.
func readAll(t *testing.T, source func() batch.Reader, from batch.State) []step {
	t.Helper()
	r := source()
	defer closeReader(t, r)
	open(t, r, from)
	return readRest(t, r)
}

func open(t *testing.T, r batch.Reader, from batch.State) {
	t.Helper()
	if err := r.Open(t.Context(), from); err != nil {
		t.Fatalf("open at %s: %v", from, err)
	}
}

func closeReader(t *testing.T, r batch.Reader) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func stateOf(t *testing.T, r batch.Reader) batch.State {
	t.Helper()
	s, err := r.State()
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	return s
}

// readRest reads to the end.
func readRest(t *testing.T, r batch.Reader) []step {
	t.Helper()
	steps, ended := readSome(t, r, 1<<20)
	if !ended {
		t.Fatalf("no end after %d records", len(steps))
	}
	return steps
}

// readSome reads up to n records, good or bad, and reports whether the end was met.
func readSome(t *testing.T, r batch.Reader, n int) (steps []step, ended bool) {
	t.Helper()
	var chunk record.Chunk
	for len(steps) < n {
		if chunk.In.Len() == chunkSize {
			chunk.Reset()
		}
		s, end := readOne(t, r, &chunk)
		if end {
			return steps, true
		}
		steps = append(steps, s)
	}
	return steps, false
}

func readOne(t *testing.T, r batch.Reader, chunk *record.Chunk) (s step, end bool) {
	t.Helper()
	before := chunk.In.Len()
	err := r.Read(t.Context(), chunk)
	if err == nil {
		if chunk.In.Len() != before+1 || len(chunk.Origins) != before+1 {
			t.Fatalf("one Read made %d rows and %d origins", chunk.In.Len()-before, len(chunk.Origins)-before)
		}
		o := chunk.Origins[before]
		return step{row: Render(chunk.In.Row(before)), source: o.Source, line: o.Line, raw: strings.Clone(o.Raw)}, false
	}
	if chunk.In.Len() != before || len(chunk.Origins) != before {
		t.Fatalf("a Read with the error %q left %d rows and %d origins behind", err, chunk.In.Len()-before, len(chunk.Origins)-before)
	}
	if errors.Is(err, io.EOF) {
		return step{}, true
	}
	if !fault.ClassOf(err).Data() {
		t.Fatalf("read: %v (class %s)", err, fault.ClassOf(err))
	}
	s = step{err: err}
	if bad := (*batch.BadRecord)(nil); errors.As(err, &bad) {
		s.source, s.line, s.raw = bad.Origin.Source, bad.Origin.Line, strings.Clone(bad.Origin.Raw)
	}
	return s, false
}

// describe returns all of a step that a restart has to repeat.
func (s step) describe() string {
	if s.err != nil {
		return "error: " + s.err.Error() + " in " + s.raw
	}
	return s.row + " from " + s.source + " " + itoa(s.line) + " " + s.raw
}

func compareSteps(t *testing.T, got, want []step) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if g, w := got[i].describe(), want[i].describe(); g != w {
			t.Fatalf("record %d:\n got %s\nwant %s", i+1, g, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

func compareRows(t *testing.T, got []step, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i].row != want[i] {
			t.Fatalf("record %d:\n got %s\nwant %s", i+1, got[i].row, want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

func errorsOf(steps []step) []error {
	var all []error
	for _, s := range steps {
		all = append(all, s.err)
	}
	return all
}

func checkBad(t *testing.T, s step, line int64) {
	t.Helper()
	var bad *batch.BadRecord
	if !errors.As(s.err, &bad) {
		t.Errorf("%v: not a batch.BadRecord", s.err)
		return
	}
	if bad.Origin.Raw != s.raw {
		t.Errorf("%v: its raw text %q became %q when the chunk was released", s.err, s.raw, bad.Origin.Raw)
	}
	if line == 0 {
		return
	}
	if got := fault.PositionOf(s.err).Line; int64(got) != line {
		t.Errorf("%v: position names line %d, want %d", s.err, got, line)
	}
	if !strings.Contains(s.err.Error(), ":"+itoa(line)) {
		t.Errorf("%v: message lacks :%d", s.err, line)
	}
}
