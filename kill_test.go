package main_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// The built binary is killed with SIGKILL again and again during a load, and restarted until the load is complete.
// Nothing may be lost, and nothing may be there twice. The tables have no key, so that a row that came twice shows.

// killTarget is a job to be killed: where it writes, and how to look at what it wrote.
type killTarget struct {
	name     string
	database string // "sqlite", "postgres", or "" where only files are written
	source   string // "csv", "jsonl" or "table"
	writer   string
	outputs  []string // files to be compared byte for byte
	letters  string   // writer of dead letters, which then get what else is filtered
	intent   bool     // checkpoint: intent
	records  int      // how long a load is: so long that it is killed several times
	onServer bool     // the job repository is in PostgreSQL
}

func killTargets() []killTarget {
	table := "{type: sql, connection: shop, table: payments, create: true}"
	return []killTarget{
		{name: "csv to sqlite", records: 60_000, database: "sqlite", source: "csv", writer: table},
		{name: "csv to postgres", records: 60_000, database: "postgres", source: "csv", writer: table},
		{name: "csv to postgres by intent", records: 60_000, database: "postgres", source: "csv", writer: table, intent: true},
		{name: "csv to csv", records: 400_000, source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
		{name: "csv to json", records: 400_000, source: "csv", writer: "{type: json, path: out/payments.json}", outputs: []string{"out/payments.json"}},
		{name: "sql to csv", records: 200_000, source: "table", writer: "{type: csv, path: out/payments.csv, footer: \"TOTAL,${counters.write_count}\"}", outputs: []string{"out/payments.csv"}},
		{name: "jsonl to sqlite and a file", records: 60_000, database: "sqlite", source: "jsonl", outputs: []string{"out/beside.csv"},
			writer: "{type: all, writers: [" + table + ", {type: csv, path: out/beside.csv}]}"},
		{name: "csv to postgres, repository on a server", records: 60_000, database: "postgres", source: "csv", writer: table, onServer: true},
		{name: "csv to csv, repository on a server", records: 400_000, source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}, onServer: true},
	}
}

func (k killTarget) definition(dsn string) string {
	readers := map[string]string{
		"csv":   "{type: csv, path: in/payments.csv, columns: {id: int, amount: decimal}}",
		"jsonl": "{type: jsonl, path: in/payments.jsonl, columns: {id: int, name: text, amount: decimal}}",
		"table": "{type: sql, connection: source, query: \"select id, name, amount from payments\", keyset: [id]}",
	}
	driver := k.database
	if driver == "" {
		driver = "sqlite"
	}
	processor, letters := "filter: id % 10 != 3", ""
	if k.letters != "" {
		processor = "validate: [{rule: id % 10 != 3, message: three}]"
		letters = fmt.Sprintf("    skip: {limit: %d}\n    dead_letter: %s\n", k.records, k.letters)
	}
	if k.intent {
		letters += "    checkpoint: intent\n"
	}
	return fmt.Sprintf(`job: killed
instance: params
connections:
  shop: {driver: %s, dsn: %q}
  source: {driver: sqlite, dsn: in/source.db}
steps:
  - name: load
    chunk: 100
    reader: %s
    processors:
      - %s
    writer: %s
%s`, driver, dsn, readers[k.source], processor, k.writer, letters)
}

// binary is batchctl as make build makes it, once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "batchctl-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "batchctl")
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func wantedKills() int {
	if n, err := strconv.Atoi(os.Getenv("BATCHCTL_KILLS")); err == nil {
		return n
	}
	return 20
}

func TestKilledProcessIsRestartedExactly(t *testing.T) {
	t.Parallel()
	for _, target := range killTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			kills, loads, wanted := 0, 0, wantedKills()
			if target.onServer {
				wanted = (wanted + 3) / 4 // the others are killed at the same moments of a load
			}
			for kills < wanted {
				kills += killOneLoad(t, target, uint64(loads))
				loads++
			}
			t.Logf("%s: %d kills in %d loads: nothing lost, nothing twice", target.name, kills, loads)
		})
	}
}

