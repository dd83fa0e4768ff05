package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"batchctl/pkg/fault"
)

func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	check(t, syscall.Mkfifo(pipe, 0o600))
	check(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o600))
	for path, want := range map[string]string{
		folder:                               "is a folder",
		folder + "/":                         "names a folder",
		"/dev/null":                          "is not a regular file",
		pipe:                                 "is not a regular file",
		"-":                                  "standard output",
		filepath.Join(folder, "file", "out"): "not a directory",
	} {
		o := output(t)
		o.Path = path
		if _, err := Begin(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestSymbolicLinkStaysAndItsTargetIsWritten(t *testing.T) {
	t.Parallel()
	for _, dangling := range []bool{true, false} {
		folder := t.TempDir()
		check(t, os.Mkdir(filepath.Join(folder, "data"), 0o700))
		target := filepath.Join(folder, "data", "real.csv")
		if !dangling {
			check(t, os.WriteFile(target, []byte("old"), 0o600))
		}
		link := filepath.Join(folder, "out.csv")
		check(t, os.Symlink("data/real.csv", link))
		o := output(t)
		o.Path = link
		p := must[*Partial](t)(Begin(o))
		put(t, p, "new")
		check(t, p.Sync())
		at := p.Mark()
		check(t, p.Close())
		p = must[*Partial](t)(Resume(o, at))
		check(t, p.Publish())
		holdsText(t, target, "new")
		if info := must[os.FileInfo](t)(os.Lstat(link)); info.Mode()&fs.ModeSymlink == 0 {
			t.Error("the link was replaced by a file")
		}
	}
	loop := filepath.Join(t.TempDir(), "loop")
	check(t, os.Symlink(loop, loop))
	o := output(t)
	o.Path = loop
	if _, err := Begin(o); err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
		t.Errorf("got %v", err)
	}
}

func TestPathThatChangedBetweenRunsIsRefused(t *testing.T) {
	t.Parallel()
	o := output(t)
	p := must[*Partial](t)(Begin(o))
	check(t, p.Sync())
	check(t, p.Close())
	o.Path += ".new"
	if _, err := Resume(o, p.Mark()); fault.ClassOf(err) != fault.Definition || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestPartialNamesFitAndDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, name := range []string{"a", "a.csv", strings.Repeat("x", 255), strings.Repeat("x", 254) + "y", strings.Repeat("가", 85), "*[?", "a.i7-1"} {
		o := Output{Path: "/tmp/" + name, Owner: strings.Repeat("0", 40), Epoch: 1 << 62}
		got := o.PartialName()
		if len(got) > 255 || got[0] != '.' || seen[got] != "" {
			t.Errorf("%q: partial file %q of %d bytes, also of %q", name, got, len(got), seen[got])
		}
		seen[got] = name
	}
}

func TestFullDiskAndMissingRightsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for errno, hint := range map[syscall.Errno]string{
		syscall.ENOSPC: "make room", syscall.EACCES: "the right to write", syscall.EROFS: "read-only",
		syscall.EDQUOT: "quota", syscall.EMFILE: "ulimit",
	} {
		err := trouble("write", "/data/out.csv", &fs.PathError{Op: "write", Path: "/data/out.csv", Err: errno})
		if !strings.Contains(fault.HintOf(err), hint) || fault.ClassOf(err) != fault.Environment || !errors.Is(err, errno) {
			t.Errorf("%v: error %v, hint %q", errno, err, fault.HintOf(err))
		}
		if strings.Count(err.Error(), "/data/out.csv") != 1 {
			t.Errorf("the path stands twice: %v", err)
		}
	}
}
