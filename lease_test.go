package main_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// Real processes with their job repository in PostgreSQL. A host is, here, a state folder: hosts do not see each other's
// locks.

// team is the folder that hosts share, and their repository.
type team struct {
	folder string
	meta   string // the address of the repository
	shop   string // that of the target
}

const teamRecords = 3000

// newTeam makes a load of about a second and a half into a target: "postgres" or "csv".
func newTeam(t *testing.T, target, lease string) *team {
	t.Helper()
	m := &team{folder: t.TempDir(), shop: sqltest.Postgres(t)}
	m.meta = sqltest.Schema(t) + "&lease=" + lease
	writer := "{type: csv, path: out/payments.csv}"
	if target == "postgres" {
		writer = "{type: sql, connection: shop, table: payments, create: true}"
	}
	writeFile(t, m.folder, "job.yaml", fmt.Sprintf(`job: team
params: {day: {type: date, default: 2026-11-20}}
connections: {shop: {driver: postgres, dsn: %q, idle_timeout: 1s}}
steps:
  - name: load
    chunk: 20
    rate: 2000
    reader: {type: csv, path: in.csv, columns: {id: int}}
    writer: %s
`, m.shop, writer))
	var text strings.Builder
	text.WriteString("id,name\n")
	for i := range teamRecords {
		fmt.Fprintf(&text, "%d,%s\n", i, strings.Repeat("x", i%50))
	}
	writeFile(t, m.folder, "in.csv", text.String())
	return m
}

// on is a command on a host.
func (m *team) on(t *testing.T, host string, args ...string) *exec.Cmd {
	t.Helper()
	c := command(t, m.folder, args...)
	c.Env = append(c.Env, "BATCHCTL_META="+m.meta, "XDG_STATE_HOME="+filepath.Join(m.folder, "state", host), "STATE_DIRECTORY=")
	return c
}

// said runs a command and returns its exit code and what it printed.
func said(c *exec.Cmd) (int, string) {
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, err.Error()
	}
	return c.ProcessState.ExitCode(), string(out)
}

// left is what the target holds; a row that came twice shows.
func (m *team) left(t *testing.T, target string) string {
	t.Helper()
	if target == "csv" {
		text, err := os.ReadFile(filepath.Join(m.folder, "out", "payments.csv"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	db := openPostgresAt(t, m.shop)
	defer db.Close()
	rows, err := db.Query("select id, name from payments order by id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	b.WriteString("id,name\n")
	for rows.Next() {
		var id int
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d,%s\n", id, name)
	}
	return b.String()
}

// openPostgresAt opens a database; the caller closes it, because there are many rounds, and a server has few connections.
func openPostgresAt(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// statuses are those of all executions, in their order.
func (m *team) statuses(t *testing.T) string {
	t.Helper()
	dsn, _, _ := strings.Cut(m.meta, "&lease")
	var all string
	db := openPostgresAt(t, dsn)
	defer db.Close()
	err := db.QueryRow("select coalesce(string_agg(status, ',' order by job_execution_id), '') from batch_job_execution").Scan(&all)
	if err != nil {
		return err.Error()
	}
	return all
}

// TestSuspendedOwnerChangesNothingWhenItWakes stops a process with SIGSTOP past its lease, lets another host take over and
// complete, and wakes it: not a row, not a byte comes from it.
func TestSuspendedOwnerChangesNothingWhenItWakes(t *testing.T) {
	t.Parallel()
	rounds := 2
	if os.Getenv("BATCHCTL_SOAK") != "" {
		rounds = 60
	}
	for _, target := range []string{"postgres", "csv"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(5, uint64(len(target))))
			woken := 0
			for tries := 0; woken < rounds && tries < 5*rounds && !t.Failed(); tries++ {
				if suspendOnce(t, target, time.Duration(100+random.IntN(1500))*time.Millisecond) {
					woken++
				}
			}
			if woken < rounds {
				t.Errorf("only %d of %d were suspended while they ran", woken, rounds)
			}
			t.Logf("%d owners suspended past their lease: not a row, not a byte", woken)
		})
	}
}

// suspendOnce suspends a load after a while; it returns false where it had ended, or not begun, by then.
func suspendOnce(t *testing.T, target string, after time.Duration) bool {
	t.Helper()
	m := newTeam(t, target, "1s")
	var out bytes.Buffer
	a := m.on(t, "a", "run", "job.yaml")
	a.Stdout, a.Stderr = &out, &out
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = a.Process.Signal(syscall.SIGSTOP) // where it has ended, its status is not STARTED
	status := m.statuses(t)
	if status != "STARTED" {
		_ = a.Process.Signal(syscall.SIGKILL)
		_ = a.Wait()
		return false
	}
	m.takeOver(t, "b")
	before := m.left(t, target)
	want, err := os.ReadFile(filepath.Join(m.folder, "in.csv"))
	if err != nil || before != string(want) {
		t.Errorf("suspended after %s: the other host left %d bytes, want %d", after, len(before), len(want))
	}
	if err := a.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	_ = a.Wait()
	if code := a.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "was taken for dead") ||
		!strings.Contains(out.String(), "went on with the instance: batchctl show 2") || strings.Contains(out.String(), "restart: batchctl") {
		t.Errorf("suspended after %s: woken, it ended with exit code %d and said\n%s", after, code, out.String())
	}
	if now := m.left(t, target); now != before {
		t.Errorf("suspended after %s: woken, it changed the target: %d bytes, then %d", after, len(before), len(now))
	}
	if got := m.statuses(t); got != "FAILED,COMPLETED" {
		t.Errorf("suspended after %s: the executions are %s", after, got)
	}
	return !t.Failed()
}

// takeOver starts the job on a host until it may, and completes it.
func (m *team) takeOver(t *testing.T, host string) {
	t.Helper()
	refusals := 0
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		code, text := said(m.on(t, host, "run", "job.yaml"))
		switch {
		case code == 0:
			return
		case code != 6 || !strings.Contains(text, "its lease lasts until"):
			t.Fatalf("host %s: exit code %d\n%s", host, code, text)
		}
		refusals++
	}
	t.Fatalf("host %s was refused %d times", host, refusals)
}

