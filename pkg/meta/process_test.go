package meta

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/batch"
)

// helperVariable makes the test binary one of the helper processes below, in the file that it names.
const helperVariable = "BATCHCTL_META_TEST_HELPER"

func TestMain(m *testing.M) {
	if helper, path, found := strings.Cut(os.Getenv(helperVariable), " "); found {
		if err := helpers[helper](path); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var helpers = map[string]func(path string) error{
	"work": workUntilKilled,
	"open": openWithoutUmask,
}

// workUntilKilled launches an instance, starts a step, says so, and waits to be killed.
func workUntilKilled(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		return err
	}
	l, err := s.Launch(ctx, identified("2026-11-20"))
	if err != nil {
		return err
	}
	l.Execution.Status = batch.Started
	if err := s.SaveJob(ctx, l.Execution); err != nil {
		return err
	}
	if err := s.StartStep(ctx, &batch.StepExecution{JobID: l.Execution.ID, Name: "load"}); err != nil {
		return err
	}
	fmt.Println("working")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// openWithoutUmask makes a repository where nothing but the modes asked for keeps others out.
func openWithoutUmask(path string) error {
	syscall.Umask(0)
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		return err
	}
	l, err := s.Launch(context.Background(), identified("2026-11-20"))
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	fmt.Println("open")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// helper starts a helper process, waits for its first line, and returns it with a function that lets it end.
func startHelper(t *testing.T, name, path, line string) (process *osexec.Cmd, finish func()) {
	t.Helper()
	process = osexec.Command(os.Args[0])
	process.Env = append(os.Environ(), helperVariable+"="+name+" "+path)
	process.Stderr = os.Stderr
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	finish = func() { _ = input.Close() }
	t.Cleanup(func() {
		finish()
		_ = process.Wait() // a killed one says so
	})
	got, err := bufio.NewReader(output).ReadString('\n')
	if strings.TrimSpace(got) != line {
		t.Fatalf("helper said %q, %v; want %q", got, err, line)
	}
	return process, finish
}

func TestKilledProcessIsContinuedAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	helper, _ := startHelper(t, "work", path, "working")
	s := openAt(t, path)
	refusal := refused(t, s, identified("2026-11-20"), batch.ErrRunning)
	if want := fmt.Sprintf("process %d on host", helper.Process.Pid); !strings.Contains(refusal.Message, want) {
		t.Errorf("got %q, want %q in it", refusal.Message, want)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // it says that it was killed
	begun := time.Now()
	l := launch(t, openAt(t, path), identified("2026-11-20"))
	t.Logf("continued after %s", time.Since(begun))
	if l.Previous == nil || l.Previous.Status != batch.Failed || l.Previous.Steps[0].Status != batch.Failed {
		t.Errorf("continues %+v, want a FAILED execution with a FAILED step", l.Previous)
	}
	if want := fmt.Sprintf("process %d on host", helper.Process.Pid); !strings.Contains(l.Previous.Exit.Description, want) {
		t.Errorf("got exit message %q, want %q in it", l.Previous.Exit.Description, want)
	}
}

func TestFilesAreNobodyElsesToRead(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(folder, "batchctl.db")
	startHelper(t, "open", path, "open")
	seen := map[string]bool{}
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		seen[filepath.Ext(name)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, extension := range []string{".db", ".db-wal", ".db-shm", ".locks", ".lock"} {
		if !seen[extension] {
			t.Errorf("no %s among the files: %v", extension, seen)
		}
	}
}
