package writers

import (
	"context"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/trial"
)

// faultConf is the configuration of the fault writer.
type faultConf struct {
	Writer innerWriter `yaml:"writer,required" help:"the writer that is tried"`
	trial.Conf
	On    string `yaml:"on" default:"write" enum:"write|flush" help:"fail when the record is written, or when it is made durable"`
	Blame string `yaml:"blame" default:"row" enum:"row|chunk" help:"whether the error names the row, as COPY does, or only says that some row is bad, as one statement for many rows does"`
}

// faulty is a writer that fails on purpose, behind its inner writer: so what that wrote is to be undone. It has no state
// of its own.
type faulty struct {
	inner   batch.Writer
	plan    *trial.Plan
	blames  bool
	onFlush bool
	pending *[]int64 // chosen records written since the last flush; shared with the parts
}

// newFault returns the inner writer with failures. It publishes where that does, and is a batch.Target where that is.
func newFault(conf *faultConf, env *catalog.Env) (batch.Writer, error) {
	if err := conf.Check(); err != nil {
		return nil, err
	}
	if !conf.Somewhere() {
		return nil, fault.New(fault.Definition, "fault: nothing says which records fail").WithHint("add at: 4, or every: 100")
	}
	inner, err := env.Writer(conf.Writer.node)
	if err != nil {
		return nil, err
	}
	return faultAround(inner, faulty{
		plan: trial.New(conf.Conf, env.Epoch, env.After), blames: conf.Blame == "row", onFlush: conf.On == "flush", pending: new([]int64),
	}), nil
}

// faultAround puts a fault like another around a writer, which keeps its abilities.
func faultAround(inner batch.Writer, like faulty) batch.Writer {
	like.inner = inner
	w := faultyParts{&like}
	publisher, publishes := inner.(batch.Publisher)
	target, targets := inner.(batch.Target)
	switch {
	case publishes && targets:
		return struct {
			faultyParts
			batch.Publisher
			batch.Target
		}{w, publisher, target}
	case publishes:
		return struct {
			faultyParts
			batch.Publisher
		}{w, publisher}
	case targets:
		return struct {
			faultyParts
			batch.Target
		}{w, target}
	}
	return w
}

// faultyParts is a faulty writer that can be taken apart.
type faultyParts struct{ *faulty }

// Parts implements batch.Fanout. Of several inner writers one fails: that for a database, else the first.
func (w faultyParts) Parts() []batch.Writer {
	several, ok := w.inner.(batch.Fanout)
	if !ok {
		if target, ok := w.inner.(batch.Target); ok {
			return []batch.Writer{struct {
				*faulty
				batch.Target
			}{w.faulty, target}}
		}
		return []batch.Writer{w.faulty}
	}
	parts := slices.Clone(several.Parts())
	at := max(0, slices.IndexFunc(parts, func(part batch.Writer) bool {
		target, ok := part.(batch.Target)
		return ok && target.Connection() != ""
	}))
	if len(parts) > 0 {
		parts[at] = faultAround(parts[at], *w.faulty)
	}
	return parts
}

// Check asks the inner writer whether it can write records of a schema.
func (w *faulty) Check(ctx context.Context, in *record.Schema) error {
	if c, ok := w.inner.(interface {
		Check(ctx context.Context, in *record.Schema) error
	}); ok {
		return c.Check(ctx, in)
	}
	return nil
}

// Blame has the inner writer search for the row that an error of it is about. A planned one says so itself.
func (w *faulty) Blame(ctx context.Context, rows []record.Record, err error) error {
	if blamer, ok := w.inner.(batch.Blamer); ok && !trial.Planned(err) {
		return blamer.Blame(ctx, rows, err)
	}
	return err
}

// Open opens the inner writer.
func (w *faulty) Open(ctx context.Context, from batch.State) error {
	*w.pending = (*w.pending)[:0]
	return w.inner.Open(ctx, from)
}

// Write has the rows written, and then fails where the plan has it.
func (w *faulty) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if err := w.inner.Write(ctx, tx, rows); err != nil {
		return err
	}
	last := int64(0)
	for i, row := range rows {
		if row.Ordinal == last || !w.plan.Chosen(row.Ordinal) {
			continue
		}
		last = row.Ordinal
		if w.onFlush {
			*w.pending = append(*w.pending, row.Ordinal)
			continue
		}
		if err := w.plan.Fail(ctx, row.Ordinal); err != nil {
			return w.blame(i, err)
		}
	}
	return nil
}

func (w *faulty) blame(row int, err error) error {
	if w.blames {
		return &batch.RowError{Row: row, Err: err}
	}
	return err
}

// State is the inner writer's.
func (w *faulty) State() (batch.State, error) { return w.inner.State() }

// Flush fails where the plan has it, and flushes the inner writer else.
func (w *faulty) Flush(ctx context.Context, tx batch.Tx) error {
	for _, ordinal := range *w.pending {
		if err := w.plan.Fail(ctx, ordinal); err != nil {
			return err
		}
	}
	*w.pending = (*w.pending)[:0]
	return w.inner.Flush(ctx, tx)
}

// Close closes the inner writer.
func (w *faulty) Close() error { return w.inner.Close() }
