package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/runner"
)

// chunkScene is a scenario of group D2: records through one step into table t.
type chunkScene struct {
	name    string
	input   string // ids; one that is no number cannot be read
	chunk   int
	refused string // by the table
	process string // processors
	writer  string // "" is the table itself
	keys    string // of the step: retry, skip
	fails   string // what the error says; "" completes
	counts  string
	rows    string
	letters string // ordinal:phase of each
	writes  string // what the writer was handed, where it matters
	again   string // counters of a restart; "" where there is none
}

const skipAll = "skip: {limit: 100}"

func chunkScenes() []chunkScene {
	return []chunkScene{
		{name: "D2.13 every record is read, written and committed once", input: "1 2 3 4 5", chunk: 2,
			counts: "r5 w5 c3", rows: "1 2 3 4 5", writes: "1,2|3,4|5"},
		{name: "D2.13 a last full chunk is followed by no empty commit", input: "1 2 3 4", chunk: 2,
			counts: "r4 w4 c2", rows: "1 2 3 4", writes: "1,2|3,4"},
		{name: "D2.14 without skip the first bad record fails the step, and nothing of its chunk is written", input: "1 2 3 4 5", chunk: 2,
			refused: "2", fails: "in.csv", counts: "rb1", rows: "", writes: "1,2"},
		{name: "D2.15 skips in reading and writing under the limit complete", input: "1 2 f 4 f 6", chunk: 2, refused: "4",
			keys: "skip: {limit: 3, on: [parse, validation, constraint]}", counts: "r4 w3 c3 rb1 rs2 ws1", rows: "1 2 6", letters: "3:read 4:write 5:read"},
		{name: "D2.16 one skip more than the limit fails, and what was committed stays", input: "1 2 f 4 f 6", chunk: 2, refused: "4",
			keys: "skip: {limit: 1}", fails: "skip limit 1 exceeded", counts: "r2 w2 c1 rb2", rows: "1 2"},
		{name: "D2.17 a skipped read uses up its place in the chunk, without a rollback", input: "1 2 x 4 5 6 x 8 9 10", chunk: 5,
			keys: skipAll, counts: "r8 w8 c2 rs2", rows: "1 2 4 5 6 8 9 10", letters: "3:read 7:read", writes: "1,2,4,5|6,8,9,10"},
		{name: "D2.18 what may not be skipped is not isolated", input: "1 2 3", chunk: 3,
			writer: "{type: fault, at: 2, class: internal, writer: @table}", keys: skipAll, fails: "planned failure",
			counts: "rb1", rows: "", writes: "1,2,3"},
		{name: "D2.19 the undone first attempt leaves no rows", input: "1 2 3", chunk: 2,
			writer: "{type: fault, at: [2, 3], blame: chunk, class: constraint, writer: @table}", keys: skipAll,
			counts: "r3 w1 c2 rb2 ws2", rows: "1", letters: "2:write 3:write"},
		{name: "D2.20 the chunk is divided until the bad records stand alone", input: "1 2 3", chunk: 3,
			writer: "{type: fault, at: [2, 3], blame: chunk, class: constraint, writer: @table}", keys: skipAll,
			counts: "r3 w1 c1 rb1 ws2", rows: "1", letters: "2:write 3:write", writes: "1,2,3|1|2|3"},
		{name: "D2.20 a row that is named is tried alone", input: "1 2 3 4 5 6", chunk: 6,
			writer: "{type: fault, at: [2, 5], class: constraint, writer: @table}", keys: skipAll,
			counts: "r6 w4 c1 rb1 ws2", rows: "1 3 4 6", letters: "2:write 5:write", writes: "1,2,3,4,5,6|1|2|3,4,5,6|3,4|5|6"},
		{name: "D2.21 good records before and behind the bad one are written once", input: "1 2 3 4 5", chunk: 5, refused: "3",
			keys: skipAll, counts: "r5 w4 c1 rb1 ws1", rows: "1 2 4 5", letters: "3:write"},
		{name: "D2.22 a chunk of bad records only completes", input: "1 2 3", chunk: 3, refused: "1 2 3",
			keys: skipAll, counts: "r3 c1 rb1 ws3", rows: "", letters: "1:write 2:write 3:write"},
		{name: "D2.25 the limit of retries counts those after the first attempt", input: "1 2 3", chunk: 3,
			writer: `{type: fault, at: 2, times: 3, code: "40001", writer: @table}`, keys: "retry: {max_retries: 3}",
			counts: "r3 w3 c1 rb3 retry3", rows: "1 2 3", writes: "1,2,3|1,2,3|1,2,3|1,2,3"},
		{name: "D2.25 one failure more than retries fails", input: "1 2 3", chunk: 3,
			writer: `{type: fault, at: 2, runs: 1, code: "40001", writer: @table}`, keys: "retry: {max_retries: 2}",
			fails: "planned failure", counts: "rb3", rows: "", again: "r3 w3 c1"},
		{name: "D2.25 explicit reasons take the place of the default", input: "1 2 3", chunk: 3,
			writer: `{type: fault, at: 2, times: 1, code: "40001", writer: @table}`, keys: "retry: {max_retries: 3, on: [40P01]}",
			fails: "planned failure", counts: "rb1", rows: ""},
		{name: "D2.25 what is fatal is attempted once", input: "1 2 3", chunk: 3,
			writer: "{type: fault, at: 2, class: environment, writer: @table}", keys: "retry: {max_retries: 3, on: [transient, data]}\n    skip: {limit: 3, on: [transient, data]}",
			fails: "planned failure", counts: "rb1", rows: "", writes: "1,2,3"},
		{name: "D2.26 a processor's error that may not be skipped keeps its reason", input: "1 2 3", chunk: 3,
			process: "[fault: {at: 2, class: internal, message: the planned reason}]", keys: skipAll, fails: "in.csv:3: the planned reason", counts: "rb1", rows: ""},
		{name: "D2.26 classes are found through wrapped errors", input: "1 2 3", chunk: 3, refused: "2",
			writer: "{type: all, writers: [{type: fault, every: 99, writer: @table}, {type: discard}]}", keys: "skip: {limit: 1, on: [constraint]}",
			counts: "r3 w2 c1 rb1 ws1", rows: "1 3", letters: "2:write"},
		{name: "D2.27 filtered records are counted one by one", input: "1 2 3 4 5 6 7 8 9 10", chunk: 100,
			process: "[filter: id > 100]", counts: "r10 c1 f10", rows: ""},
		{name: "D2.27 records that all fail in processing are counted one by one", input: "1 2 3 4 5 6 7 8 9 10", chunk: 100,
			process: "[fault: {every: 1}]", keys: skipAll, counts: "r10 c1 ps10", rows: "", letters: "1:process 2:process 3:process 4:process 5:process 6:process 7:process 8:process 9:process 10:process"},
		{name: "D2.27 chunks of filtered records commit", input: "1 2 3 4 5 6 7 8 9 10", chunk: 4,
			process: "[filter: id > 100]", counts: "r10 c3 f10", rows: "", writes: ""},
		{name: "D2.28 the second failure past the limit stops the step, and committed work before it stays", input: "1 2 3 4 5 6", chunk: 2, refused: "2 5",
			keys: "skip: {limit: 1}", fails: "skip limit 1 exceeded", counts: "r4 w3 c2 rb3 ws1", rows: "1 3 4", letters: "2:write"},
		{name: "D2.29 skips in reading and writing are not counted twice", input: "1 x x 4 x 6", chunk: 2, refused: "4",
			keys: "skip: {limit: 4}", counts: "r3 w2 c3 rb1 rs3 ws1", rows: "1 6", letters: "2:read 3:read 4:write 5:read"},
		{name: "D2.29 with a limit of one less the step fails", input: "1 x x 4 x 6", chunk: 2, refused: "4",
			keys: "skip: {limit: 3}", fails: "skip limit 3 exceeded", counts: "r2 w1 c2 rb2 rs2 ws1", rows: "1", letters: "2:read 3:read 4:write"},
		{name: "D2.30 one bad record among five", input: "1 2 3 4 5", chunk: 7, refused: "4",
			keys: "skip: {limit: 2}", counts: "r5 w4 c1 rb1 ws1", rows: "1 2 3 5", letters: "4:write"},
		{name: "D2.30 two bad records among five", input: "1 2 3 4 5", chunk: 7, refused: "2 4",
			keys: "skip: {limit: 2}", counts: "r5 w3 c1 rb1 ws2", rows: "1 3 5", letters: "2:write 4:write"},
		{name: "D2.31 a bad record in processing leaves the others where they are", input: "1 2 3 4 5", chunk: 5,
			process: "[fault: {at: 4}]", keys: skipAll, counts: "r5 w4 c1 ps1", rows: "1 2 3 5", letters: "4:process", writes: "1,2,3,5"},
		{name: "D2.32 retries come first, then what still fails is skipped; the input is read once", input: "1 2 3 4 5 6", chunk: 1,
			writer: "{type: fault, at: [2, 4], class: transient, writer: @table}", keys: "retry: {max_retries: 4}\n    skip: {limit: 2, on: [transient]}",
			counts: "r6 w4 c6 rb10 ws2 retry8", rows: "1 3 5 6", letters: "2:write 4:write"},
		{name: "D2.33 retries without skip run out", input: "1", chunk: 1,
			writer: "{type: fault, at: 1, class: transient, writer: @table}", keys: "retry: {max_retries: 4}",
			fails: "planned failure", counts: "rb5", rows: "", writes: "1|1|1|1|1"},
		{name: "D2.34 a bad write", input: "1 2 3 4 5", chunk: 2, refused: "4", keys: "skip: {limit: 2}",
			counts: "r5 w4 c3 rb1 ws1", rows: "1 2 3 5", letters: "4:write"},
		{name: "D2.34 a bad record in processing", input: "1 2 3 4 5", chunk: 2, process: "[fault: {at: 4}]", keys: "skip: {limit: 2}",
			counts: "r5 w4 c3 ps1", rows: "1 2 3 5", letters: "4:process"},
		{name: "D2.34 a bad read", input: "1 x 3 4 5", chunk: 2, keys: "skip: {limit: 2}",
			counts: "r4 w4 c3 rs1", rows: "1 3 4 5", letters: "2:read"},
		{name: "D2.36 writes that fail twice are tried again", input: "1 2 3 4 5 6 7 8 9 10", chunk: 1,
			writer: "{type: fault, at: 1, times: 2, class: transient, writer: @table}", keys: "retry: {max_retries: 3}",
			counts: "r10 w10 c10 rb2 retry2", rows: "1 2 3 4 5 6 7 8 9 10"},
		{name: "D2.36 a processor that fails twice is tried again in place", input: "1 2 3", chunk: 3,
			process: "[fault: {at: 2, times: 2, class: transient}]", keys: "retry: {max_retries: 3}",
			counts: "r3 w3 c1 retry2", rows: "1 2 3"},
	}
}