// TestOfManyHostsExactlyOneRunsAnInstance starts one instance on eight hosts at once, and then restarts it on all of them.
// The test holds the target meanwhile, so that the one that proceeds cannot be done before the others have asked.
func TestOfManyHostsExactlyOneRunsAnInstance(t *testing.T) {
	t.Parallel()
	rounds, hosts := 2, 4
	if os.Getenv("BATCHCTL_SOAK") != "" {
		rounds, hosts = 200, 8
	}
	m := newTeam(t, "postgres", "60s")
	m.failAtOnce(t)
	var slowest time.Duration
	for round := range rounds {
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, round).Format(time.DateOnly)
		for _, args := range [][]string{{"run", "job.yaml", "-p", "day=" + day}, {"restart", "team"}} {
			var commands []*exec.Cmd
			for i := range hosts {
				commands = append(commands, m.on(t, fmt.Sprint(i), args...))
			}
			slowest = max(slowest, m.race(t, round, commands))
			if t.Failed() {
				return
			}
		}
		if code, text := said(m.on(t, "0", "abandon", fmt.Sprint(2*round+2))); code != 0 {
			t.Fatal(text)
		}
	}
	if got, want := m.statuses(t), strings.TrimSuffix(strings.Repeat("FAILED,ABANDONED,", rounds), ","); got != want {
		t.Errorf("executions are %s, want %s", got, want)
	}
	t.Logf("%d starts and restarts on %d hosts at once: one proceeded each time, the others were refused within %s", 2*rounds, hosts, slowest)
}

// failAtOnce makes the job one that writes a record and then fails.
func (m *team) failAtOnce(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.folder, "job.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, m.folder, "in.csv", "id,name\n1,a\nbad,b\n")
	writeFile(t, m.folder, "job.yaml", strings.Replace(string(text), "chunk: 20", "chunk: 1", 1))
	if code, text := said(m.on(t, "0", "list")); code != 0 { // makes the tables
		t.Fatal(text)
	}
	db := openPostgresAt(t, m.shop)
	defer db.Close()
	if _, err := db.Exec("create table payments (id bigint, name text)"); err != nil {
		t.Fatal(err)
	}
}

// race runs commands at once while it holds the target, until all but one have ended, and compares the exit codes: one
// proceeds and fails, the others are refused. It returns how long the slowest of these took.
func (m *team) race(t *testing.T, round int, commands []*exec.Cmd) (slowest time.Duration) {
	t.Helper()
	db := openPostgresAt(t, m.shop)
	defer db.Close()
	hold, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback() }()
	var claimed bool // a restart has nothing to write, but has to claim the step
	if err := hold.QueryRow("select to_regclass('batchctl_checkpoint') is not null").Scan(&claimed); err != nil {
		t.Fatal(err)
	}
	for table, there := range map[string]bool{"payments": true, "batchctl_checkpoint": claimed} {
		if !there {
			continue
		}
		if _, err := hold.Exec("lock table " + table + " in access exclusive mode"); err != nil {
			t.Fatal(err)
		}
	}
	type end struct {
		code int
		text string
	}
	ends := make(chan end, len(commands))
	begun := time.Now()
	for _, c := range commands {
		go func() {
			code, text := said(c)
			ends <- end{code, text}
		}()
	}
	var codes []int
	texts := ""
	for range commands {
		if len(codes) == len(commands)-1 {
			slowest = time.Since(begun)
			_ = hold.Rollback()
		}
		select {
		case e := <-ends:
			codes, texts = append(codes, e.code), texts+e.text+"\n"
		case <-time.After(time.Minute):
			t.Fatalf("round %d: only %d of %d were refused\n%s", round, len(codes), len(commands)-1, texts)
		}
	}
	for i, code := range codes {
		if want := map[bool]int{true: 1, false: 6}[i == len(codes)-1]; code != want {
			t.Fatalf("round %d: exit codes %v, want 6 for all but the last, and 1\n%s", round, codes, texts)
		}
	}
	return slowest
}
