//go:build linux

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a job starts dies with it: the program, what that started, and what does not want to.

const childJob = `job: children
steps:
  - name: run
    tasklet:
      type: exec
      shell: true
      command: |
        %s
        sh -c 'trap "" TERM; sleep 1000 & echo $! >> pids; wait; sleep 1000' &
        echo $! >> pids
        sleep 1000 &
        echo $! >> pids
        echo $$ >> pids
        wait
      grace: 200ms
%s`

func TestChildrenDoNotOutliveTheJob(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, shell, keys string
		end               syscall.Signal // 0: nothing but time
		code              int
	}{
		{"SIGTERM", "", "", syscall.SIGTERM, 143},
		{"SIGTERM, and nobody wants to end", "trap '' TERM", "", syscall.SIGTERM, 143},
		{"the tasklet takes too long", "", "      timeout: 3s\n", 0, 1},
		{"the step takes too long", "", "    timeout: 3s\n", 0, 10},
		{"SIGKILL", "", "", syscall.SIGKILL, -1},
		{"SIGKILL, and nobody wants to end", "trap '' TERM", "", syscall.SIGKILL, -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			writeFile(t, folder, "job.yaml", fmt.Sprintf(childJob, c.shell, c.keys))
			run := command(t, folder, "run", "job.yaml")
			var said bytes.Buffer
			run.Stdout, run.Stderr = &said, &said
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			pids := awaitProcesses(t, filepath.Join(folder, "pids"), 4)
			if c.end != 0 {
				if alive := living(pids); len(alive) != 4 {
					t.Fatalf("only %v of %v live", alive, pids)
				}
				if err := run.Process.Signal(c.end); err != nil {
					t.Fatal(err)
				}
			}
			_ = run.Wait()
			if code := run.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit %d, want %d\n%s", code, c.code, said.String())
			}
			for range 500 {
				if len(living(pids)) == 0 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("of %v these live: %v\n%s", pids, living(pids), said.String())
		})
	}
}

// awaitProcesses returns the ids of processes, one a line, when so many are in the file.
func awaitProcesses(t *testing.T, path string, n int) (pids []string) {
	t.Helper()
	for range 2000 {
		text, _ := os.ReadFile(path)
		if pids = strings.Fields(string(text)); len(pids) == n && bytes.HasSuffix(text, []byte("\n")) {
			return pids
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: got the processes %v, want %d", path, pids, n)
	return nil
}

// living returns those of some processes that run; one that is dead and not waited for does not.
func living(pids []string) (alive []string) {
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue
		}
		if state := stat[bytes.LastIndexByte(stat, ')')+2]; state != 'Z' && state != 'X' {
			alive = append(alive, pid)
		}
	}
	return alive
}

// Where there is no shell for a guard, the kernel still kills the program itself.
func TestChildDiesWithoutAGuard(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, folder, "job.yaml", "job: alone\nsteps:\n  - name: run\n    tasklet: {type: exec, command: ["+sleep+", 1000]}\n")
	run := command(t, folder, "run", "job.yaml")
	run.Env = append(run.Environ(), "PATH=/nowhere")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	children := fmt.Sprintf("/proc/%d/task", run.Process.Pid)
	var pids []string
	for range 1000 {
		if pids = childrenIn(children); len(pids) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(pids) != 1 {
		t.Fatalf("got the children %v", pids)
	}
	_ = run.Process.Kill()
	_ = run.Wait()
	for range 500 {
		if len(living(pids)) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %v lives", pids)
}

// childrenIn returns the processes that the threads of a process have started.
func childrenIn(threads string) (pids []string) {
	found, _ := filepath.Glob(threads + "/*/children")
	for _, f := range found {
		text, _ := os.ReadFile(f)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}