// moment is when to kill. It takes longer to begin where servers have to be reached first. A machine that has much else to
// do needs more time for what cannot be divided, the end of a load above all: so later attempts get more of it.
func (k killTarget) moment(random *rand.Rand, attempt int) time.Duration {
	after := time.Duration(20+random.IntN(180)) * time.Millisecond
	after += after * time.Duration(attempt/30)
	if k.onServer {
		return 3 * after
	}
	return after
}

// killOneLoad runs one load to its end under kills and checks what it left. It returns the number of kills.
func killOneLoad(t *testing.T, target killTarget, seed uint64) int {
	t.Helper()
	place := newPlace(t, target)
	random := rand.New(rand.NewPCG(seed, 7))
	kills := 0
	var saved string
	for attempt := 0; ; attempt++ {
		if attempt > 2000 {
			t.Fatalf("seed %d: not complete after %d attempts", seed, attempt)
		}
		args := []string{"restart"}
		if !place.launched() {
			args = []string{"run", "job.yaml"}
		}
		code, killed, output := place.run(t, target.moment(random, attempt), args...)
		if killed {
			kills++
		} else if code == 2 && place.status() == "COMPLETED" {
			break // the kill before came when all was done and said
		} else if code != 0 {
			t.Fatalf("seed %d, attempt %d: batchctl %v: exit %d\n%s", seed, attempt, args, code, output)
		} else {
			break
		}
		if target.database != "" && !target.intent && !target.onServer && place.launched() { // an intent lives in the metadata alone
			saved = place.exchangeMetadata(t, saved, random)
		}
	}
	place.check(t, seed)
	return kills
}

// place is the folder of one load.
type place struct {
	target killTarget
	folder string
	dsn    string
	meta   string // where the job repository is; "": meta/batchctl.db in the folder
}

