package main_test

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The built binary gets SIGTERM again and again during a load, at any moment, sometimes twice, and is run again until the
// load is complete. It ends in time, nothing is left STARTED, and the result is that of an undisturbed run.

// stopWithin is how long a process may take for the chunk in hand, and to record that it stopped.
const stopWithin = 5 * time.Second

func wantedStops() int {
	if os.Getenv("BATCHCTL_SOAK") != "" {
		return 250
	}
	return 5
}

func TestTerminatedProcessStopsInTimeAndIsRestartedExactly(t *testing.T) {
	t.Parallel()
	for _, target := range killTargets() {
		if target.name != "csv to sqlite" && target.name != "csv to csv" {
			continue
		}
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 13))
			stops := map[string]int{}
			loads, count := 0, 0
			for ; count < wantedStops(); loads++ {
				p := newPlace(t, target)
				for p.status() != "COMPLETED" && count < wantedStops() {
					how := p.terminate(t, random)
					stops[how]++
					if how == "stopped" {
						count++
					}
				}
				if code, _, output := p.run(t, time.Minute, "run", "job.yaml", "--if-complete", "skip"); code != 0 {
					t.Fatalf("seed %d: at last: exit %d\n%s", seed, code, output)
				}
				p.check(t, seed)
				if t.Failed() {
					t.Fatalf("seed %d, load %d", seed, loads)
				}
				os.RemoveAll(p.folder)
			}
			t.Logf("seed %d: %d loads: %v", seed, loads, stops)
		})
	}
}

// terminate runs the job and sends it SIGTERM, once or twice. It says when the signal came.
func (p *place) terminate(t *testing.T, random *rand.Rand) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := exec.Command(path, "run", "job.yaml", "--if-complete", "skip")
	c.Dir, c.Stdout, c.Stderr = p.folder, &out, &out
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(random.IntN(200_000)) * time.Microsecond) // the moment is the point
	_ = c.Process.Signal(syscall.SIGTERM)
	sent := time.Now()
	if random.IntN(3) == 0 {
		time.Sleep(time.Duration(random.IntN(3_000)) * time.Microsecond)
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	_ = c.Wait()
	if took := time.Since(sent); took > stopWithin {
		t.Errorf("it ended %s after the signal, want %s at most", took, stopWithin)
	}
	status := p.status()
	p.nothingRuns(t, out.String())
	ended := c.ProcessState.Sys().(syscall.WaitStatus)
	switch code := c.ProcessState.ExitCode(); {
	case code == 143 && status == "STOPPED":
		return "stopped"
	case code == 0 && status == "COMPLETED":
		return "ended before"
	case code == 143 && status == "COMPLETED" && strings.Contains(out.String(), "nothing to do"):
		return "ended before"
	case code == 143 && status == "" && strings.Contains(out.String(), "nothing was started"):
		return "nothing was being done"
	case ended.Signaled() && ended.Signal() == syscall.SIGTERM:
		return "nothing was being done" // before the job was begun, or after its end
	default:
		t.Fatalf("exit %d, %v, status %q\n%s", code, c.ProcessState, status, out.String())
		return ""
	}
}

// nothingRuns looks whether an execution or a step is recorded as running, although no process is there.
func (p *place) nothingRuns(t *testing.T, output string) {
	t.Helper()
	path := filepath.Join(p.folder, "meta/batchctl.db")
	if _, err := os.Stat(path); err != nil {
		return
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{"BATCH_JOB_EXECUTION", "BATCH_STEP_EXECUTION"} {
		rows, err := db.Query("select STATUS from " + table)
		if err != nil {
			return // it was terminated before the tables were made
		}
		var all []string
		for rows.Next() {
			var status string
			if err := rows.Scan(&status); err != nil {
				t.Fatal(err)
			}
			all = append(all, status)
		}
		rows.Close()
		if i := slices.IndexFunc(all, func(s string) bool { return s != "STOPPED" && s != "COMPLETED" && s != "FAILED" }); i >= 0 {
			t.Errorf("%s: one is %s\n%s", table, all[i], output)
		}
	}
}
