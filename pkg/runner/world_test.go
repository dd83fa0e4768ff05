package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// world is what survives a crash: the target's rows and checkpoint, the files, the job repository. It is kept in memory,
// so that a job can be crashed at every point in milliseconds.
type world struct {
	mu          sync.Mutex
	input       []int
	rows        []int // committed rows of the target database
	partial     []int // rows of the unfinished file
	synced      int   // how many rows of partial a power cut leaves
	published   []int // rows of the published file, nil before
	checkpoint  batch.Checkpoint
	steps       []*batch.StepExecution
	execution   *batch.JobExecution
	fuse        int // operations until the crash, negative: none
	operations  int
	hiccup      int          // this operation, from 1, fails in a way that passes; 0: none
	reordered   string       // for the controls: "before" or "after"
	failRead    int          // reading this record fails
	failProcess int          // processing this record fails
	badRead     map[int]bool // records that cannot be read
	badProcess  map[int]bool // records that cannot be processed
	badRow      map[int]bool // rows that the table refuses
	blames      bool         // the table says which row it refuses
	transient   int          // so many writes fail and would pass when tried again
	letters     []string     // letters in the published, or unfinished, file
	writes      []int        // the sizes of the calls of Write
	stopAfter   int          // somebody asks for a stop when so many step executions were saved; 0: nobody
	saves       int
}

var errCrash = errors.New("crash")

// op counts an operation; once the fuse is burnt every operation fails, as if the process were dead.
func (w *world) op() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.operations++
	if w.fuse >= 0 {
		if w.fuse == 0 {
			return errCrash
		}
		w.fuse--
	}
	if w.operations == w.hiccup {
		return fault.New(fault.Transient, "connection lost")
	}
	return nil
}

func newWorld(n int) *world {
	w := &world{fuse: -1, failRead: -1, failProcess: -1}
	for i := range n {
		w.input = append(w.input, i)
	}
	return w
}

// reboot is a new process on what is left.
func (w *world) reboot() {
	w.fuse = -1
	w.partial = w.partial[:min(w.synced, len(w.partial))]
	for _, s := range w.steps {
		if s.Status.Running() {
			s.Status = batch.Failed
		}
	}
}

var numbers, _ = record.NewSchema(record.Field{Name: "n", Kind: record.Int})

type memoryReader struct {
	w  *world
	at int
}

func (m *memoryReader) Open(_ context.Context, from batch.State) error {
	m.at = 0
	if from != nil {
		return json.Unmarshal(from, &m.at)
	}
	return m.w.op()
}

func (m *memoryReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.w.op(); err != nil {
		return err
	}
	if m.at == len(m.w.input) {
		return io.EOF
	}
	if m.at == m.w.failRead {
		return errors.New("bad sector")
	}
	if m.w.badRead[m.at] {
		m.at++
		return &batch.BadRecord{Origin: record.Origin{Source: "numbers.txt", Line: int64(m.at), Raw: "?"},
			Err: fault.New(fault.Parse, "not a number").At(fault.Position{File: "numbers.txt", Line: m.at})}
	}
	into.In.SetSchema(numbers)
	row := into.AddInput(1, record.Origin{Source: "numbers.txt", Line: int64(m.at + 1)})
	row[0] = record.OfInt(int64(m.w.input[m.at]))
	m.at++
	return nil
}

func (m *memoryReader) State() (batch.State, error) { return json.Marshal(m.at) }
func (m *memoryReader) Close() error                { return nil }

// odd drops even numbers, and doubles what is left into two rows where twice is set.
type odd struct {
	w     *world
	twice bool
}

func (o *odd) Bind(in *record.Schema) (*record.Schema, error) { return in, nil }

func (o *odd) Process(_ context.Context, in record.Record, out *record.Batch) error {
	n := in.At(0).Int()
	if int(n) == o.w.failProcess {
		return errors.New("bad number")
	}
	if o.w.badProcess[int(n)] {
		return fault.New(fault.Validation, "rule failed")
	}
	if n%2 == 0 {
		return nil
	}
	out.Add(1, 0)[0] = in.At(0)
	if o.twice {
		out.Add(1, 0)[0] = record.OfInt(-n)
	}
	return nil
}

