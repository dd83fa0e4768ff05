package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the tests' program be what the harness starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == measureCommand {
		exit(measureOne(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == upsertCommand {
		exit(upsertRowByRow(context.Background(), os.Args[2]))
	}
	os.Exit(m.Run())
}

// small is a bench of few rows with a batchctl of now, and with the programs that are there.
func small(t *testing.T) options {
	t.Helper()
	folder, root := t.TempDir(), filepath.Join("..", "..")
	binary := filepath.Join(folder, "batchctl")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return options{rounds: 1, rows: 1000, binary: binary, folder: filepath.Join(folder, "bench"), root: root, offline: true}
}

// The jobs run, and what they and their peers write is what it must be: else measureAll fails.
func TestContestsRunAndCheckTheirOutputs(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds batchctl and runs other programs")
	}
	t.Parallel()
	o := small(t)
	o.run = "^(load: .*chunk 200|upsert|export|sqlite|paid|jsonl|settle|start|settings-load: .*(meta|intent|partitions))"
	o.update = filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(o.update, []byte("<!-- figures -->\n<!-- end of figures -->\n<!-- settings -->\n<!-- end of settings -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := measureAll(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(o.update)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"CSV to PostgreSQL, chunk 200, 2 workers", "CSV to SQLite", "to JSONL, one worker", "settlement", "`version`",
		"2 partitions of the file", "checkpoint: intent"} {
		if !strings.Contains(string(page), job) {
			t.Errorf("the page says nothing of %q", job)
		}
	}
}

// Another batchctl is measured beside this one, job by job.
func TestOldProgramRunsBesides(t *testing.T) {
	t.Parallel()
	b := &bench{options: options{binary: "new", old: "old", rows: 1000, run: "^sqlite"}}
	chosen := b.chosen()
	if len(chosen) != 1 || len(chosen[0].contenders) != 3 || len(chosen[0].claims) != 2 {
		t.Fatalf("got %+v, want sqlite3 and two batchctl", chosen)
	}
	if claim := chosen[0].claims[1]; claim.by != "batchctl" || claim.against != oldPrefix+"batchctl" || claim.goal != (goal{}) {
		t.Errorf("got %+v", claim)
	}
}

func TestWrongOutputEndsTheBench(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	liar := filepath.Join(folder, "batchctl") // it says that all went well, and has done nothing
	if err := os.WriteFile(liar, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := options{rounds: 1, rows: 1000, binary: liar, folder: folder, root: filepath.Join("..", ".."), offline: true, run: "^start: a job"}
	if err := measureAll(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the output is wrong") {
		t.Errorf("got %v, want that the output is wrong", err)
	}
}
