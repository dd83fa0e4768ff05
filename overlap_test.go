package main_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

const overlapJob = `job: overlap
params:
  day: {type: date}
connections:
  shop: {driver: sqlite, dsn: shop.db}
steps:
  - name: load
    chunk: 2
    reader: {type: csv, path: in.csv, columns: {id: int}}
    writer: {type: sql, connection: shop, table: items, create: true}
`

// Two processes start one instance at the same moment, and later two restart its failed execution: exactly one of each
// pair proceeds. The test holds the target's write lock meanwhile, so that the one that proceeds cannot be done before
// the other has asked.
func TestOfTwoProcessesExactlyOneRunsAnInstance(t *testing.T) {
	t.Parallel()
	for round := range 50 {
		folder := t.TempDir()
		writeFile(t, folder, "job.yaml", overlapJob)
		writeFile(t, folder, "in.csv", "id\n1\n2\n3\n4\nfive\n")
		race(t, folder, round, "starts", []int{1, 6}, "run", "job.yaml", "-p", "day=2026-11-20")
		writeFile(t, folder, "in.csv", "id\n1\n2\n3\n4\n5\n")
		race(t, folder, round, "restarts", []int{0, 6}, "restart", "overlap")
		checkOverlap(t, folder, round)
		if t.Failed() {
			return
		}
	}
}

func writeFile(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// race runs the same command in two processes at once and compares their exit codes.
func race(t *testing.T, folder string, round int, what string, want []int, args ...string) {
	t.Helper()
	release := holdWriteLock(t, filepath.Join(folder, "shop.db"))
	commands := [2]*exec.Cmd{}
	outputs := [2]strings.Builder{}
	for i := range commands {
		commands[i] = command(t, folder, args...)
		commands[i].Stdout, commands[i].Stderr = &outputs[i], &outputs[i]
		if err := commands[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	first := make(chan int, 2)
	for i := range commands {
		go func() {
			_ = commands[i].Wait()
			first <- i
		}()
	}
	select {
	case <-first:
	case <-time.After(10 * time.Second):
		t.Errorf("round %d: two %s: neither was refused", round, what)
	}
	release()
	<-first
	got := []int{commands[0].ProcessState.ExitCode(), commands[1].ProcessState.ExitCode()}
	sort.Ints(got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("round %d: two %s: exit codes %v, want %v\n%s\n%s", round, what, got, want, outputs[0].String(), outputs[1].String())
	}
}

func command(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Dir = folder
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db")
	return c
}

// holdWriteLock opens a write transaction on a SQLite file and returns the function that ends it.
func holdWriteLock(t *testing.T, path string) func() {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"pragma journal_mode=wal", "begin immediate"} {
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), "rollback"); err != nil {
			t.Error(err)
		}
		conn.Close()
		db.Close()
	}
}

// checkOverlap looks for what a race leaves behind: rows that came twice, executions without an instance.
func checkOverlap(t *testing.T, folder string, round int) {
	t.Helper()
	for _, c := range []struct{ file, query, want string }{
		{"shop.db", "select group_concat(id) from (select id from items order by id)", "1,2,3,4,5"},
		{"meta/batchctl.db", "select count(*) from BATCH_JOB_INSTANCE", "1"},
		{"meta/batchctl.db", "select group_concat(STATUS) from (select STATUS from BATCH_JOB_EXECUTION order by JOB_EXECUTION_ID)", "FAILED,COMPLETED"},
		{"meta/batchctl.db", "select count(*) from BATCH_JOB_EXECUTION_PARAMS", "2"},
		{"meta/batchctl.db", "select count(*) from BATCH_STEP_EXECUTION", "2"},
	} {
		db, err := sql.Open("sqlite", filepath.Join(folder, c.file))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := db.QueryRow(c.query).Scan(&got); err != nil || got != c.want {
			t.Errorf("round %d: %s: got %q (%v), want %q", round, c.query, got, err, c.want)
		}
		db.Close()
	}
}
