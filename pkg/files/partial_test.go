package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"batchctl/pkg/fault"
)

func output(t *testing.T) Output {
	t.Helper()
	return Output{Path: filepath.Join(t.TempDir(), "out.csv"), Owner: "i7", Epoch: 1, Adopt: true, Replace: true}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func put(t *testing.T, p *Partial, text string) {
	t.Helper()
	if _, err := p.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func holdsText(t *testing.T, path, want string) {
	t.Helper()
	if got := string(must[[]byte](t)(os.ReadFile(path))); got != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

// names returns what is in a folder.
func names(t *testing.T, folder string) string {
	t.Helper()
	var all []string
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(folder)) {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestResumeCutsBackToTheMark(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	put(t, p, "one\n")
	check(t, p.Sync())
	at := p.Mark()
	put(t, p, strings.Repeat("more than the buffer takes ", 10000))
	check(t, p.Close())
	q := must[*Partial](t)(Resume(o, at))
	put(t, q, "two\n")
	check(t, q.Publish())
	holdsText(t, o.Path, "one\ntwo\n")
}

func TestSumIsTheSameWithAndWithoutRestarts(t *testing.T) {
	t.Parallel()
	o := output(t)
	text := strings.Repeat("0123456789", 1000)
	p := must[*Partial](t)(Begin(o))
	put(t, p, text)
	want := p.Mark()
	check(t, p.Close())
	for _, cut := range []int{1, 13, 4096, 9999} {
		p := must[*Partial](t)(Begin(o))
		put(t, p, text[:cut])
		check(t, p.Sync())
		at := p.Mark()
		check(t, p.Close())
		p = must[*Partial](t)(Resume(o, at))
		put(t, p, text[cut:])
		if got := p.Mark(); got != want {
			t.Errorf("cut at %d: mark %+v, want %+v", cut, got, want)
		}
		check(t, p.Close())
	}
}

func TestTwoWritersOfOneOutputFindEachOther(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	put(t, p, "one\n")
	check(t, p.Sync())
	if _, err := Begin(o); err == nil || !strings.Contains(err.Error(), "another writer") {
		t.Errorf("got %v", err)
	}
	if _, err := Resume(o, p.Mark()); err == nil || !strings.Contains(err.Error(), "another writer") {
		t.Errorf("got %v", err)
	}
	check(t, p.Publish())
	holdsText(t, o.Path, "one\n")
}

func TestFailedOperationPoisonsTheFile(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"write.before", "write.half", "write.after", "sync.before", "sync.after"} {
		fail := false
		o := output(t)
		o.Disk = Hooked(func(at, _ string) error {
			if fail && at == point {
				return syscall.EIO
			}
			return nil
		})
		p := must[*Partial](t)(Begin(o))
		put(t, p, "one\n")
		check(t, p.Sync())
		at := p.Mark()
		fail = true
		put(t, p, "two\n")
		first := p.Sync()
		fail = false
		if !errors.Is(first, syscall.EIO) || fault.ClassOf(first) != fault.Environment || !strings.Contains(first.Error(), ".partial") {
			t.Errorf("%s: got %v", point, first)
		}
		_, writeErr := p.Write([]byte("x"))
		for _, err := range []error{p.Sync(), writeErr, p.Publish()} {
			if err != first {
				t.Errorf("%s: a later call got %v, want %v", point, err, first)
			}
		}
		check(t, p.Close())
		p = must[*Partial](t)(Resume(o, at))
		put(t, p, "three\n")
		check(t, p.Publish())
		holdsText(t, o.Path, "one\nthree\n")
	}
}

func TestLargeOutputIsWhatWasWrittenWhereverItWasCut(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	line := strings.Repeat("0123456789", 1000) + "\n"
	lines := 3 * aheadSize / len(line)
	var half Mark
	for i := range lines {
		put(t, p, line)
		if i == lines/2 {
			half = p.Mark()
			check(t, p.Sync())
		}
	}
	check(t, p.Close())
	p = must[*Partial](t)(Resume(o, half))
	for range lines - 1 - lines/2 {
		put(t, p, line)
	}
	put(t, p, strings.Repeat(line, aheadSize/len(line)+1)) // larger than the buffer
	check(t, p.Publish())
	holdsText(t, o.Path, strings.Repeat(line, lines+aheadSize/len(line)+1))
}

func BenchmarkPartialWrite(b *testing.B) {
	line := bytes.Repeat([]byte("x"), 110)
	o := Output{Path: filepath.Join(b.TempDir(), "out"), Owner: "b", Epoch: 1, Replace: true}
	p, err := Begin(o)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.SetBytes(110)
	for range b.N {
		if _, err := p.Write(line); err != nil {
			b.Fatal(err)
		}
	}
}
