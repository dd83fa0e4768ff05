package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/fault"
)

const (
	head     = "n\n"
	mine     = "0\n1\n2\n3\n4\n"
	anothers = "7\n8\n"
)

func appending(t *testing.T, before string) Output {
	t.Helper()
	o := output(t)
	o.Append = true
	if before != "" {
		check(t, os.WriteFile(o.Path, []byte(before), 0o600))
	}
	return o
}

// appendAll adds a text in one go.
func appendAll(o Output, text string) error {
	p, err := Begin(o)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.SetHead([]byte(head)); err != nil {
		return err
	}
	if _, err := p.Write([]byte(head + text)); err != nil {
		return err
	}
	if err := p.Reserve(context.Background()); err != nil {
		return err
	}
	return p.Publish()
}

func TestCrashAtEveryOperationAddsOnce(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", head + "old\n"} {
		for _, adopt := range []bool{true, false} {
			for _, between := range []string{"", anothers} {
				crashWhileAdding(t, before, between, adopt)
			}
		}
	}
}

// crashWhileAdding stops at each operation. Then another job may add to the file, and the restart is stopped, too.
func crashWhileAdding(t *testing.T, before, between string, adopt bool) {
	for stop := 1; ; stop++ {
		o := appending(t, before)
		o.Adopt = adopt
		run := journal{head: head}
		blew := run.attempt(o, stop) != nil
		if between != "" {
			other := o
			other.Owner, other.Epoch = "i8", 1
			if err := appendAll(other, between); err != nil {
				t.Fatalf("another job after a crash at operation %d: %v", stop, err)
			}
		}
		o.Epoch = 2
		_ = run.attempt(o, 1+stop%7)
		o.Epoch = 3
		if err := run.attempt(o, 0); err != nil {
			t.Fatalf("the restart after a crash at operation %d: %v", stop, err)
		}
		first := before
		if first == "" {
			first = head
		}
		got := string(must[[]byte](t)(os.ReadFile(o.Path)))
		if got != first+mine+between && got != first+between+mine {
			t.Errorf("before %q, between %q, adopt %v, stop %d: got %q", before, between, adopt, stop, got)
		}
		if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
			t.Errorf("before %q, between %q, adopt %v, stop %d: the folder holds %q", before, between, adopt, stop, got)
		}
		if !blew {
			if stop < 40 {
				t.Errorf("only %d operations", stop)
			}
			return
		}
	}
}

func TestOwnerThatWasTakenOverAddsNothingMore(t *testing.T) {
	t.Parallel()
	for _, adopt := range []bool{true, false} {
		o := appending(t, "old\n")
		late := must[*Partial](t)(Begin(o))
		put(t, late, mine)
		check(t, late.Reserve(t.Context()))
		at := late.Mark()
		check(t, late.release()) // as after a lease that ran out: it has not begun to publish
		o.Epoch, o.Adopt = 2, adopt
		p := must[*Partial](t)(Finished(o, at))
		check(t, p.Reserve(t.Context()))
		check(t, p.Publish())
		check(t, late.Reserve(t.Context()))
		if err := late.Publish(); err != nil {
			var lost *LostError
			if !errors.As(err, &lost) {
				t.Errorf("the late owner: %v", err)
			}
		}
		check(t, late.Close())
		holdsText(t, o.Path, "old\n"+mine)
	}
}

