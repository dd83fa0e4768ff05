//go:build unix

package plan

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/sqldb/sqltest"
)

// A load that retries goes on by itself while its PostgreSQL server is restarted, its backends are terminated and the way to
// the server breaks in every manner: one run, COMPLETED, and exact.

// outages is a server of a test's own with a proxy before it, and the list of what happens to them during a run.
type outages struct {
	cluster *sqltest.Cluster
	proxy   *sqltest.Proxy
	dsn     string // through the proxy
	random  *rand.Rand
}

func newOutages(t *testing.T) *outages {
	cluster := sqltest.NewCluster(t)
	proxy, dsn := sqltest.NewProxy(t, cluster.DSN())
	return &outages{cluster: cluster, proxy: proxy, dsn: dsn, random: rand.New(rand.NewPCG(20, 26))}
}

func (o *outages) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", o.cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// happen does one thing.
func (o *outages) happen(t *testing.T, what string) {
	time.Sleep(time.Duration(o.random.Int64N(int64(15 * time.Millisecond)))) // not always right behind a commit
	switch what {
	case "restart":
		o.cluster.Restart(t)
	case "terminate":
		db := o.open(t)
		if _, err := db.Exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'batchctl'"); err != nil {
			t.Error(err)
		}
		db.Close()
	case "cut":
		o.proxy.Cut()
	case "stall":
		o.proxy.Stall()
		time.Sleep(stallTime())
		o.proxy.Resume()
	case "black hole":
		if err := o.proxy.Blackhole(); err != nil {
			t.Error(err)
		}
	case "drop commit":
		o.proxy.FailCommit(sqltest.DropCommit)
	case "swallow answer":
		o.proxy.FailCommit(sqltest.SwallowAnswer)
	case "abandon server":
		o.proxy.FailCommit(sqltest.AbandonServer)
		time.AfterFunc(time.Second, o.proxy.Cut) // the server notices at last
	default:
		t.Errorf("nobody knows how to %s", what)
	}
}

func soaking() bool { return os.Getenv("BATCHCTL_SOAK") != "" }

func stallTime() time.Duration {
	if soaking() {
		return 30 * time.Second
	}
	return 300 * time.Millisecond
}

// schedule has things happen while a run commits: evenly over the commits that it will need.
type schedule struct {
	batch.Ledger
	every   int
	list    []string
	commits int
	queue   chan string
	group   sync.WaitGroup
}

// during returns what a ledger is wrapped by.
func (o *outages) during(t *testing.T, commits int, list []string) *schedule {
	s := &schedule{every: max(1, commits/(len(list)+1)), list: list, queue: make(chan string, len(list))}
	s.group.Go(func() {
		for what := range s.queue {
			o.happen(t, what)
		}
	})
	return s
}

func (s *schedule) wrap(l batch.Ledger) batch.Ledger {
	s.Ledger = l
	return s
}

func (s *schedule) Commit(ctx context.Context, lane batch.LaneKey, fn func(batch.Tx) (batch.Checkpoint, error)) (batch.Checkpoint, error) {
	saved, err := s.Ledger.Commit(ctx, lane, fn)
	if err == nil {
		if s.commits++; s.commits%s.every == 0 && len(s.list) > 0 {
			s.queue <- s.list[0]
			s.list = s.list[1:]
		}
	}
	return saved, err
}

// end waits until all has happened, and requires that it was all.
func (s *schedule) end(t *testing.T) {
	t.Helper()
	close(s.queue)
	s.group.Wait()
	if len(s.list) > 0 {
		t.Errorf("%v never happened", s.list)
	}
}

// retries is a listener that counts.
type retries struct {
	mutex sync.Mutex
	n     int
}

func (r *retries) Observe(e batch.Event) {
	if _, ok := e.(batch.ChunkRetried); ok {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.n++
	}
}

// runDuring runs job.yaml of a folder once.
func (o *outages) runDuring(t *testing.T, folder string, commits int, list []string) *batch.StepExecution {
	t.Helper()
	s := o.during(t, commits, list)
	e := &Engine{
		Meta: filepath.Join(folder, "meta", "batchctl.db"), Folder: folder, Local: time.UTC, Now: time.Now, After: time.After,
		Random: func() float64 { return 0.5 }, Env: func(string) (string, bool) { return "", false },
		ReadFile: os.ReadFile, Secrets: new(config.Secrets),
	}
	e.instruments.everyChunk = true
	e.instruments.ledger = s.wrap
	begin := time.Now()
	seen := new(retries)
	outcome, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: seen})
	s.end(t)
	if err != nil {
		t.Fatal(err)
	}
	step := outcome.Execution.Steps[0]
	t.Logf("%d records, %d outages, %d retries, in %s", step.Total.Read, len(list), step.Total.Retry+int64(seen.n), time.Since(begin).Round(10*time.Millisecond))
	if step.Total.Retry+int64(seen.n) == 0 {
		t.Error("nothing was ever tried again")
	}
	if outcome.Execution.Status != batch.Completed {
		t.Errorf("status %s", outcome.Execution.Status)
	}
	return step
}

