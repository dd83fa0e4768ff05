package plan

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// A job is failed, and killed, at each single operation of a run: every read, before and after each write, flush, sync,
// commit, rename and save of metadata. It is restarted, and rows, files and counters are compared with those of a run
// that nothing disturbed.

// crashTarget is a job with what it leaves behind.
type crashTarget struct {
	name     string
	database string   // "sqlite", "postgres", or ""
	source   string   // csv, jsonl, gzip (csv with a trailer) or table
	writer   string   // of the definition
	outputs  []string // files
	bad      bool     // with records that cannot be read, processed or written, skipped and kept as dead letters
	letters  string   // of the definition
	before   string   // what the first output holds already
	divide   string   // the partition of the step, "" where it is run as a whole
	intent   bool     // checkpoint: intent
	first    bool     // crashed at every point also where time is short
	overTLS  bool     // PostgreSQL is reached over TLS
	onServer bool     // the job repository is in PostgreSQL
	// repository is the address of that one.
	repository string
}

func crashTargets() []crashTarget {
	table := "{type: sql, connection: shop, table: payments, create: true}"
	return []crashTarget{
		{name: "csv to sqlite", first: true, database: "sqlite", source: "csv", writer: table},
		{name: "csv to postgres", database: "postgres", source: "csv", writer: table},
		{name: "csv to postgres over TLS", database: "postgres", source: "csv", writer: table, overTLS: true},
		{name: "csv to csv", first: true, source: "csv", writer: `{type: csv, path: out/payments.csv, footer: "TOTAL,${counters.write_count}"}`, outputs: []string{"out/payments.csv"}},
		{name: "bad records, csv added to csv, letters added to a file", source: "csv", bad: true,
			writer:  `{type: csv, path: out/payments.csv, append: true, footer: "TOTAL,${counters.write_count}"}`,
			letters: "{type: jsonl, path: out/rejected.jsonl, append: true}",
			before:  "id,name,amount\n-1,old,0.50\n", outputs: []string{"out/payments.csv", "out/rejected.jsonl"}},
		{name: "compressed csv with a trailer to json array", source: "gzip", writer: "{type: json, path: out/payments.json}", outputs: []string{"out/payments.json"}},
		{name: "sql to csv", source: "table", writer: "{type: csv, path: out/payments.csv.gz, compression: gzip}", outputs: []string{"out/payments.csv.gz"}},
		{name: "jsonl to sqlite with a file beside it", database: "sqlite", source: "jsonl", outputs: []string{"out/beside.csv"},
			writer: "{type: all, writers: [" + table + ", {type: csv, path: out/beside.csv}]}"},
		{name: "bad records, csv to sqlite, letters in a file", database: "sqlite", source: "csv", writer: strict, bad: true,
			letters: "{type: jsonl, path: out/rejected.jsonl}", outputs: []string{"out/rejected.jsonl"}},
		{name: "bad records, csv to postgres by copy, letters in a table", first: true, database: "postgres", source: "csv", writer: strict, bad: true,
			letters: "{type: sql, connection: shop, table: rejects, create: true}"},
		{name: "bad records, csv to sqlite with a file beside it", database: "sqlite", source: "csv", bad: true,
			writer: "{type: all, writers: [" + strict + ", {type: csv, path: out/beside.csv}]}", outputs: []string{"out/beside.csv", "out/rejected.csv"},
			letters: "{type: csv, path: out/rejected.csv}"},
		{name: "bad records, csv to csv", source: "csv", writer: "{type: csv, path: out/payments.csv}", bad: true,
			letters: "{type: jsonl, path: out/rejected.jsonl}", outputs: []string{"out/payments.csv", "out/rejected.jsonl"}},
		{name: "partitions, sql to csv", source: "table", writer: `{type: csv, path: "out/${partition.name}.csv"}`, divide: "{by: modulo, column: id, count: 3, max_parallel: 1}",
			outputs: []string{"out/partition0.csv", "out/partition1.csv", "out/partition2.csv"}},
		{name: "partitions, csv by places to csv, bad records", source: "csv", bad: true, writer: `{type: csv, path: "out/${partition.name}.csv"}`,
			letters: `{type: jsonl, path: "out/rejected-${partition.name}.jsonl"}`, divide: "{by: range, count: 3, max_parallel: 1}",
			outputs: []string{"out/partition0.csv", "out/partition1.csv", "out/partition2.csv", "out/rejected-partition0.jsonl", "out/rejected-partition2.jsonl"}},
		{name: "partitions, sql to postgres, accumulating", database: "postgres", source: "table", writer: sums, divide: "{by: range, column: id, count: 3, max_parallel: 1}"},
		{name: "partitions, sql to postgres by intent", database: "postgres", source: "table", writer: sums, divide: "{by: modulo, column: id, count: 3, max_parallel: 1}", intent: true},
		{name: "csv to postgres by intent", database: "postgres", source: "csv", writer: table, intent: true},
		{name: "jsonl to postgres by intent with a file beside it", database: "postgres", source: "jsonl", outputs: []string{"out/beside.csv"}, intent: true,
			writer: "{type: all, writers: [" + table + ", {type: csv, path: out/beside.csv}]}"},
		{name: "bad records, csv to postgres by intent, letters in a file", database: "postgres", source: "csv", writer: strict, bad: true, intent: true,
			letters: "{type: jsonl, path: out/rejected.jsonl}", outputs: []string{"out/rejected.jsonl"}},
		{name: "accumulating upsert on sqlite", database: "sqlite", source: "csv", writer: sums},
		{name: "accumulating upsert on postgres", database: "postgres", source: "csv", writer: sums},
		{name: "csv to postgres, repository on a server", database: "postgres", source: "csv", writer: table, onServer: true},
		{name: "csv to csv, repository on a server", source: "csv", writer: `{type: csv, path: out/payments.csv}`, outputs: []string{"out/payments.csv"}, onServer: true},
	}
}