type memoryTx struct {
	w     *world
	rows  []int
	marks []int
	late  func() error // what the table says at the commit; nil where it has said everything

	committed func() // called then; nil: nobody is to know
}

func (m *memoryTx) Savepoint(context.Context) error {
	m.marks = append(m.marks, len(m.rows))
	return m.w.op()
}

func (m *memoryTx) RollbackTo(context.Context) error {
	m.rows = m.rows[:m.marks[len(m.marks)-1]]
	return m.w.op()
}

func (m *memoryTx) Release(context.Context) error {
	m.marks = m.marks[:len(m.marks)-1]
	return m.w.op()
}

func (m *memoryTx) CheckDeferred(context.Context) error { return nil }

// tableWriter writes into the world's database; rows are visible when the ledger commits.
type tableWriter struct{ w *world }

func (t *tableWriter) Open(context.Context, batch.State) error { return t.w.op() }
func (t *tableWriter) Write(_ context.Context, tx batch.Tx, rows []record.Record) error {
	if err := t.w.op(); err != nil {
		return err
	}
	t.w.writes = append(t.w.writes, len(rows))
	for i, r := range rows {
		if err := t.w.refuse(int(r.At(0).Int()), i); err != nil {
			return err
		}
		tx.(*memoryTx).rows = append(tx.(*memoryTx).rows, int(r.At(0).Int()))
	}
	return t.w.op()
}
func (t *tableWriter) State() (batch.State, error)           { return nil, nil }
func (t *tableWriter) Flush(context.Context, batch.Tx) error { return t.w.op() }
func (t *tableWriter) Close() error                          { return nil }
func (t *tableWriter) Connection() string                    { return "db" }

// lateWriter is a tableWriter that makes rows ready ahead, and whose table says at the commit what it refuses.
type lateWriter struct {
	tableWriter
	sent  readied // with the commit before them; nil where none were
	early int     // how often they were
	pause time.Duration
}

// readied is the rows that were made ready.
type readied []int

func (r *readied) Prepare(rows []record.Record) {
	*r = (*r)[:0]
	for _, row := range rows {
		*r = append(*r, int(row.At(0).Int()))
	}
}

func (l *lateWriter) NewAhead() batch.Ahead { return new(readied) }

func (l *lateWriter) WriteLast(_ context.Context, tx batch.Tx, rows []record.Record, ahead batch.Ahead, next func() batch.Ahead, ended func()) error {
	if err := l.w.op(); err != nil {
		return err
	}
	l.w.writes = append(l.w.writes, len(rows))
	var now readied
	if now.Prepare(rows); !slices.Equal(now, *ahead.(*readied)) {
		return fmt.Errorf("the rows %v come where %v were made ready", now, *ahead.(*readied))
	}
	if l.sent != nil && !slices.Equal(now, l.sent) {
		return fmt.Errorf("the rows %v come where %v were sent", now, l.sent)
	}
	l.sent = nil
	t := tx.(*memoryTx)
	t.rows = append(t.rows, now...)
	t.committed = func() {
		time.Sleep(l.pause)
		if rows := next(); rows != nil {
			l.sent = slices.Clone(*rows.(*readied))
			l.early++
		}
	}
	t.late = func() error {
		ended()
		for i, n := range now {
			if err := l.w.refuse(n, i); err != nil {
				return err
			}
		}
		return nil
	}
	return l.w.op()
}

// fileWriter writes into the world's file.
type fileWriter struct{ w *world }

func (f *fileWriter) Open(_ context.Context, from batch.State) error {
	size := 0
	if from != nil {
		if err := json.Unmarshal(from, &size); err != nil {
			return err
		}
	}
	if f.w.published == nil && size > len(f.w.partial) {
		return batch.ErrOutputLost
	}
	if f.w.published == nil {
		f.w.partial = f.w.partial[:size]
	}
	return f.w.op()
}

