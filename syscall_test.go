package main_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// The built binary runs under strace, which makes its Nth system call of a kind fail, or kills it there, for N = 1, 2, 3
// and so on until there is no Nth one. The run has to end by itself with an exit code that is documented, must not
// say COMPLETED of anything that is not complete, and running the job again has to leave what an undisturbed run leaves.

// syscallFault is what happens to a kind of system call. strace counts the calls of each thread.
type syscallFault struct {
	calls  string // as strace names them: several, with commas, are counted together
	action string // error=EIO, signal=KILL
	stays  bool   // it happens to all calls from the Nth on
}

// syscallFaults are all that are tried. EINTR must not even be noticed.
func syscallFaults() []syscallFault {
	var all []syscallFault
	for _, f := range []struct {
		calls   string
		actions string
	}{
		{"pwrite64", "error=EIO error=ENOSPC signal=KILL"},
		{"write", "error=EIO error=ENOSPC signal=KILL"},
		{"fsync,fdatasync", "error=EIO error=ENOSPC signal=KILL"},
		{"ftruncate", "error=EIO error=EINTR signal=KILL"},
		{"pread64", "error=EIO error=EINTR"},
		{"read", "error=EIO error=EINTR"},
		{"openat", "error=EACCES error=EMFILE error=EIO error=EINTR signal=KILL"},
		{"rename,renameat,renameat2", "error=EIO error=EACCES error=ENOSPC signal=KILL"},
		{"unlink,unlinkat", "error=EIO error=EACCES signal=KILL"},
		{"mkdir,mkdirat", "error=ENOSPC error=EACCES signal=KILL"},
		{"flock", "error=EIO error=ENOLCK error=EINTR signal=KILL"},
		{"fcntl", "signal=KILL"},
		{"close", "error=EIO signal=KILL"},
		{"fstat,newfstatat", "error=EIO signal=KILL"},
		{"connect", "error=ECONNREFUSED error=ETIMEDOUT error=EACCES error=EINTR signal=KILL"},
	} {
		for action := range strings.FieldsSeq(f.actions) {
			all = append(all, syscallFault{f.calls, action, false})
			if strings.HasPrefix(action, "error=") && action != "error=EINTR" {
				all = append(all, syscallFault{f.calls, action, true})
			}
		}
	}
	return all
}

// syscallTargets are loads of a few chunks.
func syscallTargets() []killTarget {
	return []killTarget{
		{name: "few csv to sqlite", records: 300, database: "sqlite", source: "csv", writer: "{type: sql, connection: shop, table: payments, create: true}"},
		{name: "few csv to csv", records: 300, source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
		{name: "few csv added to csv", records: 300, source: "csv", writer: "{type: csv, path: out/payments.csv, append: true}", outputs: []string{"out/payments.csv"}},
	}
}

// moreSyscallTargets are for the soak: letters beside the rows, and a connection.
func moreSyscallTargets() []killTarget {
	targets := []killTarget{
		{name: "few csv to sqlite, letters in a file", records: 300, database: "sqlite", source: "csv", letters: "{type: jsonl, path: out/rejected.jsonl}",
			writer: "{type: sql, connection: shop, table: payments, create: true}"},
		{name: "few csv to sqlite, letters in a table", records: 300, database: "sqlite", source: "csv", letters: "{type: sql, connection: shop, table: rejected, create: true}",
			writer: "{type: sql, connection: shop, table: payments, create: true}"},
	}
	if os.Getenv(sqltest.Variable) != "" {
		targets = append(targets, killTarget{name: "few csv to postgres", records: 300, database: "postgres", source: "csv",
			writer: "{type: sql, connection: shop, table: payments, create: true}"})
	}
	return targets
}

// documentedCodes are the exit codes that a run may end with to which something happened.
var documentedCodes = []int{0, 1, 2, 3, 6, 7, 8}

func TestFailedSystemCallIsReportedAndRestartedExactly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: strace is for Linux")
	}
	if err := straceWorks(); err != nil {
		t.Skipf("NOT TESTED: system calls cannot be made to fail: %v", err)
	}
	all := os.Getenv("BATCHCTL_SOAK") == "1"
	targets := syscallTargets()
	if all {
		targets = append(targets, moreSyscallTargets()...)
	}
	for _, target := range targets {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			var count atomic.Int64
			if all {
				failEverySystemCall(t, target, &count)
			} else {
				failSomeSystemCalls(t, target, &count)
			}
			t.Logf("%s: %d faults: nothing lost, nothing twice", target.name, count.Load())
			if count.Load() < 10 {
				t.Errorf("only %d faults happened", count.Load())
			}
		})
	}
}

