package plan

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

// sidePlace is a folder, and a database, of a job whose parts run side by side.
type sidePlace struct {
	folder, driver, dsn string
	*Engine
}

func newSidePlace(t testing.TB, driver, dsn string) *sidePlace {
	t.Helper()
	p := &sidePlace{folder: t.TempDir(), driver: driver, dsn: dsn}
	p.Engine = &Engine{
		Meta: filepath.Join(p.folder, "meta", "batchctl.db"), Folder: p.folder, Local: time.UTC, Now: time.Now, After: time.After,
		Random: func() float64 { return 0.5 }, Env: func(string) (string, bool) { return "", false }, ReadFile: os.ReadFile,
		Secrets: new(config.Secrets),
	}
	return p
}

func (p *sidePlace) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *sidePlace) exec(t testing.TB, statements ...string) {
	t.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (p *sidePlace) query(t testing.TB, query string) string {
	t.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	if err := db.QueryRow(query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// heard collects what is said in a run.
type heard struct {
	mu     sync.Mutex
	events []batch.Event
}

func (h *heard) Observe(e batch.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *heard) notices() string {
	var all []string
	for _, e := range h.events {
		if notice, ok := e.(batch.Notice); ok {
			all = append(all, notice.Message)
		}
	}
	return strings.Join(all, "\n")
}

func (p *sidePlace) run(t testing.TB) (*Outcome, *heard, error) {
	t.Helper()
	h := &heard{}
	o, err := p.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: h})
	return o, h, err
}

func (p *sidePlace) restart(t testing.TB, drift Drift) (*Outcome, *heard, error) {
	t.Helper()
	h := &heard{}
	o, err := p.Restart(context.Background(), RestartRequest{Drift: drift}, Watcher{Observer: h})
	return o, h, err
}

// nastyKeys are rows with keys that borders and remainders get wrong: null, negative, the smallest and largest, equal
// ones.
func nastyKeys() []string {
	var rows []string
	keys := []string{"null", "null", "0", "-1", "1", "-9223372036854775808", "9223372036854775807", "-7", "7", "7", "7", "1000000"}
	for i, k := range keys {
		rows = append(rows, fmt.Sprintf("(%d, %s, %s, %s, %s)", i, k,
			[]string{"null", "''", "'a'", "'A'", "'ä'", "'가'", "'a b'"}[i%7],
			[]string{"null", "'2026-11-20'", "'0001-01-01'", "'9999-12-31'"}[i%4],
			[]string{"null", "-0.5", "0.25", "99999999999999999999.125"}[i%4]))
	}
	return rows
}

func TestPartitionsTogetherAreTheQuery(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		p := newSidePlace(t, driver, dsn)
		p.exec(t, "create table keys (id integer primary key, k bigint, t text, d date, m numeric)",
			"insert into keys values "+strings.Join(nastyKeys(), ", "))
		for _, division := range []string{
			"{by: range, column: k, count: %d}", "{by: modulo, column: k, count: %d}", "{by: range, column: t, count: %d}",
			"{by: range, column: d, count: %d}", "{by: range, column: m, count: %d}", "{by: range, column: id, count: %d}",
			"{by: values, column: k, values: [7, 0, %d00]}", "{by: values, column: t, values: [a, '']}",
			"{by: values, column: t, connection: db, query: select distinct t from keys}",
		} {
			for count := 1; count <= 7; count++ {
				if !soaking() && count > 3 && count < 7 {
					continue
				}
				division := division
				if strings.Contains(division, "%d") {
					division = fmt.Sprintf(division, count)
				} else if count > 1 {
					continue
				}
				p.wantWholeQuery(t, division)
			}
		}
	})
}

func (p *sidePlace) wantWholeQuery(t *testing.T, division string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(p.folder, "out")); err != nil {
		t.Fatal(err)
	}
	p.write(t, "job.yaml", fmt.Sprintf(`
job: divide
connections: {db: {driver: %s, dsn: %q}}
steps:
  - name: load
    partition: %s
    reader: {type: sql, connection: db, query: "select * from keys;", keyset: [id]}
    writer: {type: csv, path: "out/${partition.name}.csv"}
`, p.driver, p.dsn, division))
	o, _, err := p.run(t)
	if err != nil {
		t.Fatalf("%s: %v", division, err)
	}
	ids := p.outputIDs(t)
	want := make([]string, 12)
	for i := range want {
		want[i] = fmt.Sprint(i)
	}
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("%s: got %v, want each of %v once", division, ids, want)
	}
	step := o.Execution.Steps[0]
	if step.Name != "load" || step.Total.Read != 12 || step.Total.Write != 12 || step.Counters != step.Total {
		t.Errorf("%s: sums are %+v and %+v", division, step.Total, step.Counters)
	}
}

