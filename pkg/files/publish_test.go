package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"batchctl/pkg/fault"
)

func TestNothingIsVisibleBeforePublish(t *testing.T) {
	t.Parallel()
	o := output(t)
	o.Path = filepath.Join(filepath.Dir(o.Path), "a", "b", "out.csv")
	p := must[*Partial](t)(Begin(o))
	put(t, p, "one\n")
	check(t, p.Sync())
	if got := names(t, filepath.Dir(o.Path)); got != ".out.csv.i7-1.partial" {
		t.Errorf("before publishing the folder holds %q", got)
	}
	check(t, p.Publish())
	check(t, p.Publish())
	if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
		t.Errorf("after publishing the folder holds %q", got)
	}
	holdsText(t, o.Path, "one\n")
	if _, err := p.Write([]byte("x")); err == nil {
		t.Error("a published file took more bytes")
	}
}

func TestFinishedOutputIsPublishedOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"one\n", ""} {
		for _, replace := range []bool{true, false} {
			for epoch := int64(1); epoch <= 2; epoch++ {
				o := output(t)
				o.Replace = replace
				p := must[*Partial](t)(Begin(o))
				put(t, p, text)
				check(t, p.Sync())
				at := p.Mark()
				check(t, p.Close())
				o.Epoch = epoch
				for range 3 {
					p := must[*Partial](t)(Finished(o, at))
					if p.Mark().Size != at.Size || p.Mark().Sum != at.Sum {
						t.Errorf("mark %+v, want that of %+v", p.Mark(), at)
					}
					check(t, p.Publish())
					check(t, p.Publish())
					check(t, p.Close())
					holdsText(t, o.Path, text)
				}
				if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
					t.Errorf("text %q, replace %v, epoch %d: the folder holds %q", text, replace, epoch, got)
				}
			}
		}
	}
}

func TestPublishedFileThatWasChangedIsNotVouchedFor(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	put(t, p, "one\n")
	at := p.Mark()
	check(t, p.Publish())
	for _, text := range []string{"two\n", "one\nmore\n", "on"} {
		check(t, os.WriteFile(o.Path, []byte(text), 0o600))
		var lost *LostError
		if _, err := Finished(o, at); !errors.As(err, &lost) {
			t.Errorf("final file %q: got %v", text, err)
		}
	}
}

func TestExistingFileIsRefusedOrReplaced(t *testing.T) {
	t.Parallel()
	o := output(t)
	check(t, os.WriteFile(o.Path, []byte("old"), 0o600))
	p := must[*Partial](t)(Begin(o))
	put(t, p, "new")
	check(t, p.Publish())
	holdsText(t, o.Path, "new")

	o.Replace = false
	_, err := Begin(o)
	if !errors.Is(err, fs.ErrExist) || fault.ClassOf(err) != fault.Environment || fault.HintOf(err) == "" {
		t.Errorf("at the beginning: got %v", err)
	}
	check(t, os.Remove(o.Path))
	p = must[*Partial](t)(Begin(o))
	put(t, p, "mine")
	check(t, os.WriteFile(o.Path, []byte("theirs"), 0o600))
	for range 2 {
		if err := p.Publish(); !errors.Is(err, fs.ErrExist) {
			t.Errorf("at publishing: got %v", err)
		}
	}
	holdsText(t, o.Path, "theirs")
}

func TestPublishingByLinkIsFinishedAfterACrashBetween(t *testing.T) {
	t.Parallel()
	for _, replace := range []bool{true, false} {
		o := output(t)
		o.Replace = replace
		p := must[*Partial](t)(Begin(o))
		put(t, p, "one\n")
		check(t, p.Sync())
		at := p.Mark()
		check(t, p.Close())
		check(t, os.Link(o.partialPath(), o.Path))
		p = must[*Partial](t)(Finished(o, at))
		check(t, p.Publish())
		if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
			t.Errorf("the folder holds %q", got)
		}
	}
}

func TestLinkNewNeverReplaces(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(from, to string) error{"link": linkNew, "rename": renameNew} {
		from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
		check(t, os.WriteFile(from, []byte("new"), 0o600))
		check(t, os.WriteFile(to, []byte("old"), 0o600))
		if err := rename(from, to); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v", name, err)
		}
		holdsText(t, to, "old")
		check(t, os.Remove(to))
		check(t, rename(from, to))
		holdsText(t, to, "new")
		if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the old name is still there: %v", name, err)
		}
	}
}