// strict is a table that refuses payments of 7.50 and 11.50.
const strict = "{type: sql, connection: shop, table: payments}"

const sums = "{type: sql, connection: shop, table: payments, create: true, mode: upsert, key: [name], add: [id, amount]}"

const crashRecords = 13

func (c crashTarget) definition(dsn string) string {
	reader := map[string]string{
		"csv":   "{type: csv, path: in.csv, columns: {id: int, amount: decimal}}",
		"gzip":  `{type: csv, path: in.csv.gz, columns: {id: int, amount: decimal}, trailer: {match: "^END", columns: [kind, count, total], sums: {all: amount}, expect: int(count) == counters.read_count and decimal(total) == all}}`,
		"jsonl": "{type: jsonl, path: in.jsonl, columns: {id: int, name: text, amount: decimal}}",
		"table": "{type: sql, connection: source, query: 'select id, name, amount from payments', keyset: [id]}",
	}[c.source]
	driver := c.database
	if driver == "" {
		driver = "sqlite"
	}
	tolerance, rules := "", ""
	if c.bad {
		rules = "      - validate: [{rule: id != 5, message: five}]\n"
		tolerance = "    skip: {limit: 10}\n    dead_letter: " + c.letters + "\n"
	}
	if c.divide != "" {
		tolerance += "    partition: " + c.divide + "\n"
	}
	if c.intent {
		tolerance += "    checkpoint: intent\n"
	}
	return fmt.Sprintf(`job: crash
instance: params
connections:
  shop: {driver: %s, dsn: %q}
  source: {driver: sqlite, dsn: source.db}
steps:
  - name: load
    chunk: 4
    reader: %s
    processors:
      - filter: id != 6
%s    writer: %s
%s`, driver, dsn, reader, rules, c.writer, tolerance)
}

// crashPlace is the folder, and for PostgreSQL the schema, of one run with its restarts.
type crashPlace struct {
	target crashTarget
	folder string
	dsn    string
	meta   string // address of a job repository on a server; "": a file in the folder
	host   string // folder of the locks of the host that the engine runs on, with meta
}

func newCrashPlace(t *testing.T, target crashTarget, server string) *crashPlace {
	t.Helper()
	p := &crashPlace{target: target, folder: t.TempDir(), dsn: "shop.db"}
	if target.database == "postgres" {
		p.dsn = server
		dropTables(t, server)
	}
	p.write(t, "job.yaml", target.definition(p.dsn))
	if target.repository != "" {
		p.meta, p.host = target.repository, "a"
		p.write(t, "job.yaml", strings.Replace(target.definition(p.dsn), "job: crash", "job: "+jobOf(p), 1))
	}
	var csv, jsonl strings.Builder
	csv.WriteString("id,name,amount\n")
	for i := range crashRecords {
		if target.bad && (i == 2 || i == 9) {
			fmt.Fprintf(&csv, "%d,\"나\",not a number\n", i)
			continue
		}
		fmt.Fprintf(&csv, "%d,\"가 \"\"%d\"\",\n나\",%d.50\n", i, i%3, i)
		fmt.Fprintf(&jsonl, "{\"id\": %d, \"name\": \"가 \\\"%d\\\"\", \"amount\": %d.50}\n", i, i%3, i)
	}
	p.write(t, "in.csv", csv.String())
	p.write(t, "in.jsonl", jsonl.String())
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprintf(w, "%sEND,%d,84.50\n", &csv, crashRecords)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.write(t, "in.csv.gz", zipped.String())
	if target.before != "" {
		if err := os.Mkdir(filepath.Join(p.folder, "out"), 0o777); err != nil {
			t.Fatal(err)
		}
		p.write(t, target.outputs[0], target.before)
	}
	if target.source == "table" {
		p.fill(t)
	}
	if target.bad && target.database != "" {
		p.makeStrict(t)
	}
	return p
}

