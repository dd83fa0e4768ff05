package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// conveyor is a reader that does next to nothing, so that what a record costs is the chunk loop's.
type conveyor struct{ at, end int }

func (c *conveyor) Open(context.Context, batch.State) error { return nil }

func (c *conveyor) Read(_ context.Context, into *record.Chunk) error {
	if c.at == c.end {
		return io.EOF
	}
	c.at++
	into.In.SetSchema(numbers)
	row := into.AddInput(1, record.Origin{Source: "conveyor", Line: int64(c.at)})
	row[0] = record.OfInt(int64(c.at))
	return nil
}

func (c *conveyor) State() (batch.State, error) { return json.Marshal(c.at) }
func (c *conveyor) Close() error                { return nil }

// sink is a writer that counts, with a connection or as if it were a file.
type sink struct{ rows int }

func (s *sink) Open(context.Context, batch.State) error { return nil }

func (s *sink) Write(_ context.Context, _ batch.Tx, rows []record.Record) error {
	s.rows += len(rows)
	return nil
}

func (s *sink) State() (batch.State, error)           { return json.Marshal(s.rows) }
func (s *sink) Flush(context.Context, batch.Tx) error { return nil }
func (s *sink) Close() error                          { return nil }

type tableSink struct{ sink }

func (*tableSink) Connection() string { return "db" }

// through passes records on.
type through struct{}

func (through) Bind(in *record.Schema) (*record.Schema, error) { return in, nil }

func (through) Process(_ context.Context, in record.Record, out *record.Batch) error {
	copy(out.Add(len(in.Values), 0), in.Values)
	return nil
}

// loop is a step from a conveyor to a sink.
type loop struct {
	chunk, workers int
	table          bool // rows and checkpoint commit together
	processors     int
}

func (l loop) String() string {
	target := "files"
	if l.table {
		target = "table"
	}
	return fmt.Sprintf("%s/processors=%d/workers=%d", target, l.processors, l.workers)
}

func loops(chunk int) []loop {
	return []loop{
		{chunk: chunk, workers: 1}, {chunk: chunk, workers: 1, table: true},
		{chunk: chunk, workers: 1, processors: 2}, {chunk: chunk, workers: 3, processors: 2},
	}
}

// run passes so many records and returns how many arrived.
func (l loop) run(tb testing.TB, records int) int {
	tb.Helper()
	w, written := newWorld(0), new(sink)
	var writer batch.Writer = written
	if l.table {
		table := new(tableSink)
		writer, written = table, &table.sink
	}
	chain := func() ([]batch.Processor, error) {
		all := make([]batch.Processor, l.processors)
		for i := range all {
			all[i] = through{}
		}
		return all, nil
	}
	step := Step{
		Name: "load", Chunk: l.chunk, Workers: l.workers,
		Claim: func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
			return &memoryLedger{w}, batch.StepKey{Job: "j", Step: "load"}, nil
		},
		Build: func(context.Context, *batch.StepExecution, batch.Checkpoint) (*Components, error) {
			processors, err := chain()
			return &Components{Reader: &conveyor{end: records}, Processors: processors, Writer: writer, Chain: chain}, err
		},
	}
	r := &Runner{
		Repository: &memoryRepository{w}, Observer: &events{}, Stop: make(chan struct{}), CheckpointEvery: time.Second,
		Now: time.Now, After: time.After, Clock: time.Now,
	}
	execution := &batch.JobExecution{ID: 1, Status: batch.Starting}
	if err := r.Run(context.Background(), &Job{Flow: Sequence(step)}, execution); err != nil {
		tb.Fatal(err)
	}
	return written.rows
}

// What a job allocates depends on how many chunks it has, not on how many records are in them.
func TestRecordsPassTheLoopWithoutAllocations(t *testing.T) {
	const chunks, small, large = 40, 100, 1100
	for _, l := range loops(0) {
		allocations := func(chunk int) float64 {
			l.chunk = chunk
			return testing.AllocsPerRun(3, func() {
				if got := l.run(t, chunks*chunk); got != chunks*chunk {
					t.Fatalf("%s: %d of %d records arrived", l, got, chunks*chunk)
				}
			})
		}
		few, many := allocations(small), allocations(large)
		if each := (many - few) / (chunks * (large - small)); each > 0.01 {
			t.Errorf("%s: %.3f allocations a record: %v with chunks of %d, %v with chunks of %d", l, each, few, small, many, large)
		}
	}
}

func BenchmarkChunkLoop(b *testing.B) {
	const records = 200_000
	for _, chunk := range []int{100, 1000} {
		for _, l := range loops(chunk) {
			b.Run(fmt.Sprintf("%s/chunk=%d", l, chunk), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					l.run(b, records)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
			})
		}
	}
}
