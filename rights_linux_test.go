package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights of its own: root may read and write whatever the modes of files say.
const nobody = 65534

// asNobody runs batchctl in a folder that belongs to nobody, as that user where the tests run as root.
func asNobody(t *testing.T, folder string, args ...string) (code int, output string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Dir = folder
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db", "HOME=/nonexistent")
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out)
}

// nobodysFolder is a new folder that nobody owns and can reach.
func nobodysFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return folder
	}
	for _, reach := range []string{filepath.Dir(folder), filepath.Dir(path)} {
		if err := os.Chmod(reach, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestMissingRightsAreNamedAndTheLoadGoesOnExactly(t *testing.T) {
	t.Parallel()
	tocsv := "{type: csv, path: out/payments.csv}"
	totable := "{type: sql, connection: shop, table: payments, create: true}"
	for name, c := range map[string]struct {
		writer string
		ready  bool // the table is there already, empty
		path   string
		mode   os.FileMode
		says   []string
	}{
		"output folder":      {tocsv, false, "out", 0o555, []string{"out/.payments.csv.", "permission denied", "needs the right to write in "}},
		"folder to be made":  {strings.Replace(tocsv, "out/", "out/deep/er/", 1), false, "out", 0o555, []string{"make the folder ", "out/deep", "permission denied"}},
		"input file":         {tocsv, false, "in/payments.csv", 0, []string{"read in/payments.csv: permission denied", "needs the right to read the file"}},
		"input folder":       {tocsv, false, "in", 0, []string{"read in/payments.csv: permission denied", "enter the folders above it"}},
		"folder of a table":  {totable, false, "out", 0o555, []string{"connection shop: ", "out/shop.db: permission denied", "right to make files in"}},
		"file of a table":    {totable, true, "out/shop.db", 0o444, []string{"connection shop (", "out/shop.db)", "SQLITE_READONLY", "look at their owner and mode"}},
		"folder of its log":  {totable, true, "out", 0o555, []string{"connection shop (", "out/shop.db)", "look at their owner and mode"}},
		"no right to a file": {totable, true, "out/shop.db", 0, []string{"connection shop (", "out/shop.db)", "SQLITE_CANTOPEN", "right to read and write the file"}},
		"job repository":     {tocsv, false, "meta", 0o555, []string{"make the job repository", "meta/batchctl.db: permission denied", "--meta"}},
		"definition":         {tocsv, false, "job.yaml", 0, []string{"read job definition job.yaml: permission denied", "right to read it"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			target := killTarget{name: "rights " + name, records: 300, source: "csv", writer: c.writer}
			if c.writer == totable {
				target.database = "sqlite"
			} else {
				target.outputs = []string{strings.TrimSuffix(strings.TrimPrefix(c.writer, "{type: csv, path: "), "}")}
			}
			p := &place{target: target, folder: nobodysFolder(t), dsn: "out/shop.db"}
			p.writeQuickly(t)
			p.give(t, c.ready)
			path := filepath.Join(p.folder, c.path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			code, output := asNobody(t, p.folder, "run", "job.yaml", "--quiet")
			if code != 3 {
				t.Errorf("exit %d, want 3\n%s", code, output)
			}
			for _, part := range c.says {
				if !strings.Contains(output, part) {
					t.Errorf("it does not say %q\n%s", part, output)
				}
			}
			if err := os.Chmod(path, info.Mode().Perm()); err != nil {
				t.Fatal(err)
			}
			if code, output := asNobody(t, p.folder, "run", "job.yaml", "--quiet"); code != 0 || output != "" {
				t.Errorf("with the right: exit %d\n%s", code, output)
			}
			p.check(t, 0)
		})
	}
}

// give makes the folders of a load and gives all to nobody; with an empty database where it is to be there already.
func (p *place) give(t *testing.T, ready bool) {
	t.Helper()
	for _, name := range []string{"out", "meta"} {
		if err := os.Mkdir(filepath.Join(p.folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if ready {
		p.write(t, "out/shop.db", "")
	}
	err := filepath.WalkDir(p.folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil || os.Getuid() != 0 {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A file system that is mounted read-only refuses root as well.
func TestReadOnlyMountIsNamedAndTheLoadGoesOnExactly(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	for name, c := range map[string]struct {
		folder, writer, says string
	}{
		"output":         {"out", "{type: csv, path: out/payments.csv}", "is mounted read-only"},
		"table":          {"out", "{type: sql, connection: shop, table: payments, create: true}", "out/shop.db: read-only file system"},
		"job repository": {"meta", "{type: csv, path: out/payments.csv}", "meta/batchctl.db: read-only file system"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			target := killTarget{name: "mount " + name, records: 300, source: "csv", writer: c.writer, outputs: []string{"out/payments.csv"}}
			if name == "table" {
				target.database, target.outputs = "sqlite", nil
			}
			p := &place{target: target, folder: t.TempDir(), dsn: "out/shop.db"}
			p.writeQuickly(t)
			grow := mountSmall(t, filepath.Join(p.folder, c.folder), "10m")
			if err := syscall.Mount("", filepath.Join(p.folder, c.folder), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			out, err := command(t, p.folder, "run", "job.yaml", "--quiet", "--meta", "meta/batchctl.db").CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(string(out), c.says) {
				t.Errorf("got %v, want exit 3 and %q\n%s", err, c.says, out)
			}
			grow() // and writable
			if out, err := command(t, p.folder, "run", "job.yaml", "--quiet", "--meta", "meta/batchctl.db").CombinedOutput(); err != nil {
				t.Errorf("writable: %v\n%s", err, out)
			}
			p.check(t, 0)
		})
	}
}
