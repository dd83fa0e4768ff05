package meta

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
)

func TestLockFilesDoNotPileUp(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		for range 3 {
			each := eachRun("a.csv")
			each.Job = "nightly"
			ended(t, s, each, batch.Completed)
			ended(t, s, identified("2026-11-20"), batch.Failed)
		}
		left, err := filepath.Glob(filepath.Join(s.locks.Folder(), "*.lock"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		l := launch(t, s, identified("2026-11-20"))
		if _, err := os.Stat(filepath.Join(s.locks.Folder(), lockName("import", l.Execution.Instance.Key)+".lock")); err != nil {
			t.Errorf("a running instance: %v", err)
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestLockNamesAreFileNames(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, job := range []string{"import", "im/port", "im_port", "../import", "결제", strings.Repeat("x", 300), strings.Repeat("x", 301), ""} {
		name := lockName(job, "key")
		if names[name] || len(name) > 100 || name != filepath.Base(name) || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
			t.Errorf("job %q gets lock %q", job, name)
		}
		names[name] = true
	}
}