// straceWorks tries whether strace is there and may trace.
func straceWorks() error {
	out, err := exec.Command("strace", "-f", "-o", os.DevNull, "-e", "inject=mkdir:error=EIO", "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("strace: %w: %s", err, out)
	}
	return nil
}

func failEverySystemCall(t *testing.T, target killTarget, count *atomic.Int64) {
	const clean = 3 // so many runs without a fault, one after the other, mean that there are no more calls
	for _, fault := range syscallFaults() {
		for n, missed := 1, 0; missed < clean; n++ {
			if failSystemCall(t, target, fault, n) {
				count.Add(1)
				missed = 0
			} else {
				missed++
			}
		}
	}
}

// failSomeSystemCalls is a sample that takes some seconds, or as long as ten faults take.
func failSomeSystemCalls(t *testing.T, target killTarget, count *atomic.Int64) {
	random := rand.New(rand.NewPCG(3, 11))
	end := time.Now().Add(6 * time.Second)
	more := func() bool { return count.Load() < 10 || time.Now().Before(end) }
	faults := syscallFaults()
	random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for round := 0; more(); round++ {
		for _, fault := range faults {
			if more() && failSystemCall(t, target, fault, 1+random.IntN(8*(round+1))) {
				count.Add(1)
			}
		}
	}
}

// failSystemCall runs a load whose Nth call fails, then without a fault to its end, and checks what is left. It reports
// whether there was an Nth call.
func failSystemCall(t *testing.T, target killTarget, fault syscallFault, n int) (happened bool) {
	t.Helper()
	what := fmt.Sprintf("%s of %s number %d, stays: %v", fault.action, fault.calls, n, fault.stays)
	p := &place{target: target, folder: t.TempDir(), dsn: "out/shop.db"}
	defer os.RemoveAll(p.folder)
	if target.database == "postgres" {
		p.dsn = sqltest.Schema(t)
	}
	p.writeQuickly(t)
	code, output, happened := p.runInjected(t, fault, n)
	if killed := code == -1 && fault.action == "signal=KILL"; !killed && !slices.Contains(documentedCodes, code) {
		t.Errorf("%s: exit %d\n%s", what, code, output)
	}
	if strings.Contains(output, "\nfatal error: ") && strings.Contains(output, "runtime: ") {
		output = "" // Go's own runtime cannot work: a kill like another
	}
	for _, sign := range []string{"goroutine ", "panic", "internal error"} {
		if strings.Contains(output, sign) {
			t.Errorf("%s: exit %d\n%s", what, code, output)
		}
	}
	if !happened && code != 0 {
		t.Errorf("%s: nothing happened, but exit %d\n%s", what, code, output)
	}
	if code != 0 {
		again, _, second := p.run(t, time.Minute, "run", "job.yaml", "--if-complete", "skip")
		if again != 0 {
			t.Errorf("%s: exit %d\n%s\nand again: exit %d\n%s", what, code, output, again, second)
			return happened
		}
	}
	if status := p.status(); status != "COMPLETED" {
		t.Errorf("%s: exit %d, status %q\n%s", what, code, status, output)
	}
	p.checkCounters(t, what)
	if !p.checkAll(t, n) {
		t.Fatalf("%s: exit %d\n%s", what, code, output)
	}
	return happened
}