func (p *crashPlace) makeStrict(t *testing.T) {
	t.Helper()
	db, err := sql.Open(p.target.database, p.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create table payments (id integer primary key, name text, amount text, check (amount <> '7.50' and amount <> '11.50'))"); err != nil {
		t.Fatal(err)
	}
}

// path is how the test itself reaches the target.
func (p *crashPlace) path() string {
	if p.target.database == "sqlite" {
		return filepath.Join(p.folder, p.dsn)
	}
	return p.dsn
}

func (p *crashPlace) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *crashPlace) fill(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(p.folder, "source.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create table payments (id integer primary key, name text, amount text)"); err != nil {
		t.Fatal(err)
	}
	for i := range crashRecords {
		if _, err := db.Exec("insert into payments values (?, ?, ?)", i*i-20, fmt.Sprint("n", i), fmt.Sprint(i, ".10")); err != nil {
			t.Fatal(err)
		}
	}
}

func dropTables(t *testing.T, dsn string) {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("drop table if exists payments, rejects, batchctl_checkpoint"); err != nil {
		t.Fatal(err)
	}
}

// engine is a process: what the fuse is put around.
func (p *crashPlace) engine(fuse *batchtest.Fuse) *Engine {
	clock := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	e := &Engine{
		Meta: filepath.Join(p.folder, "meta", "batchctl.db"), Folder: p.folder, Local: time.UTC,
		Now:      func() time.Time { clock = clock.Add(time.Second); return clock },
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: os.ReadFile,
		Secrets:  new(config.Secrets),
	}
	if p.meta != "" {
		e.Meta, e.Locks = p.meta, filepath.Join(p.folder, "host", p.host)
	}
	e.instruments.everyChunk = true
	if fuse != nil {
		e.instruments.reader = fuse.Reader
		e.instruments.writer = fuse.Writer
		e.instruments.ledger = fuse.Ledger
		e.instruments.repository = fuse.Repository
		e.instruments.disk = files.Hooked(fuse.File)
		e.instruments.intent = fuse.Step
	}
	return e
}

type nobody struct{}

func (nobody) Observe(batch.Event) {}

func (p *crashPlace) run(fuse *batchtest.Fuse) (*Outcome, error) {
	return p.engine(fuse).Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
}

// restartBehind restarts what ended at a point with an outcome.
func (p *crashPlace) restartBehind(point batchtest.Point, first *Outcome) (*Outcome, error) {
	o, err := p.restart()
	if fault.CodeOf(err) == "nothing_to_restart" && point.Name == "repository.save_job.after" {
		return first, nil // it was the last operation, and only telling of it failed
	}
	return o, err
}

func (p *crashPlace) restart() (*Outcome, error) {
	request := RestartRequest{}
	if p.meta != "" {
		request.Which = jobOf(p)
	}
	return p.engine(nil).Restart(context.Background(), request, Watcher{Observer: nobody{}})
}

// left is all that a user sees of a completed load: rows in the order they were written, files, counters, status.
func (p *crashPlace) left(t *testing.T, o *Outcome) string {
	t.Helper()
	var b strings.Builder
	total := o.Execution.Steps[0].Total
	total.Commit, total.Rollback, total.Retry = 0, 0, 0
	fmt.Fprintf(&b, "%s %+v\n", o.Execution.Status, total)
	if p.target.database != "" {
		b.WriteString(p.rows(t))
	}
	if strings.Contains(p.target.letters, "rejects") {
		b.WriteString(p.rejects(t))
	}
	for _, name := range p.target.outputs {
		text, err := os.ReadFile(filepath.Join(p.folder, name))
		if strings.Contains(name, "rejected") {
			text = varies.ReplaceAll(text, []byte("~"))
		}
		fmt.Fprintf(&b, "%s: %v\n%s", name, err, text)
	}
	hidden, err := filepath.Glob(filepath.Join(p.folder, "out", ".*"))
	fmt.Fprintf(&b, "unfinished: %v %v\n", hidden, err)
	return b.String()
}