const outageRetry = "    retry: {max_retries: 20, backoff: 100ms, multiplier: 2, max_backoff: 2s, jitter: 10%, on: [transient]}\n"

// outagesOf returns how many records a load has, and what happens during it.
func outagesOf(every ...string) (records int, list []string) {
	records = 50_000
	rounds := 1
	if soaking() {
		records, rounds = 500_000, 5
	}
	for range rounds {
		list = append(list, every...)
	}
	return records, list
}

func writeOutage(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoadIntoPostgresGoesOnThroughOutages(t *testing.T) {
	t.Parallel()
	records, list := outagesOf("cut", "restart", "swallow answer", "terminate", "drop commit", "stall", "abandon server")
	if soaking() {
		list = append(list, "black hole")
	}
	o := newOutages(t)
	folder := t.TempDir()
	db := o.open(t)
	if _, err := db.Exec("create table payments (id integer, name text, check (id % 5000 <> 4))"); err != nil {
		t.Fatal(err)
	}
	var input strings.Builder
	input.WriteString("id,name\n")
	for i := range records {
		fmt.Fprintf(&input, "%d,name of %d\n", i, i%997)
	}
	writeOutage(t, folder, "in.csv", input.String())
	writeOutage(t, folder, "job.yaml", fmt.Sprintf(`job: outage
connections:
  shop: {driver: postgres, dsn: %q}
steps:
  - name: load
    chunk: 1000
    reader: {type: csv, path: in.csv, columns: {id: int}}
    processors:
      - filter: id %% 10 != 3
      - validate: [{rule: id %% 1000 != 7, message: seven}]
    writer: {type: sql, connection: shop, table: payments}
    skip: {limit: %d}
    dead_letter: {type: sql, connection: shop, table: rejects, create: true}
%s`, o.dsn, records, outageRetry))
	step := o.runDuring(t, folder, records/1000, list)
	wantOutageRows(t, o.open(t), records, step)
}

// wantOutageRows requires every row and every letter once, and counters that say so.
func wantOutageRows(t *testing.T, db *sql.DB, records int, step *batch.StepExecution) {
	t.Helper()
	var got, want struct{ rows, ids, sum, letters, ordinals, ordinalSum int }
	for i := range records {
		switch {
		case i%10 == 3:
		case i%1000 == 7 || i%5000 == 4:
			want.letters++
			want.ordinals++
			want.ordinalSum += i + 1
		default:
			want.rows++
			want.ids++
			want.sum += i
		}
	}
	err := db.QueryRow(`select (select count(*) from payments), (select count(distinct id) from payments), (select sum(id) from payments),
		(select count(*) from rejects), (select count(distinct ordinal) from rejects), (select sum(ordinal) from rejects)`).
		Scan(&got.rows, &got.ids, &got.sum, &got.letters, &got.ordinals, &got.ordinalSum)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the tables hold %+v, want %+v", got, want)
	}
	wantOutageCounters(t, step, batch.Counters{
		Read: int64(records), Write: int64(want.rows), Filter: int64(records / 10),
		ProcessSkip: int64(records / 1000), WriteSkip: int64(records / 5000),
	})
}

func wantOutageCounters(t *testing.T, step *batch.StepExecution, want batch.Counters) {
	t.Helper()
	got := step.Total
	got.Commit, got.Rollback, got.Retry = 0, 0, 0
	if got != want {
		t.Errorf("the counters are %+v, want %+v", got, want)
	}
}

func TestQueryOfPostgresGoesOnThroughOutages(t *testing.T) {
	t.Parallel()
	records, list := outagesOf("cut", "terminate", "restart", "cut", "stall")
	o := newOutages(t)
	db := o.open(t)
	if _, err := db.Exec(fmt.Sprintf("create table payments as select i * 3 as id, 'name of ' || i %% 997 as name from generate_series(0, %d - 1) i; create unique index on payments (id)", records)); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("id,name\n")
	for i := range records {
		fmt.Fprintf(&want, "%d,name of %d\n", 3*i, i%997)
	}
	for name, page := range map[string]string{"one query": "", "pages": ", page: 700"} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			folder := t.TempDir()
			writeOutage(t, folder, "job.yaml", fmt.Sprintf(`job: outage
connections:
  shop: {driver: postgres, dsn: %q}
steps:
  - name: unload
    chunk: 1000
    reader: {type: sql, connection: shop, query: "select id, name from payments", keyset: [id]%s}
    writer: {type: csv, path: out/payments.csv}
%s`, o.dsn, page, outageRetry))
			step := o.runDuring(t, folder, records/1000, list)
			got, err := os.ReadFile(filepath.Join(folder, "out", "payments.csv"))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want.String() {
				t.Errorf("the file has %d bytes and is not as the table, want %d", len(got), want.Len())
			}
			wantOutageCounters(t, step, batch.Counters{Read: int64(records), Write: int64(records)})
		})
	}
}
