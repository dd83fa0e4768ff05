package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/files"
)

// poisons are the ways in which the table refuses a row: amount, name, code and seller of it, and what the letter says.
var poisons = []struct{ what, amount, name, code, seller string }{
	{"check", "-1", "bad", "", "1"},
	{"not null", "1", "", "", "1"},
	{"unique", "1", "bad", "taken", "1"},
	{"foreign key that is looked at when the transaction ends", "1", "bad", "", "99"},
}

// A bad row at every place of a chunk, for every size of chunks up to fifty: chunk k of a load has it at place k, and
// the constraint that it breaks changes from chunk to chunk.
func TestBadRowAtEveryPlaceOfAChunkIsFoundAlone(t *testing.T) {
	t.Parallel()
	sizes := []int{1, 3, 8}
	switch {
	case testing.Short():
		sizes = []int{3}
	case soaking():
		sizes = nil
		for size := 1; size <= 50; size++ {
			sizes = append(sizes, size)
		}
	}
	for _, bulk := range []string{"auto", "never"} {
		eachScene(t, "bulk "+bulk, func(s *scene) {
			if s.driver == "sqlite" && bulk == "never" {
				s.Skip("SQLite has no bulk load")
			}
			for _, size := range sizes {
				s.poison(size, bulk)
			}
		})
	}
}

func (s *scene) poison(size int, bulk string) {
	s.Helper()
	for _, table := range []string{"t", "sellers", "letters", "batchctl_checkpoint"} {
		s.exec("drop table if exists " + table)
	}
	if err := os.RemoveAll(s.folder + "/meta"); err != nil {
		s.Fatal(err)
	}
	s.exec("create table sellers (id integer primary key)")
	s.exec("insert into sellers values (1)")
	s.exec("create table t (id integer primary key, amount integer check (amount >= 0), name text not null, code text unique, " +
		"seller integer references sellers (id) deferrable initially deferred)")
	s.exec("insert into t values (0, 0, 'first', 'taken', 1)")
	var input strings.Builder
	input.WriteString("id,amount,name,code,seller\n")
	good, bad := []string{"0"}, []string(nil)
	for chunk := range size {
		for place := range size {
			id := chunk*size + place + 1
			if place == chunk {
				p := poisons[chunk%len(poisons)]
				fmt.Fprintf(&input, "%d,%s,%s,%s,%s\n", id, p.amount, p.name, p.code, p.seller)
				bad = append(bad, fmt.Sprint(id, ":write"))
				continue
			}
			fmt.Fprintf(&input, "%d,1,n%d,c%d,1\n", id, id, id)
			good = append(good, fmt.Sprint(id))
		}
	}
	s.write("in.csv", input.String())
	s.job(fmt.Sprintf(`steps:
  - name: load
    chunk: %d
    reader: {type: csv, path: in.csv, columns: {id: int, amount: int, seller: int}}
    processors:
      - set:
          name: nullif(name, "")
          code: nullif(code, "")
    writer: {type: sql, connection: shop, table: t, bulk: %s}
    skip: {limit: %d, on: [constraint]}
    dead_letter: @letters
`, size, bulk, size))
	o := s.completes(s.run())
	c := s.step(o, "load").Counters
	if c.Read != int64(size*size) || c.Write != int64(size*size-size) || c.WriteSkip != int64(size) || c.Commit != int64(size) || c.Rollback != int64(size) {
		s.Errorf("chunks of %d: got %s", size, counted(c))
	}
	s.rows(strings.Join(good, " "))
	s.letters(strings.Join(bad, " "))
}

// dice makes the same numbers from the same seed with every version of Go (splitmix64).
type dice struct{ state uint64 }

