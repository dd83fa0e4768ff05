package batchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"batchctl/pkg/batch"
)

func (c WriterCase) chunkSizes(t *testing.T) {
	for size := 1; size <= len(c.Rows); size++ {
		r := c.begin(t)
		for from := 0; from < len(c.Rows); from += size {
			r.write(from, min(from+size, len(c.Rows)))
		}
		r.complete(c.Want)
	}
}

func (c WriterCase) invisible(t *testing.T) {
	r := c.begin(t)
	if _, ok := r.w.(batch.Publisher); !ok {
		t.Skip("the writer's rows are visible when they commit")
	}
	if r.place.Tx != nil {
		t.Skip("some of the writer's rows are visible when they commit")
	}
	r.write(0, len(c.Rows))
	r.compare("")
	r.finish()
	r.compare("")
	r.publish()
	r.compare(c.Want)
}

// stopAfterEveryRow stops behind each row, with nothing, with a lost and with a flushed but lost attempt behind the state.
func (c WriterCase) stopAfterEveryRow(t *testing.T) {
	for k := range len(c.Rows) + 1 {
		for _, loss := range []string{"nothing", "unflushed", "flushed"} {
			t.Run(fmt.Sprintf("%d/%s", k, loss), func(t *testing.T) {
				r := c.begin(t)
				for i := range k {
					r.write(i, i+1)
				}
				if k < len(c.Rows) && loss != "nothing" {
					r.waste(k, len(c.Rows), loss == "flushed")
				}
				r.restart()
				r.write(k, len(c.Rows))
				r.complete(c.Want)
			})
		}
	}
}

func (c WriterCase) restartForEveryRow(t *testing.T) {
	r := c.begin(t)
	for i := range c.Rows {
		r.waste(i, len(c.Rows), i%2 == 0)
		r.restart()
		r.restart() // an epoch that records nothing
		r.write(i, i+1)
	}
	r.restart()
	r.complete(c.Want)
}

func (c WriterCase) openAgain(t *testing.T) {
	r := c.begin(t)
	for i := range c.Rows {
		r.waste(i, len(c.Rows), i%2 == 0)
		r.open(r.at)
		r.write(i, i+1)
	}
	r.complete(c.Want)
}

func (c WriterCase) openAgainFromNothing(t *testing.T) {
	r := c.begin(t)
	r.waste(0, len(c.Rows), true)
	r.open(nil)
	r.waste(0, 1, false)
	r.open(nil)
	r.write(0, len(c.Rows))
	r.complete(c.Want)
}

func (c WriterCase) statesAreValues(t *testing.T) {
	r := c.begin(t)
	var states, copies []batch.State
	for i := range c.Rows {
		r.write(i, i+1)
		state, err := r.w.State()
		if err != nil {
			t.Fatal(err)
		}
		states, copies = append(states, state), append(copies, bytes.Clone(state))
	}
	r.complete(c.Want)
	for i := range states {
		if !bytes.Equal(states[i], copies[i]) {
			t.Errorf("the state behind row %d was changed by a later write:\n got %s\nwant %s", i+1, states[i], copies[i])
		}
	}
}

func (c WriterCase) empty(t *testing.T) {
	r := c.begin(t)
	r.complete(c.Empty)
	r = c.begin(t)
	r.waste(0, len(c.Rows), true)
	r.restart()
	r.complete(c.Empty)
}

func (c WriterCase) publishTwice(t *testing.T) {
	r := c.begin(t)
	r.write(0, len(c.Rows))
	r.finish()
	r.publish()
	r.publish()
	r.close()
	r.compare(c.Want)
}

// publishAfterRestart comes back after a crash in the publishing phase, before and after the output became visible.
func (c WriterCase) publishAfterRestart(t *testing.T) {
	r := c.begin(t)
	r.write(0, len(c.Rows))
	r.finish()
	for range 3 {
		r.restart()
		r.publish()
		r.compare(c.Want)
		r.open(r.at)
		r.publish()
		r.compare(c.Want)
	}
	r.close()
}

// finishAgain comes back after a crash between Finish and the checkpoint that would have recorded it.
func (c WriterCase) finishAgain(t *testing.T) {
	r := c.begin(t)
	r.write(0, len(c.Rows))
	before := r.at
	r.finish()
	r.at = before
	r.restart()
	r.complete(c.Want)
}

func (c WriterCase) closeTwice(t *testing.T) {
	place := c.Place(t)
	for range 2 {
		w := place.New(1)
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Errorf("close before open: %v", err)
		}
	}
	r := c.begin(t)
	r.write(0, 1)
	r.close()
	r.close()
}

func (c WriterCase) cancelled(t *testing.T) {
	r := c.begin(t)
	r.write(0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.attempt(func(tx batch.Tx) error { return r.put(ctx, tx, 1, len(c.Rows)) })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("write with a cancelled context: %v, want context.Canceled", err)
	}
	r.open(r.at)
	r.write(1, len(c.Rows))
	r.complete(c.Want)
}
