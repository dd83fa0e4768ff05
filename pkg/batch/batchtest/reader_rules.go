package batchtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// resumeEverywhere stops behind every record, good or bad, and lets a new reader go on from the state.
func resumeEverywhere(t *testing.T, source func() batch.Reader) {
	full := readAll(t, source, nil)
	for k := range len(full) + 1 {
		state := stateAfter(t, source, k)
		rest := readAll(t, source, throughJSON(t, state))
		t.Logf("behind record %d: %s", k, state)
		compareSteps(t, append(full[:k:k], rest...), full)
	}
}

func stateAfter(t *testing.T, source func() batch.Reader, k int) batch.State {
	t.Helper()
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	readSome(t, r, k)
	return stateOf(t, r)
}

// throughJSON writes a state as a database that normalises JSON would give it back: keys sorted, blanks different.
func throughJSON(t *testing.T, state batch.State) batch.State {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(state))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("state %s is not JSON: %v", state, err)
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// openAgain opens one reader again and again without closing it, always with a state older than where it stands.
func openAgain(t *testing.T, source func() batch.Reader) {
	full := readAll(t, source, nil)
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	for k := range full {
		readSome(t, r, k)
		state := stateOf(t, r)
		readSome(t, r, 2)
		open(t, r, state)
		compareSteps(t, readRest(t, r), full[k:])
		open(t, r, nil)
	}
	compareSteps(t, readRest(t, r), full)
}

func statesAreValues(t *testing.T, source func() batch.Reader) {
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	var states, copies []batch.State
	for {
		state := stateOf(t, r)
		states, copies = append(states, state), append(copies, bytes.Clone(state))
		if _, ended := readSome(t, r, 1); ended {
			break
		}
	}
	for i := range states {
		if !bytes.Equal(states[i], copies[i]) {
			t.Errorf("the state behind record %d was changed by a later read:\n got %s\nwant %s", i, states[i], copies[i])
		}
	}
}

func endStaysEnd(t *testing.T, source func() batch.Reader) {
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	readRest(t, r)
	state := stateOf(t, r)
	var chunk record.Chunk
	for range 3 {
		if err := r.Read(t.Context(), &chunk); !errors.Is(err, io.EOF) {
			t.Fatalf("read behind the end: %v, want io.EOF", err)
		}
	}
	if rest := readAll(t, source, state); len(rest) != 0 {
		t.Fatalf("%d records behind the state of the end", len(rest))
	}
}

func closeTwice(t *testing.T, source func() batch.Reader) {
	unopened := source()
	closeReader(t, unopened)
	r := source()
	open(t, r, nil)
	readSome(t, r, 1)
	closeReader(t, r)
	closeReader(t, r)
}

func cancelled(t *testing.T, source func() batch.Reader) {
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	readSome(t, r, 1)
	state := stateOf(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var chunk record.Chunk
	if err := r.Read(ctx, &chunk); !errors.Is(err, context.Canceled) {
		t.Fatalf("read with a cancelled context: %v, want context.Canceled", err)
	}
	if chunk.In.Len() != 0 {
		t.Fatalf("read with a cancelled context made %d rows", chunk.In.Len())
	}
	open(t, r, state)
	compareSteps(t, readRest(t, r), readAll(t, source, nil)[1:])
}

// rowsStay checks that the rows of a chunk stay what they were while more are read into it.
func rowsStay(t *testing.T, source func() batch.Reader) {
	full := readAll(t, source, nil)
	r := source()
	defer closeReader(t, r)
	open(t, r, nil)
	var chunk record.Chunk
	for {
		if _, end := readOne(t, r, &chunk); end {
			break
		}
	}
	for i := range chunk.In.Len() {
		o := chunk.Origins[i]
		s := step{row: Render(chunk.In.Row(i)), source: o.Source, line: o.Line, raw: o.Raw}
		if got, want := s.describe(), full[i].describe(); got != want {
			t.Fatalf("record %d changed while others were read:\n got %s\nwant %s", i+1, got, want)
		}
	}
}

func progressGrows(t *testing.T, source func() batch.Reader) {
	r := source()
	defer closeReader(t, r)
	estimator, can := r.(batch.Estimator)
	if !can {
		t.Skip("the reader has no estimate")
	}
	open(t, r, nil)
	last := int64(0)
	for ended := false; !ended; {
		_, ended = readSome(t, r, 1)
		done, total := estimator.Progress()
		if done < last || total > 0 && done > total {
			t.Fatalf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	}
	if done, total := estimator.Progress(); total > 0 && done != total {
		t.Errorf("progress at the end: %d of %d", done, total)
	}
}

func emptySource(t *testing.T, source func() batch.Reader) {
	if steps := readAll(t, source, nil); len(steps) != 0 {
		t.Fatalf("got %d records of an empty source", len(steps))
	}
	resumeEverywhere(t, source)
	endStaysEnd(t, source)
}
