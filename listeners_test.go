package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A job whose listener still hangs is done, and whoever kills it then loses nothing.
func TestAKillWhileAListenerHangsLeavesTheJobComplete(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, folder, "job.yaml", `
job: hangs
instance: params
steps:
  - name: load
    reader: {type: inline, records: [{id: 1}, {id: 2}]}
    writer: {type: csv, path: out.csv}
listeners:
  - {on: [job.completed], type: exec, command: [sh, -c, 'echo $$ > told; exec sleep 600'], timeout: 10m}
`)
	c := command(t, folder, "run", "job.yaml")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(folder, "told")); err == nil {
			break
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatal("the listener was not told")
		}
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if got := readText(t, filepath.Join(folder, "out.csv")); got != "id\n1\n2\n" {
		t.Errorf("the output is %q", got)
	}
	out, err := command(t, folder, "run", "job.yaml", "--if-complete", "skip").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "complete already") {
		t.Errorf("a second run: %v\n%s", err, out)
	}
	if list := mustRun(t, folder, "list"); strings.Contains(list, "FAILED") || !strings.Contains(list, "COMPLETED") {
		t.Errorf("the execution is not COMPLETED:\n%s", list)
	}
}

// An exit code is that of the job, whatever becomes of its listeners.
func TestListenersThatFailDoNotChangeTheExitCode(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, c := range map[string]struct {
		writer string
		code   int
	}{"good": {"{type: discard}", 0}, "bad": {"{type: csv, path: /proc/no/such.csv}", 3}} {
		writeFile(t, folder, name+".yaml", `
job: `+name+`
steps:
  - {name: load, reader: {type: inline, records: [{id: 1}]}, writer: `+c.writer+`}
listeners:
  - {on: [job.completed, job.failed], type: exec, command: [sh, -c, 'exit 9']}
  - {on: [job.started], type: http, url: "http://127.0.0.1:1/"}
`)
		run := command(t, folder, "run", name+".yaml")
		out, _ := run.CombinedOutput()
		if run.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), "listener exec was not told of job.") || !strings.Contains(string(out), "listener http was not told of job.started") {
			t.Errorf("%s: exit %d\n%s", name, run.ProcessState.ExitCode(), out)
		}
	}
}