var fewRecords sync.Map // inputs by number of records: they are the same in every folder

// writeQuickly is newPlace for many places.
func (p *place) writeQuickly(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(p.folder, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(t, "job.yaml", p.target.definition(p.dsn))
	if text, ok := fewRecords.Load(p.target.records); ok {
		p.write(t, "in/payments.csv", text.(string))
		return
	}
	p.writeInputs(t)
	text, err := os.ReadFile(filepath.Join(p.folder, "in/payments.csv"))
	if err != nil {
		t.Fatal(err)
	}
	fewRecords.Store(p.target.records, string(text))
}

// runInjected runs the job under strace. The exit code is -1 where it was killed.
func (p *place) runInjected(t *testing.T, fault syscallFault, n int) (code int, output string, happened bool) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	when := strconv.Itoa(n)
	if fault.stays {
		when += "+"
	}
	trace := filepath.Join(p.folder, "strace.txt")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "strace", "-f", "--seccomp-bpf", "-o", trace, "-e", "trace="+fault.calls,
		"-e", fmt.Sprintf("inject=%s:%s:when=%s", fault.calls, fault.action, when), path, "run", "job.yaml")
	c.Dir = p.folder
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db", "GOMAXPROCS=2")
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s of %s number %d, stays: %v: it hangs\n%s", fault.action, fault.calls, n, fault.stays, out)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = -1
		}
	} else if err != nil {
		t.Fatal(err)
	}
	traced, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(out), strings.Contains(string(traced), "INJECTED") || code == -1
}

// checkCounters compares what the job repository counts over all attempts.
func (p *place) checkCounters(t *testing.T, what string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.folder, "meta/batchctl.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var total string
	if err := db.QueryRow("select TOTAL_COUNTS from BATCH_STEP_EXECUTION order by STEP_EXECUTION_ID desc limit 1").Scan(&total); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	filtered, skipped := p.target.records/10, 0
	if p.target.letters != "" {
		filtered, skipped = skipped, filtered
	}
	want := fmt.Sprintf(`"read_count":%d,"write_count":%d,"filter_count":%d,"read_skip_count":0,"process_skip_count":%d,`,
		p.target.records, p.target.records-filtered-skipped, filtered, skipped)
	if !strings.Contains(total, want) {
		t.Errorf("%s: the counters are %s, want %s", what, total, want)
	}
}

// checkAll is check, and reports whether it found nothing.
func (p *place) checkAll(t *testing.T, n int) bool {
	before := t.Failed()
	p.check(t, uint64(n))
	if p.target.letters != "" {
		p.checkEachLetter(t)
	}
	return before || !t.Failed()
}

// checkEachLetter requires a letter for each record that was left out, once, in their order.
func (p *place) checkEachLetter(t *testing.T) {
	t.Helper()
	var want []int
	for i := range p.target.records {
		if !kept(i) {
			want = append(want, i+1)
		}
	}
	got, err := p.letterOrdinals()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("there are letters for the records %v, want %v: %v", got, want, err)
	}
}

func (p *place) letterOrdinals() (ordinals []int, err error) {
	if text, err := os.ReadFile(filepath.Join(p.folder, "out", "rejected.jsonl")); err == nil {
		for line := range strings.Lines(string(text)) {
			var letter struct{ Ordinal int }
			if err := json.Unmarshal([]byte(line), &letter); err != nil {
				return nil, err
			}
			ordinals = append(ordinals, letter.Ordinal)
		}
		return ordinals, nil
	}
	db, err := sql.Open("sqlite", filepath.Join(p.folder, p.dsn))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query("select ordinal from rejected order by rowid")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var ordinal int
		if err := rows.Scan(&ordinal); err != nil {
			return nil, err
		}
		ordinals = append(ordinals, ordinal)
	}
	return ordinals, rows.Err()
}
