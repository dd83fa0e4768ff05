package main_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const longJob = `job: long
params: {day: {type: date, default: 2026-11-20}}
steps:
  - name: load
    chunk: 100
    reader: {type: csv, path: in.csv, columns: {id: int}}
    writer: {type: csv, path: out.csv}
`

const longRecords = 3_000_000

// longLoad is a folder with a load of about two seconds.
func longLoad(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	writeFile(t, folder, "job.yaml", longJob)
	var text bytes.Buffer
	text.WriteString("id,name\n")
	for i := range longRecords {
		fmt.Fprintf(&text, "%d,name %d\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(folder, "in.csv"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// startLong starts the load and waits until it has committed something.
func startLong(t *testing.T, folder string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	c := command(t, folder, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	for range 2000 {
		partial, _ := filepath.Glob(filepath.Join(folder, ".out.csv*"))
		if len(partial) > 0 {
			if info, err := os.Stat(partial[0]); err == nil && info.Size() > 100_000 {
				return c, &out
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("the load did not begin: %s", out.String())
	return nil, nil
}

func finishLong(t *testing.T, folder string) {
	t.Helper()
	if out, err := command(t, folder, "restart").CombinedOutput(); err != nil {
		t.Fatalf("restart: %v\n%s", err, out)
	}
	in, err := os.ReadFile(filepath.Join(folder, "in.csv"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(folder, "out.csv"))
	if err != nil || !bytes.Equal(in, got) {
		t.Errorf("the output is not the input: %d bytes, want %d: %v", len(got), len(in), err)
	}
}

func TestFirstSignalFinishesTheChunkAndRecordsStopped(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		folder := longLoad(t)
		c, out := startLong(t, folder, "run", "job.yaml", "--cpuprofile", "cpu.pprof")
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		wantProfile(t, folder)
		if got := c.ProcessState.ExitCode(); got != code || !strings.Contains(out.String(), "STOPPED in") {
			t.Errorf("%v: exit %d, want %d and STOPPED\n%s", signal, got, code, out)
		}
		finishLong(t, folder)
	}
}

func TestSecondSignalLeavesAtOnceAndCanBeRestarted(t *testing.T) {
	t.Parallel()
	folder := longLoad(t)
	c, out := startLong(t, folder, "run", "job.yaml", "--cpuprofile", "cpu.pprof")
	begin := time.Now()
	for range 2 {
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != 143 || time.Since(begin) > 5*time.Second {
		t.Errorf("exit %d after %s, want 143 at once\n%s", got, time.Since(begin), out)
	}
	wantProfile(t, folder)
	finishLong(t, folder)
}

// wantProfile looks for a whole profile: it is written when a job has been stopped, too.
func wantProfile(t *testing.T, folder string) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(folder, "cpu.pprof"))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		_, err = io.Copy(io.Discard, unpacked)
	}
	if err != nil {
		t.Errorf("a profile of %d bytes: %v", len(packed), err)
	}
}

func TestStopFromAnotherProcessEndsTheRunWithItsOwnCode(t *testing.T) {
	t.Parallel()
	folder := longLoad(t)
	c, out := startLong(t, folder, "run", "job.yaml")
	if said, err := command(t, folder, "stop", "1", "--wait").CombinedOutput(); err != nil || !strings.Contains(string(said), "STOPPED") {
		t.Errorf("stop: %v\n%s", err, said)
	}
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != 11 {
		t.Errorf("exit %d, want 11\n%s", got, out)
	}
	finishLong(t, folder)
	if err := command(t, folder, "stop", "1").Run(); err == nil {
		t.Error("stopping what has ended is no error")
	}
}

func TestProgressIsToldOnRequest(t *testing.T) {
	t.Parallel()
	folder := longLoad(t)
	c, out := startLong(t, folder, "run", "job.yaml")
	for range 5 { // the first may come before the first checkpoint
		_ = c.Process.Signal(syscall.SIGUSR1)
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "load: ") || !strings.Contains(out.String(), " %") {
		t.Errorf("nothing was said about progress:\n%s", out)
	}
}