func TestSpringScenariosOfChunks(t *testing.T) {
	t.Parallel()
	for _, c := range chunkScenes() {
		eachScene(t, c.name, func(s *scene) { c.play(s) })
	}
}

func (c chunkScene) play(s *scene) {
	s.Helper()
	s.input(c.input)
	s.table(c.refused)
	if c.writer == "" {
		c.writer = "@table"
	}
	letters := ""
	if strings.Contains(c.keys, "skip") {
		letters = "    dead_letter: @letters\n"
	}
	if c.process == "" {
		c.process = "[]"
	}
	s.job(fmt.Sprintf("steps:\n  - name: load\n    chunk: %d\n    reader: @reader\n    processors: %s\n    writer: %s\n    %s\n%s",
		c.chunk, c.process, c.writer, c.keys, letters))
	o, err := s.run()
	switch {
	case c.fails != "":
		s.fails(c.fails)(o, err)
		if limit := strings.HasPrefix(c.fails, "skip limit"); errors.Is(err, runner.ErrSkipLimit) != limit {
			s.Errorf("the error is that of a skip limit: %t, want %t", !limit, limit)
		}
	default:
		s.completes(o, err)
	}
	s.counts(o, strings.TrimSpace(c.counts))
	s.rows(c.rows)
	if c.letters != "" {
		s.letters(c.letters)
	}
	if c.writes != "" {
		s.wrote(c.writes)
	}
	if c.again != "" {
		again, err := s.restart()
		s.counts(s.completes(again, err), c.again)
	}
	sum := batch.Counters{}
	for _, step := range o.Execution.Steps {
		sum = sum.Add(step.Counters)
	}
	if err := sum.Check(); err != nil {
		s.Error(err)
	}
}

// wrote compares what the writer was handed: 1,2|3 are two calls.
func (s *scene) wrote(want string) {
	s.Helper()
	var calls []string
	for _, call := range s.writes {
		calls = append(calls, strings.Join(call, ","))
	}
	if got := strings.Join(calls, "|"); got != want {
		s.Errorf("writes:\n got %s\nwant %s", got, want)
	}
}