func (d *dice) roll(n int) int {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// randomJob is a job made by chance, with what one pass over its input leaves behind.
type randomJob struct {
	chunk, records int
	target         string // table, csv, jsonl, both
	input          string
	kills          []int // the operation at which each run but the last is killed; it may end before
	refused        []string
	rows, letters  []string
	counts         batch.Counters
}

func rollJob(d *dice) *randomJob {
	j := &randomJob{chunk: 1 + d.roll(12), records: d.roll(40), target: []string{"table", "csv", "jsonl", "both"}[d.roll(4)]}
	var input strings.Builder
	input.WriteString("id,name\n")
	for id := 1; id <= j.records; id++ {
		kind := "good"
		if d.roll(3) == 0 {
			kind = []string{"unreadable", "unprocessable", "unwritable", "filtered"}[d.roll(4)]
		}
		if kind == "unwritable" && j.target != "table" && j.target != "both" {
			kind = "good"
		}
		j.add(&input, id, kind)
	}
	j.input = input.String()
	for range d.roll(4) {
		j.kills = append(j.kills, 1+d.roll(30+6*j.records))
	}
	return j
}

func (j *randomJob) add(input *strings.Builder, id int, kind string) {
	line := fmt.Sprintf("%d,%s", id, kind)
	letter := map[string]string{"unreadable": "read", "unprocessable": "process", "unwritable": "write"}[kind]
	if letter != "" {
		j.letters = append(j.letters, fmt.Sprintf("%d:%s", id, letter))
	}
	j.counts.Read++
	switch kind {
	case "good":
		j.counts.Write++
		j.rows = append(j.rows, fmt.Sprint(id))
	case "filtered":
		j.counts.Filter++
	case "unprocessable":
		j.counts.ProcessSkip++
	case "unwritable":
		j.counts.WriteSkip++
		j.refused = append(j.refused, fmt.Sprint(id))
	case "unreadable":
		line = fmt.Sprintf("x%d,%s", id, kind)
		j.counts.Read--
		j.counts.ReadSkip++
	}
	input.WriteString(line + "\n")
}

func (j *randomJob) definition() string {
	table, file := "@table", "{type: csv, path: out/a.csv, columns: [id]}"
	writer := map[string]string{
		"table": table, "csv": file, "jsonl": "{type: jsonl, path: out/a.jsonl, columns: [id]}",
		"both": "{type: all, writers: [" + file + ", " + table + "]}",
	}[j.target]
	letters := "@letters"
	if j.target == "csv" || j.target == "jsonl" {
		letters = "{type: csv, path: out/letters.csv, columns: [ordinal, phase]}"
	}
	return fmt.Sprintf(`steps:
  - name: load
    chunk: %d
    reader: @reader
    processors:
      - filter: name != "filtered"
      - fault: {when: name == "unprocessable"}
    writer: %s
    skip: {limit: 1000}
    dead_letter: %s
`, j.chunk, writer, letters)
}

// play runs the job through its kills to its end, and returns how that differs from one pass.
func (j *randomJob) play(s *scene) (killed int) {
	s.Helper()
	s.write("in.csv", j.input)
	s.table(strings.Join(j.refused, " "))
	s.job(j.definition())
	var o *Outcome
	var err error
	for i := 0; i <= len(j.kills); i++ {
		if i < len(j.kills) {
			s.killed(j.kills[i])
		}
		last := o
		if o, err = s.run(); err == nil {
			break
		}
		if errors.Is(err, batch.ErrComplete) { // it died after its last record was made
			o, err = last, nil
			break
		}
		killed++
	}
	s.completes(o, err)
	total := o.Execution.Steps[len(o.Execution.Steps)-1].Total
	total.Commit, total.Rollback, total.Retry = 0, 0, 0
	if total != j.counts {
		s.Errorf("counters:\n got %s\nwant %s", counted(total), counted(j.counts))
	}
	j.compare(s)
	return killed
}

func (j *randomJob) compare(s *scene) {
	s.Helper()
	lines := func(head string, items []string, format string) string {
		for _, item := range items {
			head += fmt.Sprintf(format, item)
		}
		return head
	}
	switch j.target {
	case "csv", "both":
		s.file("out/a.csv", lines("id\n", j.rows, "%s\n"))
	case "jsonl":
		s.file("out/a.jsonl", lines("", j.rows, "{\"id\":%s}\n"))
	}
	if j.target == "table" || j.target == "both" {
		s.rows(strings.Join(j.rows, " "))
		if len(j.letters) > 0 {
			s.letters(strings.Join(j.letters, " "))
		}
		return
	}
	head := "ordinal,phase\n"
	s.file("out/letters.csv", strings.ReplaceAll(lines(head, j.letters, "%s\n"), ":", ","))
}

// killed has the next run killed at one of its operations.
func (s *scene) killed(operation int) {
	fuse := batchtest.NewFuse(operation, batchtest.Kill)
	s.tune = func(e *Engine) {
		e.instruments.reader, e.instruments.writer = fuse.Reader, fuse.Writer
		e.instruments.ledger, e.instruments.repository = fuse.Ledger, fuse.Repository
		e.instruments.disk = files.Hooked(fuse.File)
		s.tune = nil
	}
}

// Whatever the size of the chunks, whatever is bad, and however often the process dies: the end is that of one pass.
func TestRandomJobsEndAsInOnePass(t *testing.T) {
	t.Parallel()
	jobs, seed := 30, uint64(20261120)
	switch {
	case testing.Short():
		jobs = 5
	case soaking():
		jobs, seed = 10_000, rand.Uint64()
	}
	begin, killed := time.Now(), 0
	for i := range jobs {
		name := fmt.Sprintf("seed %d", seed+uint64(i))
		d := &dice{state: seed + uint64(i)}
		if !t.Run(name, func(t *testing.T) { killed += rollJob(d).play(newScene(t)) }) && i > 20 {
			break
		}
	}
	if killed < jobs/5 {
		t.Errorf("only %d runs of %d jobs were killed", killed, jobs)
	}
	t.Logf("%d jobs, %d killed runs, %s", jobs, killed, time.Since(begin).Round(time.Millisecond))
}
