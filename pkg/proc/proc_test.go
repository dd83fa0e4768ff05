//go:build linux

package proc_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/proc"
)

// hearing collects the lines of a program.
type hearing struct {
	mu    sync.Mutex
	lines []string
	heard chan string
}

func (h *hearing) line(stream, line string) {
	h.mu.Lock()
	h.lines = append(h.lines, stream+": "+line)
	h.mu.Unlock()
	if h.heard != nil {
		h.heard <- line
	}
}

func shell(script string, h *hearing) *proc.Command {
	return &proc.Command{Args: []string{"sh", "-c", script}, Grace: 10 * time.Second, After: time.After, Line: h.line, Keep: 100}
}

// isAlive reports whether a process runs; one that is dead and not waited for does not.
func isAlive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	behind := stat[bytes.LastIndexByte(stat, ')')+2:]
	return behind[0] != 'Z' && behind[0] != 'X'
}

func awaitDeath(t *testing.T, pid string) {
	t.Helper()
	for range 500 {
		if !isAlive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s lives", pid)
}

func TestOutputIsHandedOutLineByLine(t *testing.T) {
	t.Parallel()
	h := &hearing{}
	r, err := shell(`printf 'one\r\n\ntwo\nno end'; echo bad >&2; exit 3`, h).Run(t.Context())
	if err != nil || r.Code != 3 || r.Signal != "" || r.Tail != "bad\n" || r.Stdout != "one\r\n\ntwo\nno end" {
		t.Errorf("got %+v, %v", r, err)
	}
	got := strings.Join(h.lines, "|")
	if strings.Replace(got, "stderr: bad|", "", 1) != "stdout: one|stdout: two|stdout: no end" && !strings.HasSuffix(got, "|stderr: bad") {
		t.Errorf("got %q", got)
	}
}

func TestOutputWithoutLinesIsHandedOutInPieces(t *testing.T) {
	t.Parallel()
	h := &hearing{}
	r, err := shell(`head -c 100000 /dev/zero | tr '\0' 'x'`, h).Run(t.Context())
	if err != nil || r.Size != 100000 || len(r.Stdout) != 100 {
		t.Fatalf("got %+v, %v", r, err)
	}
	total := 0
	for _, l := range h.lines {
		text := strings.TrimPrefix(l, "stdout: ")
		if total += len(text); len(text) > proc.MaxLine {
			t.Errorf("a line of %d bytes", len(text))
		}
	}
	if total != 100000 {
		t.Errorf("%d bytes were handed out", total)
	}
}

func TestProgramGetsItsSurroundings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.sh"), []byte("#!/bin/sh\necho \"$1 $COLOUR $(pwd) $(cat)\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := &proc.Command{Args: []string{"./own.sh", "a b; exit 1"}, Dir: dir, Env: []string{"COLOUR=red"}, Input: "fed", Grace: time.Second, After: time.After, Keep: 1000}
	r, err := c.Run(t.Context())
	if want := "a b; exit 1 red " + dir + " fed\n"; err != nil || r.Code != 0 || r.Stdout != want {
		t.Errorf("got %+v, %v, want %q", r, err, want)
	}
}

func TestInputThatNobodyReadsDoesNotHoldTheProgram(t *testing.T) {
	t.Parallel()
	c := shell("exit 0", &hearing{})
	c.Input = strings.Repeat("x", 1<<20)
	if r, err := c.Run(t.Context()); err != nil || r.Code != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestProgramThatCannotBeStartedIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"no-such-program-here", "./missing", "./plain", dir} {
		c := &proc.Command{Args: []string{name}, Dir: dir, After: time.After}
		_, err := c.Run(t.Context())
		if fault.ClassOf(err) != fault.Environment || fault.CodeOf(err) != "cannot_start" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestProgramEndedByASignalSaysSo(t *testing.T) {
	t.Parallel()
	r, err := shell("kill -SEGV $$", &hearing{}).Run(t.Context())
	if err != nil || r.Code != -1 || r.Signal == "" {
		t.Errorf("got %+v, %v", r, err)
	}
}

var errAsked = errors.New("asked to stop")

// stopped runs a script that prints the ids of its processes and a line "ready", stops it then, and returns the ids.
func stopped(t *testing.T, script string, grace time.Duration) (pids []string, h *hearing) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	h = &hearing{heard: make(chan string, 100)}
	c := shell(script, h)
	c.Grace = grace
	ended := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx)
		ended <- err
	}()
	for line := range h.heard {
		if line == "ready" {
			break
		}
		pids = append(pids, strings.Fields(line)...)
	}
	for _, pid := range pids {
		if !isAlive(pid) {
			t.Fatalf("process %s does not live yet", pid)
		}
	}
	cancel(errAsked)
	if err := <-ended; !errors.Is(err, errAsked) {
		t.Errorf("got %v, want the cause", err)
	}
	return pids, h
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	pids, h := stopped(t, `trap 'echo cleaned; exit 1' TERM; sleep 300 & a=$!; sh -c 'sleep 300 & echo $!; wait' & echo $$ $a $!; sleep 0.2; echo ready; wait`, 10*time.Second)
	if len(pids) != 4 {
		t.Fatalf("got %v", pids)
	}
	for _, pid := range pids {
		awaitDeath(t, pid)
	}
	if !strings.Contains(strings.Join(h.lines, "|"), "cleaned") {
		t.Errorf("the program could not clean up: %q", h.lines)
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	t.Parallel()
	pids, _ := stopped(t, `trap '' TERM; sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & echo $$; sleep 0.2; echo ready; while :; do sleep 1; done`, 50*time.Millisecond)
	for _, pid := range pids {
		awaitDeath(t, pid)
	}
}

func TestWhatAProgramLeavesRunningIsEnded(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"listened to": `sleep 300 & echo $!`,
		"silent":      `sleep 300 >/dev/null 2>&1 & echo $!`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := shell(script, &hearing{}).Run(t.Context())
			if err != nil || r.Code != 0 {
				t.Fatalf("got %+v, %v", r, err)
			}
			awaitDeath(t, strings.TrimSpace(r.Stdout))
		})
	}
}

func TestProcessThatLeavesItsGroupIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := shell(`setsid sh -c 'echo $$; exec sleep 300' & sleep 0.1`, &hearing{})
	c.Grace = 50 * time.Millisecond
	r, err := c.Run(t.Context())
	if err != nil || r.Code != 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(r.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func TestNothingIsLeftOpen(t *testing.T) { // not parallel: it counts what the process has open
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	run := func() {
		c := shell("cat; echo x; sleep 300 &", &hearing{})
		c.Input = "a"
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = (&proc.Command{Args: []string{"no-such-program"}, After: time.After}).Run(t.Context())
	}
	run()
	before := count()
	run()
	run()
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	children, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children")
	if err == nil && len(children) > 0 {
		t.Errorf("children are left: %s", children)
	}
}