func (f *fileWriter) Write(_ context.Context, _ batch.Tx, rows []record.Record) error {
	for _, r := range rows {
		if err := f.w.op(); err != nil {
			return err
		}
		f.w.partial = append(f.w.partial, int(r.At(0).Int()))
	}
	return f.w.op()
}

func (f *fileWriter) State() (batch.State, error) { return json.Marshal(len(f.w.partial)) }

func (f *fileWriter) Flush(context.Context, batch.Tx) error {
	if err := f.w.op(); err != nil {
		return err
	}
	f.w.synced = len(f.w.partial)
	return f.w.op()
}

func (f *fileWriter) Close() error { return nil }

func (f *fileWriter) Finish(context.Context) error {
	if err := f.w.op(); err != nil {
		return err
	}
	f.w.partial = append(f.w.partial, 999999)
	return nil
}

func (f *fileWriter) Publish(context.Context) error {
	if err := f.w.op(); err != nil {
		return err
	}
	if f.w.published == nil {
		f.w.published = slices.Clone(f.w.partial)
	}
	return f.w.op()
}

// memoryLedger commits rows and checkpoint together, or for the controls one after the other.
type memoryLedger struct{ w *world }

func (l *memoryLedger) Claim(context.Context, batch.StepKey, int) ([]batch.Checkpoint, error) {
	l.w.checkpoint.Epoch++
	return []batch.Checkpoint{l.w.checkpoint}, l.w.op()
}

func (l *memoryLedger) Commit(_ context.Context, _ batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	tx := &memoryTx{w: l.w}
	cp, err := fn(tx)
	if err != nil {
		return cp, err
	}
	if tx.late != nil {
		if err := tx.late(); err != nil {
			return cp, err
		}
	}
	cp.Sequence++
	save := func() { l.w.checkpoint = cp }
	commit := func() { l.w.rows = append(l.w.rows, tx.rows...) }
	order := []func(){func() { commit(); save() }}
	switch l.w.reordered {
	case "before":
		order = []func(){save, commit}
	case "after":
		order = []func(){commit, save}
	}
	for _, part := range order {
		if err := l.w.op(); err != nil {
			return cp, err
		}
		part()
	}
	if tx.committed != nil {
		tx.committed()
	}
	return cp, l.w.op()
}

func (l *memoryLedger) Load(context.Context, batch.LaneKey) (batch.Checkpoint, error) {
	return l.w.checkpoint, l.w.op()
}
func (l *memoryLedger) Close() error { return nil }

type memoryRepository struct{ w *world }

func (m *memoryRepository) StartStep(_ context.Context, s *batch.StepExecution) error {
	if err := m.w.op(); err != nil {
		return err
	}
	s.ID = int64(len(m.w.steps) + 1)
	kept := *s
	m.w.steps = append(m.w.steps, &kept)
	return nil
}

func (m *memoryRepository) SaveStep(_ context.Context, s *batch.StepExecution) error {
	if err := m.w.op(); err != nil {
		return err
	}
	*m.w.steps[s.ID-1] = *s
	m.w.saves++
	return m.w.op()
}

func (m *memoryRepository) SaveJob(_ context.Context, j *batch.JobExecution) error {
	kept := *j
	m.w.execution = &kept
	return m.w.op()
}

func (m *memoryRepository) StepHistory(context.Context, int64) ([]*batch.StepExecution, error) {
	var history []*batch.StepExecution
	for _, s := range m.w.steps {
		found := *s
		history = append(history, &found)
	}
	return history, m.w.op()
}

func (m *memoryRepository) StopRequested(context.Context, int64) (bool, error) {
	return m.w.stopAfter > 0 && m.w.saves >= m.w.stopAfter, nil
}

// refuse is the table's answer to a row.
func (w *world) refuse(n, row int) error {
	if w.transient > 0 {
		w.transient--
		return fault.New(fault.Transient, "deadlock").WithCode("40P01")
	}
	if !w.badRow[n] {
		return nil
	}
	err := error(fault.New(fault.Constraint, "duplicate key").WithCode("23505"))
	if w.blames {
		err = &batch.RowError{Row: row, Err: err}
	}
	return err
}

// letterWriter keeps dead letters in a file of the world.
type letterWriter struct{ w *world }

