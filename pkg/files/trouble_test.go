package files

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"batchctl/pkg/fault"
)

func TestWriteThatIsRefusedNamesTheFileAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		hint string
	}{
		"disk full":      {syscall.ENOSPC, "make room on the file system of"},
		"quota":          {syscall.EDQUOT, "quota is used up"},
		"size limit":     {syscall.EFBIG, "ulimit -f"},
		"read-only":      {syscall.EROFS, "mounted read-only"},
		"open files":     {syscall.EMFILE, "ulimit -n"},
		"no permission":  {syscall.EACCES, "right to write in"},
		"file as folder": {syscall.ENOTDIR, "has to be a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "out.csv")
			disk := Hooked(func(point, _ string) error {
				if point == "write.before" {
					return c.err
				}
				return nil
			})
			p, err := Begin(Output{Path: path, Owner: "me", Epoch: 1, Disk: disk})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err = p.Write([]byte("x")); err == nil {
				err = p.Sync()
			}
			if fault.ClassOf(err) != fault.Environment || !strings.Contains(err.Error(), ".out.csv.me-1.partial: "+c.err.Error()) ||
				!strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("got %v, hint %q, want the file, %v and %q", err, fault.HintOf(err), c.err, c.hint)
			}
		})
	}
}
