package cmd

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const profiledJob = `job: profiled
instance: each_run
params: {bad: {type: int, default: 0, identifying: false}}
steps:
  - name: load
    chunk: 2
    reader: {type: csv, path: in.csv}
    processors:
      - fault: {class: none, every: 1, sleep: 20ms}
      - fault: {when: int(id) == params.bad}
    writer: {type: csv, path: out.csv}
`

// The profiler of a process is one, so these tests run one after the other.
func TestProfilesAreWholeHoweverTheJobEnds(t *testing.T) {
	cases := []struct {
		name, args string
		code       int
	}{
		{"completed", "", 0}, {"failed", "-p bad=3", 1}, {"stopped by a timeout", "--timeout 30ms", 10}, {"dry run", "--dry-run", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			putFile(t, folder, "job.yaml", profiledJob)
			putFile(t, folder, "in.csv", "id\n1\n2\n3\n4\n5\n6\n")
			cpu, traced := filepath.Join(folder, "cpu.pprof"), filepath.Join(folder, "trace.out")
			args := append([]string{"run", filepath.Join(folder, "job.yaml"), "--meta", filepath.Join(folder, "meta.db"), "--quiet",
				"--cpuprofile", cpu, "--trace", traced}, strings.Fields(c.args)...)
			var out bytes.Buffer
			if code := Main(args, strings.NewReader(""), &out, &out); code != c.code {
				t.Fatalf("exit %d, want %d: %s", code, c.code, &out)
			}
			wantProfiles(t, cpu, traced)
		})
	}
}

// A restart takes profiles as well.
func TestProfilesOfARestart(t *testing.T) {
	folder := t.TempDir()
	putFile(t, folder, "job.yaml", strings.Replace(profiledJob, "params.bad}", "3, runs: 1}", 1))
	putFile(t, folder, "in.csv", "id\n1\n2\n3\n4\n")
	meta, cpu, traced := filepath.Join(folder, "meta.db"), filepath.Join(folder, "cpu.pprof"), filepath.Join(folder, "trace.out")
	var out bytes.Buffer
	if code := Main([]string{"run", filepath.Join(folder, "job.yaml"), "--meta", meta}, strings.NewReader(""), &out, &out); code != 1 {
		t.Fatalf("exit %d, want 1: %s", code, &out)
	}
	if code := Main([]string{"restart", "--meta", meta, "--cpuprofile", cpu, "--trace", traced}, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatalf("exit %d, want 0: %s", code, &out)
	}
	wantProfiles(t, cpu, traced)
}

// And so does a replay.
func TestProfilesOfAReplay(t *testing.T) {
	folder := t.TempDir()
	putFile(t, folder, "job.yaml", `job: replayed
steps:
  - name: load
    reader: {type: csv, path: in.csv}
    processors:
      - fault: {class: none, every: 1, sleep: 20ms}
      - validate: [{rule: id != "3", message: no}]
    writer: {type: csv, path: out.csv}
    skip: {limit: 1}
    dead_letter: {type: jsonl, path: dead.jsonl}
`)
	putFile(t, folder, "in.csv", "id\n1\n2\n3\n4\n")
	meta, cpu, traced := filepath.Join(folder, "meta.db"), filepath.Join(folder, "cpu.pprof"), filepath.Join(folder, "trace.out")
	for _, args := range [][]string{{"run", filepath.Join(folder, "job.yaml")}, {"dead-letters", "replay", "1", "--cpuprofile", cpu, "--trace", traced}} {
		var out bytes.Buffer
		if code := Main(append(args, "--meta", meta), strings.NewReader(""), &out, &out); code != 0 {
			t.Fatalf("%s: exit %d, want 0: %s", args, code, &out)
		}
	}
	wantProfiles(t, cpu, traced)
}

func putFile(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantProfiles(t *testing.T, cpu, traced string) {
	t.Helper()
	packed, err := os.Open(cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := io.ReadAll(unpacked)
	if err != nil || !bytes.Contains(profile, []byte("nanoseconds")) {
		t.Errorf("%d bytes of a profile, %v", len(profile), err)
	}
	if events, err := os.ReadFile(traced); err != nil || !bytes.HasPrefix(events, []byte("go 1.")) || len(events) < 1000 {
		t.Errorf("%d bytes of a trace, %v", len(events), err)
	}
}

func TestProfilesThatCannotBeWrittenStartNothing(t *testing.T) {
	folder := t.TempDir()
	putFile(t, folder, "job.yaml", profiledJob)
	putFile(t, folder, "in.csv", "id\n1\n")
	for args, want := range map[string]int{
		"--cpuprofile " + folder + "/no/where":                         exitEnvironment,
		"--trace " + folder + "/no/where":                              exitEnvironment,
		"--cpuprofile " + folder + "/one --trace " + folder + "/one":   exitUsage,
		"--cpuprofile " + folder + "/cpu --trace " + folder + "/no/pe": exitEnvironment,
	} {
		var out bytes.Buffer
		run := append([]string{"run", filepath.Join(folder, "job.yaml"), "--meta", filepath.Join(folder, "meta.db")}, strings.Fields(args)...)
		if code := Main(run, strings.NewReader(""), &out, &out); code != want || !strings.Contains(out.String(), "--trace") && !strings.Contains(out.String(), "--cpuprofile") {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, &out)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "meta.db")); err == nil {
		t.Error("a job repository was made: something was started")
	}
}