func newPlace(t *testing.T, target killTarget) *place {
	t.Helper()
	p := &place{target: target, folder: t.TempDir(), dsn: "out/shop.db"}
	if target.database == "postgres" {
		p.dsn = sqltest.Postgres(t)
	}
	if target.onServer {
		p.meta = sqltest.Schema(t)
	}
	if err := os.Mkdir(filepath.Join(p.folder, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.writeInputs(t)
	p.write(t, "job.yaml", target.definition(p.dsn))
	return p
}

func (p *place) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func killName(i int) string { return fmt.Sprintf("김 \"%d\", 이\n박", i) }

func killAmount(i int) string { return fmt.Sprintf("%d.%02d", i*7%1000, i%100) }

func kept(i int) bool { return i%10 != 3 }

func (p *place) writeInputs(t *testing.T) {
	t.Helper()
	var text strings.Builder
	switch p.target.source {
	case "csv":
		text.WriteString("id,name,amount\n")
		for i := range p.target.records {
			fmt.Fprintf(&text, "%d,\"%s\",%s\n", i, strings.ReplaceAll(killName(i), `"`, `""`), killAmount(i))
		}
		p.write(t, "in/payments.csv", text.String())
	case "jsonl":
		for i := range p.target.records {
			name, err := json.Marshal(killName(i))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "{\"id\":%d,\"name\":%s,\"amount\":%s}\n", i, name, killAmount(i))
		}
		p.write(t, "in/payments.jsonl", text.String())
	case "table":
		p.fillTable(t)
	}
}

func (p *place) fillTable(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(p.folder, "in/source.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("create table payments (id integer not null, name text, amount text)"); err != nil {
		t.Fatal(err)
	}
	for i := range p.target.records {
		if _, err := tx.Exec("insert into payments values (?, ?, ?)", i, killName(i), killAmount(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// run starts batchctl and kills it after a while. It returns the exit code, and whether it was killed.
func (p *place) run(t *testing.T, after time.Duration, args ...string) (code int, killed bool, output string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	c := exec.CommandContext(ctx, path, args...)
	c.Dir = p.folder
	c.Env = append(os.Environ(), "BATCHCTL_META="+cmp.Or(p.meta, "meta/batchctl.db"), "XDG_STATE_HOME="+filepath.Join(p.folder, "state"))
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		return exit.ExitCode(), ok && status.Signaled() && status.Signal() == syscall.SIGKILL, string(out)
	}
	if c.ProcessState == nil || !c.ProcessState.Success() {
		t.Fatal(err)
	}
	return 0, false, string(out) // also where the kill came too late
}

// launched reports whether the job repository knows of an execution.
func (p *place) launched() bool { return p.status() != "" }

// status is that of the newest execution, "" where there is none.
func (p *place) status() string {
	driver, dsn := "sqlite", "file:"+filepath.Join(p.folder, "meta/batchctl.db")+"?mode=ro"
	if p.target.onServer {
		driver, dsn = "postgres", p.meta
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return ""
	}
	defer db.Close()
	var status string
	if db.QueryRow("select STATUS from BATCH_JOB_EXECUTION order by JOB_EXECUTION_ID desc limit 1").Scan(&status) != nil {
		return ""
	}
	return status
}

// exchangeMetadata keeps a copy of the metadata from after the launch, and now and then puts it back: the target knows
// better how far the load is.
func (p *place) exchangeMetadata(t *testing.T, saved string, random *rand.Rand) string {
	t.Helper()
	current := filepath.Join(p.folder, "meta")
	if saved == "" {
		saved = filepath.Join(p.folder, "meta.saved")
		copyFolder(t, current, saved)
		return saved
	}
	if random.IntN(4) == 0 {
		if err := os.RemoveAll(current); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, saved, current)
	}
	return saved
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func (p *place) check(t *testing.T, seed uint64) {
	t.Helper()
	if p.target.database != "" {
		p.checkTable(t, seed)
	}
	for _, name := range p.target.outputs {
		got, err := os.ReadFile(filepath.Join(p.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if want := p.expected(t, name); string(got) != want {
			t.Errorf("seed %d: %s differs from an uninterrupted run's: %d bytes, want %d", seed, name, len(got), len(want))
		}
	}
	entries, err := filepath.Glob(filepath.Join(p.folder, "out", ".*"))
	if err != nil || len(entries) > 0 {
		t.Errorf("seed %d: unfinished files are left: %v %v", seed, entries, err)
	}
}

// uninterrupted holds the files of a run that nothing disturbed, by target and name.
var uninterrupted sync.Map

func (p *place) expected(t *testing.T, name string) string {
	t.Helper()
	key := p.target.name + "/" + name
	if text, ok := uninterrupted.Load(key); ok {
		return text.(string)
	}
	clean := newPlace(t, p.target)
	if code, _, output := clean.run(t, time.Minute, "run", "job.yaml"); code != 0 {
		t.Fatalf("uninterrupted run: exit %d\n%s", code, output)
	}
	text, err := os.ReadFile(filepath.Join(clean.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	uninterrupted.Store(key, string(text))
	return string(text)
}

func (p *place) checkTable(t *testing.T, seed uint64) {
	t.Helper()
	dsn := p.dsn
	if p.target.database == "sqlite" {
		dsn = filepath.Join(p.folder, dsn)
	}
	db, err := sql.Open(p.target.database, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("select id, name, amount from payments order by id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	next, wrong := 0, 0
	for rows.Next() {
		var id int
		var name, amount string
		if err := rows.Scan(&id, &name, &amount); err != nil {
			t.Fatal(err)
		}
		for next < p.target.records && !kept(next) {
			next++
		}
		if wrong++; id != next || name != killName(id) || amount != killAmount(id) {
			t.Fatalf("seed %d: row %d is (%d, %q, %s), want (%d, %q, %s)", seed, wrong, id, name, amount, next, killName(next), killAmount(next))
		}
		next++
	}
	for next < p.target.records && !kept(next) {
		next++
	}
	if err := rows.Err(); err != nil || next != p.target.records {
		t.Errorf("seed %d: the table ends before record %d of %d: %v", seed, next, p.target.records, err)
	}
}
