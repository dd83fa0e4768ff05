package batchtest_test

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// lines is the smallest reader that keeps the contract: its state is the number of lines read. A line "bad" is bad.
type lines struct {
	schema *record.Schema
	text   []string
	next   int
}

func newLines(t *testing.T, text ...string) func() batch.Reader {
	schema, err := record.NewSchema(record.Field{Name: "line", Kind: record.Text})
	if err != nil {
		t.Fatal(err)
	}
	return func() batch.Reader { return &lines{schema: schema, text: text} }
}

func (l *lines) Open(_ context.Context, from batch.State) error {
	l.next = 0
	if from == nil {
		return nil
	}
	return json.Unmarshal(from, &l.next)
}

func (l *lines) Read(ctx context.Context, into *record.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.next == len(l.text) {
		return io.EOF
	}
	line := l.text[l.next]
	l.next++
	origin := record.Origin{Source: "list", Line: int64(l.next), Raw: line}
	if line == "bad" {
		at := fault.Position{File: "list", Line: l.next}
		return &batch.BadRecord{Origin: origin, Err: fault.New(fault.Parse, "a bad line").At(at)}
	}
	into.In.SetSchema(l.schema)
	into.AddInput(1, origin)[0] = record.OfText(into.In.Arena.CopyString(line))
	return nil
}

func (l *lines) State() (batch.State, error) { return batch.State(strconv.Itoa(l.next)), nil }
func (l *lines) Close() error                { return nil }

func TestSuiteHoldsForTheSmallestReader(t *testing.T) {
	t.Parallel()
	batchtest.Reader(t, batchtest.ReaderCase{
		New:       newLines(t, "a", "b", "c", "d", "e"),
		Rows:      []string{`line=text:"a"`, `line=text:"b"`, `line=text:"c"`, `line=text:"d"`, `line=text:"e"`},
		Empty:     newLines(t),
		Malformed: newLines(t, "a", "bad", "c", "bad"),
		BadLines:  []int64{2, 4},
		GoodRows:  []string{`line=text:"a"`, `line=text:"c"`},
	})
}
