package main_test

import (
	"bytes"
	"database/sql"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a command that runs beside the test.
type process struct {
	*exec.Cmd
	said lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func begin(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(t, folder, args...)}
	p.Stdout, p.Stderr = &p.said, &p.said
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// says waits until the process has said a text.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	for range 3000 {
		if strings.Contains(p.said.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never said %q:\n%s", text, p.said.String())
}

func (p *process) exits(t *testing.T, want int) {
	t.Helper()
	_ = p.Wait()
	if got := p.ProcessState.ExitCode(); got != want {
		t.Errorf("exit %d, want %d\n%s", got, want, p.said.String())
	}
}

// waitPlace is a folder with a load that cannot end before the returned function is called.
func waitPlace(t *testing.T, definition string) (folder string, release func()) {
	t.Helper()
	folder = t.TempDir()
	writeFile(t, folder, "job.yaml", definition)
	writeFile(t, folder, "in.csv", "id\n1\n2\n3\n4\n5\n")
	return folder, holdWriteLock(t, filepath.Join(folder, "shop.db"))
}

var runOverlap = []string{"run", "job.yaml", "-p", "day=2026-11-20", "--on-overlap", "wait"}

func TestWaitingRunFindsTheInstanceComplete(t *testing.T) {
	t.Parallel()
	folder, release := waitPlace(t, overlapJob)
	owner := begin(t, folder, runOverlap[:4]...)
	owner.says(t, "job started")
	refused := begin(t, folder, append(runOverlap, "--wait-lock", "200ms")...)
	refused.says(t, "waiting until it has ended, for 200ms at most")
	refused.exits(t, 6)
	refused.says(t, "waited for 200ms: job overlap is running already: execution 1")
	interrupted := begin(t, folder, runOverlap...)
	interrupted.says(t, "for 10m at most")
	_ = interrupted.Process.Signal(syscall.SIGINT)
	interrupted.exits(t, 130)
	interrupted.says(t, "nothing was started yet")
	second, third := begin(t, folder, runOverlap...), begin(t, folder, append(runOverlap, "--if-complete", "skip")...)
	restart := begin(t, folder, "restart", "--wait-lock", "1m")
	for _, p := range []*process{second, third, restart} {
		p.says(t, "execution 1 since")
	}
	release()
	owner.exits(t, 0)
	second.exits(t, 7)
	third.exits(t, 0)
	restart.exits(t, 7)
}

// The owner is killed while several wait: one takes over, the others wait for that one.
func TestOfSeveralWaitingExactlyOneGoesOn(t *testing.T) {
	t.Parallel()
	folder, release := waitPlace(t, overlapJob)
	owner := begin(t, folder, runOverlap[:4]...)
	owner.says(t, "job started")
	var waiting []*process
	for _, args := range [][]string{runOverlap, runOverlap, {"restart", "1", "--on-overlap", "wait"}, {"restart", "overlap", "--on-overlap", "wait"}} {
		p := begin(t, folder, args...)
		p.says(t, "execution 1 since")
		waiting = append(waiting, p)
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	for range 3000 { // the one that goes on is told of by the others
		if told := 0; strings.Contains(all(waiting), "execution 2 since") {
			for _, p := range waiting {
				told += strings.Count(p.said.String(), "execution 2 since")
			}
			if told == 3 {
				break
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	release()
	var codes []int
	for _, p := range waiting {
		_ = p.Wait()
		codes = append(codes, p.ProcessState.ExitCode())
	}
	sort.Ints(codes)
	if codes[0] != 0 || codes[1] != 7 || codes[3] != 7 {
		t.Errorf("exit codes %v, want 0 7 7 7\n%s", codes, all(waiting))
	}
	checkOverlap(t, folder, 0)
}

func all(processes []*process) string {
	var b strings.Builder
	for _, p := range processes {
		b.WriteString(p.said.String())
	}
	return b.String()
}

// A job that gets an instance with each run says in its definition that runs take turns.
func TestRunsOfAnEachRunJobTakeTurns(t *testing.T) {
	t.Parallel()
	folder, release := waitPlace(t, strings.Replace(overlapJob, "params:\n  day: {type: date}", "on_overlap: {wait: 5m}", 1))
	first := begin(t, folder, "run", "job.yaml")
	first.says(t, "job started")
	second, third := begin(t, folder, "run", "job.yaml"), begin(t, folder, "run", "job.yaml")
	second.says(t, "for 5m at most")
	third.says(t, "for 5m at most")
	release()
	for _, p := range []*process{first, second, third} {
		p.exits(t, 0)
	}
	db, err := sql.Open("sqlite", filepath.Join(folder, "meta/batchctl.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var ended, overlapping int
	err = db.QueryRow(`select (select count(*) from BATCH_JOB_EXECUTION where STATUS = 'COMPLETED'), (select count(*)
		from BATCH_JOB_EXECUTION a join BATCH_JOB_EXECUTION b on b.JOB_EXECUTION_ID > a.JOB_EXECUTION_ID and b.CREATE_TIME < a.END_TIME)`).Scan(&ended, &overlapping)
	if err != nil || ended != 3 || overlapping != 0 {
		t.Errorf("%d completed, %d overlapping, %v", ended, overlapping, err)
	}
}
