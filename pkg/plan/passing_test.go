package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// passing is a step from file to file with records that nothing is wrong with.
type passing struct {
	name, reader, processors, writer string
	workers                          int
}

func passings() []passing {
	const csv = "{type: csv, path: in.csv, columns: {id: int, amount: decimal, paid_at: datetime, vip: bool}}"
	const fees = `[{filter: 'status == "PAID"'}, {set: {fee: "round(amount * 0.03, 2)"}}]`
	return []passing{
		{"csv to csv", csv, "[]", "{type: csv, path: out.csv}", 1},
		{"csv to csv, with fees", csv, fees, "{type: csv, path: out.csv}", 1},
		{"csv to csv, with fees, two workers", csv, fees, "{type: csv, path: out.csv}", 2},
		{"csv to jsonl, with fees", csv, fees, "{type: jsonl, path: out.jsonl}", 1},
		{"jsonl to csv", "{type: jsonl, path: in.jsonl}", "[]", "{type: csv, path: out.csv}", 1},
		{"jsonl to json, with fees", "{type: jsonl, path: in.jsonl}", fees, "{type: json, path: out.json}", 1},
	}
}

// place is a folder with the job and so many records, which are a third quoted in CSV and escaped in JSON.
func (s passing) place(tb testing.TB, chunk, records int) *crashPlace {
	tb.Helper()
	p := &crashPlace{folder: tb.TempDir()}
	p.write(tb, "job.yaml", fmt.Sprintf("job: passing\nsteps:\n  - name: load\n    chunk: %d\n    workers: %d\n    reader: %s\n    processors: %s\n    writer: %s\n",
		chunk, s.workers, s.reader, s.processors, s.writer))
	var csv, jsonl strings.Builder
	csv.WriteString("id,status,amount,paid_at,vip,memo\n")
	for i := range records {
		status, memo, escaped := "PAID", "web order by card", "web order by card"
		if i%4 == 0 {
			status = "REFUNDED"
		}
		if i%3 == 0 {
			memo, escaped = `"배송 전, ""연락"" 바랍니다"`, `배송 전, \"연락\" 바랍니다`
		}
		fmt.Fprintf(&csv, "%d,%s,%d.50,2026-11-20T10:11:%02dZ,true,%s\n", i, status, i, i%60, memo)
		fmt.Fprintf(&jsonl, `{"id":%d,"status":"%s","amount":%d.50,"paid_at":"2026-11-20T10:11:%02dZ","vip":true,"memo":"%s"}`+"\n", i, status, i, i%60, escaped)
	}
	p.write(tb, "in.csv", csv.String())
	p.write(tb, "in.jsonl", jsonl.String())
	return p
}

func (s passing) run(tb testing.TB, p *crashPlace, records int) {
	tb.Helper()
	e := p.engine(nil)
	e.Now, e.instruments.everyChunk = time.Now, false
	outcome, err := e.Run(tb.Context(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
	if err != nil {
		tb.Fatal(err)
	}
	if got := outcome.Execution.Steps[0].Total.Read; got != int64(records) {
		tb.Fatalf("%s: %d of %d records were read", s.name, got, records)
	}
}

// What a whole job allocates, from file to file, depends on how many chunks it has, not on how many records are in them.
func TestRecordsPassFromFileToFileWithoutAllocations(t *testing.T) {
	const chunks, small, large = 30, 100, 1100
	for _, s := range passings() {
		allocations := func(chunk int) float64 {
			p := s.place(t, chunk, chunks*chunk)
			return testing.AllocsPerRun(2, func() { s.run(t, p, chunks*chunk) })
		}
		few, many := allocations(small), allocations(large)
		if each := (many - few) / (chunks * (large - small)); each > 0.05 { // buffers grow with chunks
			t.Errorf("%s: %.3f allocations a record: %v with chunks of %d, %v with chunks of %d", s.name, each, few, small, many, large)
		}
	}
}

func BenchmarkFileToFile(b *testing.B) {
	const records = 100_000
	for _, s := range passings() {
		b.Run(strings.ReplaceAll(s.name, ",", ""), func(b *testing.B) {
			p := s.place(b, 1000, records)
			b.ReportAllocs()
			for b.Loop() {
				s.run(b, p, records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
		})
	}
}