func (p *crashPlace) rows(t *testing.T) string {
	t.Helper()
	order := "id, ctid" // not by place alone: what an attempt undid may have left room
	if p.target.database == "sqlite" {
		order = "rowid"
	}
	if strings.Contains(p.target.writer, "upsert") {
		order = "name"
	}
	db, err := sql.Open(p.target.database, p.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("select id, name, amount from payments order by " + order)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var id, name, amount string
		if err := rows.Scan(&id, &name, &amount); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s|%s|%s\n", id, name, amount)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// rejects are the dead letters in a table, without what differs between executions.
func (p *crashPlace) rejects(t *testing.T) string {
	t.Helper()
	db, err := sql.Open(p.target.database, p.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all string
	err = db.QueryRow(`select coalesce(string_agg(concat_ws('|', ordinal, phase, class, code, message, source, line, raw, record), E'\n' order by ordinal), '')
		from rejects`).Scan(&all)
	if err != nil {
		return err.Error()
	}
	return all + "\n"
}

// varies matches what differs between executions in dead letters in files.
var varies = regexp.MustCompile(`"(job_execution_id|created_at)":("[^"]*"|\d+)|,\d+,load,|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|[0-9a-f]{8}-[0-9a-f-]{27}`)

func TestCrashAtEveryPointThenRestartEqualsUninterruptedRun(t *testing.T) {
	t.Parallel()
	for _, target := range crashTargets() {
		if testing.Short() && !target.first {
			continue
		}
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			server := ""
			if target.database == "postgres" {
				server = sqltest.Postgres(t)
			}
			if target.overTLS {
				server = sqltest.TLS(t, server)
			}
			if target.onServer {
				target.repository = sqltest.Schema(t)
			}
			whole := batchtest.NewFuse(0, batchtest.Kill)
			clean := newCrashPlace(t, target, server)
			outcome, err := clean.run(whole)
			if err != nil {
				t.Fatal(err)
			}
			want := clean.left(t, outcome)
			points := whole.Points()
			if len(points) < 60 {
				t.Fatalf("only %d operations were counted: %v", len(points), points)
			}
			crashes := 0
			for _, mode := range []batchtest.Mode{batchtest.Kill, batchtest.Fail} {
				for i, point := range points {
					if target.passes(i, point) {
						continue
					}
					crashAt(t, target, server, mode, point, want)
					crashes++
				}
			}
			t.Logf("%d operations, %d kills and failures", len(points), crashes)
		})
	}
}

// passes reports whether an operation is passed over where time is short: away from the commits an intent changes nothing.
func (c crashTarget) passes(i int, point batchtest.Point) bool {
	return i%c.stride() != 0 || c.intent && !soaking() && !ofCommit.MatchString(point.Name) && i%6 != 0
}

// stride is the distance of the operations that a target is crashed at: 1 is every one. Under the race detector, and where
// memory is overwritten, everything takes many times as long, partitions have many operations that are much alike, and
// other targets come to the same points with the repository in a file.
func (c crashTarget) stride() int {
	switch {
	case testing.Short():
		return 10
	case c.divide != "" && !soaking():
		return 7
	case c.onServer && !soaking():
		return 16
	case !c.first && !soaking():
		return 4
	}
	return 1
}

// ofCommit matches the points between two states of a ledger.
var ofCommit = regexp.MustCompile(`^(ledger|intent)\.`)

func crashAt(t *testing.T, target crashTarget, server string, mode batchtest.Mode, point batchtest.Point, want string) {
	t.Helper()
	p := newCrashPlace(t, target, server)
	fuse := batchtest.NewFuseAt(point, mode)
	outcome, err := p.run(fuse)
	if _, blown := fuse.Blown(); !blown {
		t.Errorf("%s at %s: the fuse did not blow", mode, point)
		return
	}
	if err != nil {
		if !errors.Is(err, batchtest.ErrKilled) && !errors.Is(err, batchtest.ErrFailed) {
			t.Errorf("%s at %s: got error %v, want the fuse's", mode, point, err)
		}
		if outcome, err = p.restartBehind(point, outcome); err != nil {
			t.Errorf("%s at %s: restart: %v", mode, point, err)
			return
		}
	}
	if got := p.left(t, outcome); got != want {
		t.Errorf("%s at %s: after the restart\n%s\nwant\n%s", mode, point, got, want)
	}
	os.RemoveAll(p.folder)
}

// A harness that cannot see lost or doubled records proves nothing: with the checkpoint saved in a transaction of its
// own, before or after the rows', it must find some.
func TestControlsFindLostAndDoubledRecords(t *testing.T) {
	t.Parallel()
	orders := map[string]meta.TestOrder{"before": meta.TestCheckpointBefore, "after": meta.TestCheckpointAfter}
	for name, order := range orders {
		for _, target := range crashTargets() {
			if target.database == "" || target.bad || target.intent || target.onServer || target.overTLS || name == "before" && target.database == "sqlite" {
				continue // SQLite has one writer: no checkpoint can commit while the rows' transaction is open
			}
			t.Run(name+"_"+strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				findWrong(t, target, order)
			})
		}
	}
}