// outputIDs returns the first fields of all records in the folder out.
func (p *sidePlace) outputIDs(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.folder, "out", "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if record[0] != "id" {
				ids = append(ids, record[0])
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func TestRowsThatComeLaterAreInOneOfThePartitions(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table keys (id integer primary key, bad integer)", "insert into keys values (1, 0), (50, 1), (100, 0)")
	p.write(t, "job.yaml", fmt.Sprintf(`
job: late
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    chunk: 1
    partition: {by: range, column: id, count: 3, max_parallel: 1}
    reader: {type: sql, connection: db, query: "select id, bad from keys", keyset: [id]}
    processors:
      - validate: [{rule: bad == 0, message: bad}]
    writer: {type: csv, path: "out/${partition.name}.csv"}
`, p.dsn))
	if _, _, err := p.run(t); err == nil || !strings.Contains(err.Error(), "step load failed: step load:partition1 failed") {
		t.Fatalf("got %v", err)
	}
	p.exec(t, "update keys set bad = 0", "insert into keys values (-5, 0), (60, 0), (1000, 0)")
	o, h, err := p.restart(t, Drift{})
	if err != nil {
		t.Fatal(err)
	}
	// The first and the last share were complete when -5 and 1000 came.
	if ids := p.outputIDs(t); !slices.Equal(ids, []string{"1", "100", "50", "60"}) {
		t.Errorf("got %v", ids)
	}
	repeated := 0
	for _, e := range h.events {
		if _, ok := e.(batch.StepRepeated); ok {
			repeated++
		}
	}
	if step := o.Execution.Steps[0]; repeated != 2 || step.Total.Write != 4 || step.Counters.Write != 2 {
		t.Errorf("%d repeated, %+v, in this attempt %+v", repeated, step.Total, step.Counters)
	}
}

func TestPlanOfPartitionsIsKept(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table keys (id integer primary key)", "insert into keys values (1), (2), (3), (4)", "create table copy (id integer primary key check (id <> 3))")
	definition := `
job: keep
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    partition: {by: modulo, column: id, count: %d}
    reader: {type: sql, connection: db, query: "select id from keys", keyset: [id]}
    writer: {type: sql, connection: db, table: copy}
`
	p.write(t, "job.yaml", fmt.Sprintf(definition, p.dsn, 2))
	if _, _, err := p.run(t); err == nil {
		t.Fatal("want an error")
	}
	p.exec(t, "drop table copy", "create table copy (id integer primary key)", "insert into copy values (2), (4)")
	p.write(t, "job.yaml", fmt.Sprintf(definition, p.dsn, 3))
	o, h, err := p.restart(t, Drift{AcceptChanges: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.query(t, "select count(*) || ' ' || sum(id) from copy"); got != "4 10" {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(h.notices(), "divided into 2 partitions when the step began") {
		t.Errorf("the changed count is not told: %q", h.notices())
	}
	if len(o.Execution.Steps) != 3 {
		t.Errorf("got %d step executions, want the step and 2 partitions", len(o.Execution.Steps))
	}
}

func TestChecksOfAPartitionedStepComeBeforeAnyFileAppears(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table keys (id integer primary key)", "insert into keys values (1), (2), (3), (4)", "create table wanted (n integer)", "insert into wanted values (5)")
	p.write(t, "job.yaml", fmt.Sprintf(`
job: checked
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    partition: {by: modulo, column: id, count: 3}
    reader: {type: sql, connection: db, query: "select id from keys", keyset: [id]}
    writer: {type: csv, path: "out/${partition.name}.csv"}
    check:
      - {connection: db, query: select n from wanted, rule: n == counters.write_count}
    exit_status: 'counters.write_count == 4 ? "WROTE 4" : "OTHER"'
`, p.dsn))
	if _, _, err := p.run(t); fault.CodeOf(err) != "check_failed" {
		t.Fatalf("got %v", err)
	}
	if ids := p.outputIDs(t); ids != nil {
		t.Fatalf("files appeared: %v", ids)
	}
	p.exec(t, "update wanted set n = 4")
	o, _, err := p.restart(t, Drift{})
	if err != nil {
		t.Fatal(err)
	}
	if ids := p.outputIDs(t); !slices.Equal(ids, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %v", ids)
	}
	if code := o.Execution.Exit.Code; code != "WROTE 4" {
		t.Errorf("got exit status %q", code)
	}
}

func TestSkipLimitIsThatOfAllPartitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit int
		fails bool
	}{{1, true}, {5, true}, {6, false}} {
		p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
		p.exec(t, "create table keys (id integer primary key)", "insert into keys values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)")
		p.write(t, "job.yaml", fmt.Sprintf(`
job: limited
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    chunk: 1
    partition: {by: modulo, column: id, count: 3}
    reader: {type: sql, connection: db, query: "select id from keys", keyset: [id]}
    processors:
      - validate: [{rule: id > 6, message: small}]
    writer: {type: sql, connection: db, table: copy, create: true}
    dead_letter: {type: sql, connection: db, table: rejects, create: true}
    skip: {limit: %d}
`, p.dsn, c.limit))
		o, _, err := p.run(t)
		if (fault.CodeOf(err) == "skip_limit") != c.fails || (err != nil) != c.fails {
			t.Fatalf("limit %d: got %v", c.limit, err)
		}
		if c.fails {
			if said := strings.Count(err.Error(), "skip limit"); said != 1 {
				t.Errorf("limit %d: said %d times: %v", c.limit, said, err)
			}
			continue
		}
		if got := p.query(t, "select count(*) || ' ' || count(distinct lane) || ' ' || min(step) from rejects"); got != "6 3 load" {
			t.Errorf("letters: got %s", got)
		}
		if o.Execution.Steps[0].Total.ProcessSkip != 6 {
			t.Errorf("got %+v", o.Execution.Steps[0].Total)
		}
	}
}

// A partitioned step with a check claims each share twice: to write it, and to publish it. Only the first may forget.
func TestFreshForgetsWhatEarlierRunsDidAndNothingOfThisOne(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		p := newSidePlace(t, driver, dsn)
		p.exec(t, "create table keys (id integer primary key)", "insert into keys values (1), (2), (3), (4), (5), (6)",
			"create table copy (id integer)", "create table wanted (n integer)", "insert into wanted values (7)")
		p.write(t, "job.yaml", fmt.Sprintf(`
job: checked
connections: {db: {driver: %s, dsn: %q}}
steps:
  - name: load
    chunk: 1
    partition: {by: modulo, column: id, count: 2}
    reader: {type: sql, connection: db, query: "select id from keys", keyset: [id]}
    writer: {type: sql, connection: db, table: copy}
    check:
      - {connection: db, query: select n from wanted, rule: n == counters.write_count}
`, driver, dsn))
		if _, _, err := p.run(t); fault.CodeOf(err) != "check_failed" {
			t.Fatalf("got %v", err)
		}
		p.exec(t, "update wanted set n = 6", "delete from copy")
		o, _, err := p.restart(t, Drift{Fresh: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.query(t, "select count(*) || ' ' || count(distinct id) from copy"); got != "6 6" {
			t.Errorf("rows: got %s, want each of 6 once", got)
		}
		if total := o.Execution.Steps[0].Total; total.Write != 6 {
			t.Errorf("got %+v", total)
		}
	})
}

// What the check has not counted is not published: a share is not read on after it.
func TestRowsThatComeAfterTheCheckAreLeftToTheNextRun(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table keys (id integer primary key)", "insert into keys values (1), (2), (3), (4)")
	p.write(t, "job.yaml", fmt.Sprintf(`
job: late
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    partition: {by: modulo, column: id, count: 2}
    reader: {type: sql, connection: db, query: "select id from keys", keyset: [id]}
    writer: {type: csv, path: "out/${partition.name}.csv"}
    check: [counters.write_count == 4]
`, p.dsn))
	var made atomic.Int64
	p.instruments.reader = func(r batch.Reader) batch.Reader {
		if made.Add(1) == 3 { // both shares are written, and one is about to be published
			p.exec(t, "insert into keys values (10), (11)")
		}
		return r
	}
	if _, _, err := p.run(t); err != nil {
		t.Fatal(err)
	}
	if ids := p.outputIDs(t); !slices.Equal(ids, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %v", ids)
	}
}
