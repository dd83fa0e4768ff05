package batchtest

import (
	"context"
	"errors"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// run is an output that is being made, over one or more restarts.
type run struct {
	t      *testing.T
	c      WriterCase
	place  WriterPlace
	epoch  int64
	w      batch.Writer
	at     batch.State // as recorded
	chunk  record.Chunk
	native []record.Record
}

func (c WriterCase) begin(t *testing.T) *run {
	t.Helper()
	r := &run{t: t, c: c, place: c.Place(t)}
	r.restart()
	return r
}

// restart gives the writer up, as a process that ends, and goes on with a new one where the state stands.
func (r *run) restart() {
	r.t.Helper()
	r.close()
	r.epoch++
	r.w = r.place.New(r.epoch)
	r.open(r.at)
}

func (r *run) open(at batch.State) {
	r.t.Helper()
	if err := r.w.Open(r.t.Context(), at); err != nil {
		r.t.Fatalf("open at %s: %v", at, err)
	}
}

func (r *run) close() {
	r.t.Helper()
	if r.w == nil {
		return
	}
	if err := r.w.Close(); err != nil {
		r.t.Fatalf("close: %v", err)
	}
}

// attempt runs fn in a transaction, where the place has them.
func (r *run) attempt(fn func(batch.Tx) error) error {
	if r.place.Tx == nil {
		return fn(nil)
	}
	return r.place.Tx(fn)
}

// write writes rows from..to as one chunk and records the state: the one from before the flush, then the one from after
// it, by turns. Both cover the rows.
func (r *run) write(from, to int) {
	r.t.Helper()
	err := r.attempt(func(tx batch.Tx) error {
		if err := r.put(r.t.Context(), tx, from, to); err != nil {
			return err
		}
		r.at = r.state()
		if err := r.w.Flush(r.t.Context(), tx); err != nil {
			return err
		}
		if from%2 == 0 {
			r.at = r.state()
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("write rows %d to %d: %v", from, to, err)
	}
}

var errLost = errors.New("this attempt is lost")

// waste writes rows that no state will cover, flushed or not.
func (r *run) waste(from, to int, flush bool) {
	r.t.Helper()
	err := r.attempt(func(tx batch.Tx) error {
		if err := r.put(r.t.Context(), tx, from, to); err != nil {
			return err
		}
		if flush {
			if err := r.w.Flush(r.t.Context(), tx); err != nil {
				return err
			}
		}
		return errLost
	})
	if !errors.Is(err, errLost) {
		r.t.Fatalf("write rows %d to %d: %v", from, to, err)
	}
}

// put writes copies of rows that lie in a chunk, and releases the chunk right after: whoever keeps a row is seen with
// the build tag poison. Rows of one call have one schema.
func (r *run) put(ctx context.Context, tx batch.Tx, from, to int) error {
	for from < to {
		end := from + 1
		for end < to && r.c.Rows[end].Schema == r.c.Rows[from].Schema {
			end++
		}
		r.native = r.fill(r.c.Rows[from:end])
		err := r.w.Write(ctx, tx, r.native)
		r.chunk.Reset()
		if err != nil {
			return err
		}
		from = end
	}
	return nil
}

func (r *run) fill(rows []record.Record) []record.Record {
	in := &r.chunk.In
	in.SetSchema(rows[0].Schema)
	for _, row := range rows {
		values := r.chunk.AddInput(len(row.Values), record.Origin{})
		for i, v := range row.Values {
			values[i] = v
			if text := v.Text(); text != "" {
				values[i] = v.WithText(in.Arena.CopyString(text))
			}
		}
	}
	return in.AppendRows(r.native[:0])
}

// state returns the writer's state as the ledger gives it back.
func (r *run) state() batch.State {
	r.t.Helper()
	state, err := r.w.State()
	if err != nil {
		r.t.Fatalf("state: %v", err)
	}
	if state == nil {
		return nil
	}
	return throughJSON(r.t, state)
}

// finish ends the output and records the state that is to be published.
func (r *run) finish() {
	r.t.Helper()
	p, ok := r.w.(batch.Publisher)
	if !ok {
		return
	}
	if err := p.Finish(r.t.Context()); err != nil {
		r.t.Fatalf("finish: %v", err)
	}
	if err := r.attempt(func(tx batch.Tx) error { return r.w.Flush(r.t.Context(), tx) }); err != nil {
		r.t.Fatalf("flush: %v", err)
	}
	r.at = r.state()
}

func (r *run) publish() {
	r.t.Helper()
	if p, ok := r.w.(batch.Publisher); ok {
		if err := p.Publish(r.t.Context()); err != nil {
			r.t.Fatalf("publish: %v", err)
		}
	}
}

// complete ends and publishes the output and compares it.
func (r *run) complete(want string) {
	r.t.Helper()
	r.finish()
	r.publish()
	r.close()
	r.compare(want)
}

func (r *run) compare(want string) {
	r.t.Helper()
	if got := r.place.Content(); got != want {
		r.t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}
