package plan

import (
	"context"
	"errors"
	"strings"
	"sync"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
)

// PreviewRequest says which records are to be shown.
type PreviewRequest struct {
	RunRequest
	Step  string // "" is the only step that processes records
	Limit int    // how many records at most, from 1
}

// Preview is the first records of a step, as its writer would get them.
type Preview struct {
	Step    *batch.StepExecution // how far it came; never recorded. Nil where it did not begin
	Name    string               // of the step
	Fields  []record.Field       // of any of the records; those whose kind depends on the record are Absent
	Records []record.Record      // with memory of their own
	More    bool                 // whether the step was left before its input ended
}

// Preview reads and processes what the first records of a step need, from the beginning, writes nothing and records nothing.
// Databases are opened for reading only. It ends at the first error, as a run does; the Preview is nil where nothing was tried.
func (e *Engine) Preview(ctx context.Context, r PreviewRequest, w Watcher) (preview *Preview, err error) {
	s, err := e.newStage(ctx, r.RunRequest, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.connections.close()) }()
	step, err := s.prepared.streaming(r.Step)
	if err != nil {
		return nil, err
	}
	some := &collector{limit: r.Limit, full: make(chan struct{})}
	s.chunk = min(r.Limit, step.ChunkSize())
	s.instead = func(*job.Step, *builder, func(string)) (batch.Writer, error) { return some, nil }
	stop, done := some.until(w.Stop)
	defer done()
	s.stop = stop
	preview = &Preview{Name: step.Name}
	preview.Step, err = s.try(ctx, step)
	preview.Records, preview.Fields = some.records, fieldsOf(some.records)
	preview.More = some.more
	if len(some.records) == r.Limit && errors.Is(err, batch.ErrStopped) {
		preview.More, err = true, nil
	}
	return preview, err
}

// fieldsOf returns all fields that records have, each name once: readers of JSON find them as they go.
func fieldsOf(records []record.Record) []record.Field {
	var fields []record.Field
	seen := map[string]bool{}
	var last *record.Schema
	for _, r := range records {
		if r.Schema == last {
			continue
		}
		last = r.Schema
		for _, f := range r.Schema.Fields() {
			if !seen[f.Name] {
				seen[f.Name] = true
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// streaming returns the step of a name that processes records, or the only one there is.
func (p *prepared) streaming(name string) (*job.Step, error) {
	var found *job.Step
	var names []string
	for _, s := range p.job.All() {
		if s.Kind() != job.ChunkStep {
			continue
		}
		names = append(names, s.Name)
		if name == "" || s.Name == name {
			found = s
		}
	}
	switch {
	case len(names) == 0:
		return nil, fault.New(fault.Definition, "no step of job %s processes records", p.job.Name).WithCode("unknown_step").
			WithHint("batchctl plan shows what its steps do")
	case found == nil:
		return nil, fault.New(fault.Definition, "no step of job %s that processes records is called %q", p.job.Name, name).WithCode("unknown_step").
			WithHint("%s", fault.DidYouMean(name, names))
	case name == "" && len(names) > 1:
		return nil, fault.New(fault.Definition, "job %s has %d steps that process records", p.job.Name, len(names)).WithCode("ambiguous").
			WithHint("name one with --step: %s", strings.Join(names, ", "))
	}
	return found, nil
}

// collector stands for a writer: it keeps the first records.
type collector struct {
	limit   int
	records []record.Record
	more    bool          // than these were handed over
	full    chan struct{} // closed when no more are wanted
}

// until returns a channel that is closed when the collector is full or stop is closed. done ends what watches both.
func (c *collector) until(stop <-chan struct{}) (either <-chan struct{}, done func()) {
	ended, over := make(chan struct{}), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-c.full:
		case <-stop:
		case <-over:
			return
		}
		close(ended)
	})
	return ended, func() { close(over); watching.Wait() }
}

func (c *collector) Open(context.Context, batch.State) error { return nil }

func (c *collector) Write(_ context.Context, _ batch.Tx, rows []record.Record) error {
	for _, r := range rows {
		if len(c.records) == c.limit {
			c.more = true
			return nil
		}
		if c.records = append(c.records, r.Clone()); len(c.records) == c.limit {
			close(c.full)
		}
	}
	return nil
}

func (c *collector) State() (batch.State, error)           { return nil, nil }
func (c *collector) Flush(context.Context, batch.Tx) error { return nil }
func (c *collector) Close() error                          { return nil }