func (l *letterWriter) Open(_ context.Context, from batch.State) error {
	size := 0
	if from != nil {
		if err := json.Unmarshal(from, &size); err != nil {
			return err
		}
	}
	l.w.letters = l.w.letters[:size]
	return l.w.op()
}

func (l *letterWriter) Write(_ context.Context, _ batch.Tx, rows []record.Record) error {
	for _, r := range rows {
		if err := l.w.op(); err != nil {
			return err
		}
		l.w.letters = append(l.w.letters, fmt.Sprintf("%d %s %s %s %s %s %s %s", r.Get("ordinal").Int(), r.Get("phase").Text(), r.Get("class").Text(),
			r.Get("code").Text(), r.Get("source").Text(), r.Get("message").Text(), r.Get("raw").Text(), r.Get("record").Text()))
	}
	return l.w.op()
}

func (l *letterWriter) State() (batch.State, error)           { return json.Marshal(len(l.w.letters)) }
func (l *letterWriter) Flush(context.Context, batch.Tx) error { return l.w.op() }
func (l *letterWriter) Close() error                          { return nil }

type events struct {
	mu  sync.Mutex
	all []batch.Event
}

func (e *events) Observe(ev batch.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// trial is how a world is run.
type trial struct {
	chunk      int
	every      time.Duration
	writer     func(*world) batch.Writer
	processors func(*world) []batch.Processor
	stop       chan struct{}
	letters    bool
	pauses     *[]time.Duration
	edit       func(*Step)
	clock      func() time.Time
}

func (tr trial) run(t *testing.T, w *world) (*batch.JobExecution, *events, error) {
	t.Helper()
	step := Step{
		Name:  "load",
		Chunk: tr.chunk,
		Claim: func(context.Context, *batch.StepExecution) (batch.Ledger, batch.StepKey, error) {
			return &memoryLedger{w}, batch.StepKey{Job: "j", Step: "load"}, nil
		},
		Build: func(context.Context, *batch.StepExecution, batch.Checkpoint) (*Components, error) {
			c := &Components{Reader: &memoryReader{w: w}, Writer: tr.writer(w)}
			if tr.letters {
				c.Letters = &letterWriter{w}
			}
			if tr.processors != nil {
				c.Processors = tr.processors(w)
				c.Chain = func() ([]batch.Processor, error) { return tr.processors(w), nil }
			}
			return c, nil
		},
	}
	if tr.edit != nil {
		tr.edit(&step)
	}
	stop := tr.stop
	if stop == nil {
		stop = make(chan struct{})
	}
	seen := &events{}
	clock := time.Unix(0, 0)
	r := &Runner{Repository: &memoryRepository{w}, Observer: seen, Stop: stop, CheckpointEvery: tr.every, Now: func() time.Time {
		clock = clock.Add(time.Millisecond)
		return clock
	}}
	r.Clock = tr.clock
	r.After = func(d time.Duration) <-chan time.Time {
		if tr.pauses != nil {
			*tr.pauses = append(*tr.pauses, d)
		}
		passed := make(chan time.Time, 1)
		passed <- clock
		return passed
	}
	execution := &batch.JobExecution{ID: 1, Status: batch.Starting}
	err := r.Run(context.Background(), &Job{Flow: Sequence(step)}, execution)
	return execution, seen, err
}

func table(w *world) batch.Writer { return &tableWriter{w} }
func late(w *world) batch.Writer  { return &lateWriter{tableWriter: tableWriter{w}} }
func file(w *world) batch.Writer  { return &fileWriter{w} }
func oddOnly(w *world) []batch.Processor {
	return []batch.Processor{&odd{w: w}, &odd{w: w, twice: true}}
}

// outcomeOf is what a user sees of a world: what must not depend on crashes.
func outcomeOf(w *world, job *batch.JobExecution) string {
	total := job.Steps[len(job.Steps)-1].Total
	total.Commit, total.Rollback, total.Retry = 0, 0, 0
	return fmt.Sprint(w.rows, w.published, total, job.Status, w.letters) + strconv.Itoa(int(w.checkpoint.Ordinal))
}
