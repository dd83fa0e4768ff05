package files

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// TestCrashAtEveryOperationIsRecoveredFrom writes five lines with a mark after each that was synced, is cut off at every
// operation, and goes on from the last mark, until it is published.
func TestCrashAtEveryOperationIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	for _, adopt := range []bool{true, false} {
		for _, replace := range []bool{true, false} {
			for stop := 1; ; stop++ {
				o := output(t)
				o.Adopt, o.Replace = adopt, replace
				var run journal
				blew := run.attempt(o, stop) != nil
				o.Epoch = 2
				if err := run.attempt(o, 0); err != nil {
					t.Fatalf("the restart after a crash at operation %d: %v", stop, err)
				}
				holdsText(t, o.Path, "0\n1\n2\n3\n4\n")
				if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
					t.Errorf("adopt %v, replace %v, stop %d: the folder holds %q", adopt, replace, stop, got)
				}
				if !blew {
					if stop < 30 {
						t.Errorf("only %d operations", stop)
					}
					break
				}
			}
		}
	}
}

// journal is what a checkpoint would hold.
type journal struct {
	at       Mark
	lines    int
	head     string
	finished bool
}

func (j *journal) attempt(o Output, stop int) error {
	operations := 0
	o.Disk = Hooked(func(string, string) error {
		if operations++; stop > 0 && operations >= stop {
			return errors.New("killed")
		}
		return nil
	})
	p, err := j.open(o)
	if err != nil {
		return err
	}
	defer p.Close()
	if j.lines == 0 {
		if err := p.SetHead([]byte(j.head)); err != nil {
			return err
		}
		if _, err := p.Write([]byte(j.head)); err != nil {
			return err
		}
	}
	for j.lines < 5 {
		if _, err := fmt.Fprintf(p, "%d\n", j.lines); err != nil {
			return err
		}
		if err := p.Sync(); err != nil {
			return err
		}
		j.lines++
		j.at = p.Mark()
	}
	if err := p.Reserve(context.Background()); err != nil {
		return err
	}
	j.at = p.Mark()
	j.finished = true
	if err := p.Publish(); err != nil {
		return err
	}
	if operations >= stop && stop > 0 {
		return errors.New("killed while cleaning up")
	}
	return nil
}

func (j *journal) open(o Output) (*Partial, error) {
	switch {
	case j.finished:
		return Finished(o, j.at)
	case j.lines > 0:
		return Resume(o, j.at)
	}
	return Begin(o)
}
