package batchtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// spy is a component that notes what reaches it.
type spy struct{ calls []string }

func (s *spy) note(call string) error { s.calls = append(s.calls, call); return nil }

func (s *spy) Open(context.Context, batch.State) error { return s.note("open") }
func (s *spy) Write(_ context.Context, tx batch.Tx, _ []record.Record) error {
	return s.note("write " + kind(tx))
}
func (s *spy) Flush(_ context.Context, tx batch.Tx) error { return s.note("flush " + kind(tx)) }
func (s *spy) State() (batch.State, error)                { return batch.State(`{}`), nil }
func (s *spy) Close() error                               { return s.note("close") }

func kind(tx batch.Tx) string { return fmt.Sprintf("%T", tx) }

type publishingSpy struct{ *spy }

func (p publishingSpy) Finish(context.Context) error  { return p.note("finish") }
func (p publishingSpy) Publish(context.Context) error { return p.note("publish") }

type targetSpy struct{ publishingSpy }

func (targetSpy) Connection() string { return "shop" }

type spyTx struct{}

func (spyTx) Savepoint(context.Context) error  { return nil }
func (spyTx) RollbackTo(context.Context) error { return nil }
func (spyTx) Release(context.Context) error    { return nil }

func (spyTx) CheckDeferred(context.Context) error { return nil }

// spyLedger commits in memory: what fn returned without an error holds.
type spyLedger struct{ held int }

func (l *spyLedger) Claim(context.Context, batch.StepKey, int) ([]batch.Checkpoint, error) {
	return make([]batch.Checkpoint, 1), nil
}

func (l *spyLedger) Commit(_ context.Context, _ batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	checkpoint, err := fn(spyTx{})
	if err != nil {
		return batch.Checkpoint{}, fmt.Errorf("%w: %w", batch.ErrRolledBack, err)
	}
	l.held++
	return checkpoint, nil
}

func (l *spyLedger) Load(context.Context, batch.LaneKey) (batch.Checkpoint, error) {
	return batch.Checkpoint{}, nil
}

func (l *spyLedger) Close() error { return nil }

func TestFuseBlowsAtEachOperationOnce(t *testing.T) {
	t.Parallel()
	want := []string{
		"writer.open.before", "writer.open.after", "writer.write.before", "writer.write.after",
		"writer.flush.before", "writer.flush.after", "writer.finish.before", "writer.finish.after",
		"writer.publish.before", "writer.publish.after",
	}
	run := func(f *Fuse, s *spy) error {
		ctx := context.Background()
		w := f.Writer(publishingSpy{s})
		p := w.(batch.Publisher)
		return errors.Join(w.Open(ctx, nil), w.Write(ctx, nil, nil), w.Flush(ctx, nil), p.Finish(ctx), p.Publish(ctx), w.Close())
	}
	whole, all := NewFuse(0, Kill), new(spy)
	if err := run(whole, all); err != nil {
		t.Fatal(err)
	}
	for i, point := range whole.Points() {
		if point != (Point{want[i], 1}) {
			t.Errorf("operation %d is %s, want %s", i+1, point, want[i])
		}
		killed := new(spy)
		if err := run(NewFuse(i+1, Kill), killed); !errors.Is(err, ErrKilled) {
			t.Errorf("%s: got error %v", point, err)
		}
		alive := append(slices.Clone(all.calls[:(i+1)/2]), "close")
		if !slices.Equal(killed.calls, alive) {
			t.Errorf("killed at %s: reached %q, want %q", point, killed.calls, alive)
		}
		failed, fuse := new(spy), NewFuseAt(point, Fail)
		if err := run(fuse, failed); !errors.Is(err, ErrFailed) || fault.ClassOf(err) != fault.Environment {
			t.Errorf("%s: got error %v", point, err)
		}
		if got, blown := fuse.Blown(); !blown || got != point {
			t.Errorf("blown at %v, want %v", got, point)
		}
		if missing := len(all.calls) - len(failed.calls); missing != (i+1)%2 {
			t.Errorf("failed at %s: %d operations did not happen: %q", point, missing, failed.calls)
		}
	}
	if whole.Ops() != len(want) {
		t.Errorf("%d operations, want %d", whole.Ops(), len(want))
	}
}

func TestFuseKilledBeforeCommitHoldsNothing(t *testing.T) {
	t.Parallel()
	for point, held := range map[string]int{
		"ledger.commit.begin": 0, "ledger.commit.open": 0, "writer.write.before": 0, "writer.write.after": 0,
		"tx.savepoint": 0, "ledger.commit.before": 0, "ledger.commit.after": 1,
	} {
		fuse, inner := NewFuseAt(Point{point, 1}, Kill), new(spyLedger)
		ctx := context.Background()
		w := fuse.Writer(new(spy))
		_, err := fuse.Ledger(inner).Commit(ctx, batch.LaneKey{}, func(tx batch.Tx) (batch.Checkpoint, error) {
			return batch.Checkpoint{}, errors.Join(tx.Savepoint(ctx), w.Write(ctx, tx, nil))
		})
		if !errors.Is(err, ErrKilled) || inner.held != held {
			t.Errorf("%s: error %v, %d commits hold, want %d", point, err, inner.held, held)
		}
		if unknown := !errors.Is(err, batch.ErrRolledBack); unknown != (held == 1) {
			t.Errorf("%s: outcome unknown is %v", point, unknown)
		}
	}
}

func TestFuseHandsTheBareTransactionToTheWriter(t *testing.T) {
	t.Parallel()
	fuse, s := NewFuse(0, Fail), new(spy)
	w := fuse.Writer(s)
	if err := w.Write(context.Background(), fuse.Tx(spyTx{}), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(context.Background(), fuse.Tx(nil)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"write batchtest.spyTx", "flush <nil>"}; !slices.Equal(s.calls, want) {
		t.Errorf("the writer saw %q, want %q", s.calls, want)
	}
}

func TestFuseKeepsWhatAComponentIs(t *testing.T) {
	t.Parallel()
	fuse := NewFuse(0, Fail)
	for _, c := range []struct {
		writer              batch.Writer
		publishes, isTarget bool
	}{{new(spy), false, false}, {publishingSpy{new(spy)}, true, false}, {targetSpy{publishingSpy{new(spy)}}, true, true}} {
		w := fuse.Writer(c.writer)
		_, publishes := w.(batch.Publisher)
		_, isTarget := w.(batch.Target)
		if publishes != c.publishes || isTarget != c.isTarget {
			t.Errorf("%T: Publisher %v, Target %v", c.writer, publishes, isTarget)
		}
	}
}
