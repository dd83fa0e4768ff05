package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALaterEpochTakesTheFileOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		adopt bool
		left  string
	}{
		{"renamed where the owner is dead", true, ".out.csv.i7-2.partial"},
		{"copied where it may be alive", false, ".out.csv.i7-1.partial .out.csv.i7-2.partial"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := output(t)
			old := must[*Partial](t)(Begin(o))
			put(t, old, "one\n")
			check(t, old.Sync())
			at := old.Mark()
			put(t, old, "lost\n")
			check(t, old.Sync())
			if c.adopt {
				check(t, old.Close())
			}
			o.Epoch, o.Adopt = 2, c.adopt
			p := must[*Partial](t)(Resume(o, at))
			put(t, p, "two\n")
			check(t, p.Sync())
			if got := names(t, filepath.Dir(o.Path)); got != c.left {
				t.Errorf("the folder holds %q, want %q", got, c.left)
			}
			if !c.adopt {
				put(t, old, "zombie\n")
				check(t, old.Sync())
			}
			check(t, p.Publish())
			holdsText(t, o.Path, "one\ntwo\n")
			if got := names(t, filepath.Dir(o.Path)); got != "out.csv" {
				t.Errorf("after publishing the folder holds %q", got)
			}
		})
	}
}

func TestAnEpochThatRecordedNothingDoesNotLoseTheFile(t *testing.T) {
	t.Parallel()
	for _, adopt := range []bool{true, false} {
		o := output(t)
		p := must[*Partial](t)(Begin(o))
		put(t, p, "one\n")
		check(t, p.Sync())
		at := p.Mark()
		check(t, p.Close())
		for o.Epoch = 2; o.Epoch < 6; o.Epoch++ {
			o.Adopt = adopt
			p := must[*Partial](t)(Resume(o, at))
			put(t, p, fmt.Sprintf("epoch %d\n", o.Epoch))
			check(t, p.Sync())
			check(t, p.Close())
		}
		p = must[*Partial](t)(Resume(o, at))
		put(t, p, "two\n")
		check(t, p.Publish())
		holdsText(t, o.Path, "one\ntwo\n")
	}
}

func TestAFileThatBeganAnewIsNotMistakenForTheOneRecorded(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	put(t, p, "one\n")
	check(t, p.Sync())
	at := p.Mark()
	check(t, p.Close())
	o.Epoch = 2
	p = must[*Partial](t)(Begin(o))
	put(t, p, "another beginning\n")
	check(t, p.Sync())
	check(t, p.Close())
	o.Epoch = 3
	var lost *LostError
	if _, err := Resume(o, at); !errors.As(err, &lost) {
		t.Errorf("got %v, want a LostError", err)
	}
}

func TestLostPartialFilesAreSaidToBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		harm func(path string) error
		want string
	}{
		{"gone", os.Remove, "is gone"},
		{"shorter", func(path string) error { return os.Truncate(path, 2) }, "has 2 bytes instead of at least 4"},
		{"folder gone", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, "is gone"},
	} {
		for epoch := int64(1); epoch <= 2; epoch++ {
			o := output(t)
			p := must[*Partial](t)(Begin(o))
			put(t, p, "one\n")
			check(t, p.Sync())
			at := p.Mark()
			check(t, p.Close())
			check(t, c.harm(o.partialPath()))
			o.Epoch = epoch
			_, err := Resume(o, at)
			var lost *LostError
			if !errors.As(err, &lost) || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%s, epoch %d: got %v", c.name, epoch, err)
			}
			if _, err := Finished(o, at); !errors.As(err, &lost) || !strings.Contains(err.Error(), "is not what was to be published") {
				t.Errorf("%s, epoch %d: finished: got %v", c.name, epoch, err)
			}
			p = must[*Partial](t)(Begin(o))
			check(t, p.Close())
		}
	}
}

func TestOtherPartialFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	o := output(t)
	folder := filepath.Dir(o.Path)
	others := []string{".out.csv.i70-1.partial", ".out.csv.i7-x.partial", ".out.csv.old.i7-1.partial", "out.csv.i7-1.partial"}
	for _, name := range append(others, ".out.csv.i7-3.partial") {
		check(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
	o.Epoch = 4
	p := must[*Partial](t)(Begin(o))
	check(t, p.Publish())
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, ".out.csv.i7-3.partial")); err == nil {
		t.Error("the partial file of an earlier epoch is still there")
	}
}

// Bytes that are not those recorded are never continued, whatever put them there.
func TestPartialFileThatWasExchangedIsLost(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]func(t *testing.T, path string){
		"other bytes of the same length": func(t *testing.T, path string) { check(t, os.WriteFile(path, []byte("two\nthree\n"), 0o600)) },
		"a folder": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o700))
		},
		"a link to somebody else's file": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Symlink(filepath.Join(filepath.Dir(path), "theirs"), path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := output(t)
			theirs := filepath.Join(filepath.Dir(o.Path), "theirs")
			p := must[*Partial](t)(Begin(o))
			check(t, os.WriteFile(theirs, []byte("one\nmine\n"), 0o600))
			put(t, p, "one\n")
			check(t, p.Sync())
			at := p.Mark()
			path := o.partialPath()
			check(t, p.Close())
			exchange(t, path)
			o.Epoch, o.Adopt = 2, true
			var lost *LostError
			if _, err := Resume(o, at); !errors.As(err, &lost) {
				t.Errorf("got %v, want a LostError", err)
			}
			p = must[*Partial](t)(Begin(o))
			put(t, p, "anew\n")
			check(t, p.Publish())
			holdsText(t, o.Path, "anew\n")
			holdsText(t, theirs, "one\nmine\n")
		})
	}
}

func TestPartialIsNotWrittenThroughALink(t *testing.T) {
	t.Parallel()
	o := output(t)
	theirs := filepath.Join(filepath.Dir(o.Path), "theirs")
	check(t, os.WriteFile(theirs, []byte("mine\n"), 0o600))
	check(t, os.Symlink(theirs, o.partialPath()))
	if p, err := Begin(o); err == nil {
		t.Errorf("%s was opened", p.file.Name())
	}
	holdsText(t, theirs, "mine\n")
}