func TestManyAddToOneFileAtOnce(t *testing.T) {
	t.Parallel()
	o := appending(t, "")
	var all sync.WaitGroup
	want := []string{"n"}
	for i := range 12 {
		want = append(want, fmt.Sprint(i))
		all.Go(func() {
			mine := o
			mine.Owner = fmt.Sprint("owner", i)
			if err := appendAll(mine, fmt.Sprintf("%d\n", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := strings.Fields(string(must[[]byte](t)(os.ReadFile(o.Path))))
	if got[0] != "n" {
		t.Errorf("the header is not first: %v", got)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// begun returns a finished output whose joining was cut short, the target holding what follows.
func begun(t *testing.T, before, tail string) (Output, Mark) {
	t.Helper()
	o := appending(t, before)
	p := must[*Partial](t)(Begin(o))
	check(t, p.SetHead([]byte(head)))
	put(t, p, head+mine)
	check(t, p.Reserve(t.Context()))
	at := p.Mark()
	check(t, p.Close())
	j := o.joining(at, int64(len(before)))
	check(t, os.Rename(o.partialPath(), j.path))
	check(t, os.WriteFile(o.Path, []byte(before+tail), 0o600))
	o.Epoch = 2
	return o, at
}

func TestTornTailIsCompletedAndForeignOneRefused(t *testing.T) {
	t.Parallel()
	const before = head + "old\n"
	for _, c := range []struct{ name, tail, want, refused string }{
		{"nothing", "", before + mine, ""},
		{"a beginning", "0\n1", before + mine, ""},
		{"all", mine, before + mine, ""},
		{"all and more", mine + "9\n", before + mine + "9\n", ""},
		{"a beginning that lost its end in a power cut", "0\n\x00\x00\x00", before + mine, ""},
		{"a beginning that lost its middle", "0\n\x00\x002\n", before + mine, ""},
		{"all, but for what was lost", "0\n1\n2\n\x00\x004\n", before + mine, ""},
		{"only lost bytes", strings.Repeat("\x00", len(mine)), before + mine, ""},
		{"something else", "x\n", "", "behind them now stands something else"},
		{"a beginning and something else", "0\n1\nx\n", "", "behind them now stands something else"},
		{"lost bytes and something else", "0\n\x00\x00x", "", "behind them now stands something else"},
		{"more lost bytes than were added", strings.Repeat("\x00", len(mine)+1), "", "behind them now stands something else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, at := begun(t, before, c.tail)
			p := must[*Partial](t)(Finished(o, at))
			defer p.Close()
			err := p.Reserve(t.Context())
			if err == nil {
				err = p.Publish()
			}
			switch {
			case c.refused == "":
				check(t, err)
				holdsText(t, o.Path, c.want)
			case err == nil || !strings.Contains(err.Error(), c.refused) || fault.CodeOf(err) != "foreign_tail" || fault.HintOf(err) == "":
				t.Errorf("got %v", err)
			default:
				holdsText(t, o.Path, before+c.tail)
			}
		})
	}
}

func TestTargetThatDoesNotTakeTheRecordsIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, code string }{
		{"other header", "m\nold\n", "other_header"},
		{"longer header", "n,m\nold\n", "other_header"},
		{"no line end", head + "old", "no_line_end"},
		{"line end of another system", "n\r\nold\r\n", "other_header"},
		{"byte order mark", "\xef\xbb\xbf" + head + "old\n", ""},
		{"header only", head, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := appending(t, c.before)
			err := appendAll(o, mine)
			if fault.CodeOf(err) != c.code || c.code == "" && err != nil || c.code != "" && fault.HintOf(err) == "" {
				t.Errorf("got %v, want code %q", err, c.code)
			}
			want := c.before
			if c.code == "" {
				want += mine
			}
			holdsText(t, o.Path, want)
		})
	}
}

func TestFinishedOutputThatIsNowhereIsLost(t *testing.T) {
	t.Parallel()
	o := appending(t, "old\n")
	p := must[*Partial](t)(Begin(o))
	put(t, p, mine)
	check(t, p.Reserve(t.Context()))
	at := p.Mark()
	check(t, p.Close())
	check(t, os.Remove(o.partialPath()))
	p = must[*Partial](t)(Finished(o, at))
	defer p.Close()
	check(t, p.Reserve(t.Context()))
	var lost *LostError
	if err := p.Publish(); !errors.As(err, &lost) || !strings.Contains(err.Error(), "does not hold what was to be added") {
		t.Errorf("got %v", err)
	}
	holdsText(t, o.Path, "old\n")
}

func TestWaitingForATargetEndsWithTheContext(t *testing.T) {
	t.Parallel()
	o := appending(t, "old\n")
	first := must[*Partial](t)(Begin(o))
	put(t, first, mine)
	check(t, first.Reserve(t.Context()))
	defer first.Close()
	o.Owner = "i8"
	second := must[*Partial](t)(Begin(o))
	defer second.Close()
	put(t, second, mine)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("stopped")
	cancel(reason)
	if err := second.Reserve(ctx); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}
