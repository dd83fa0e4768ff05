//go:build unix

package plan

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// A load that retries goes on by itself while its PostgreSQL server is restarted, its backends are terminated and the way to
// the server breaks in every manner: one run, COMPLETED, and exact.

// outages is a server of a test's own with a proxy before it, and the list of what happens to them during a run.
type outages struct {
	cluster *sqltest.Cluster // nil where it is not to be restarted
	server  string           // its DSN
	proxy   *sqltest.Proxy
	dsn     string // through the proxy
	random  *rand.Rand
}

func newOutages(t *testing.T) *outages {
	cluster := sqltest.NewCluster(t)
	proxy, dsn := sqltest.NewProxy(t, cluster.DSN())
	return &outages{cluster: cluster, server: cluster.DSN(), proxy: proxy, dsn: dsn, random: rand.New(rand.NewPCG(20, 26))}
}

func (o *outages) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", o.server)
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
	case "cut at a byte":
		o.proxy.CutAfter(o.random.Int64N(20_000))
		for wait := 0; o.proxy.Cutting() && wait < 1000; wait++ {
			time.Sleep(time.Millisecond)
		}
	case "stall":
		o.stall(300 * time.Millisecond)
	case "long stall":
		o.stall(30 * time.Second)
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

func (o *outages) stall(d time.Duration) {
	o.proxy.Stall()
	time.Sleep(d)
	o.proxy.Resume()
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

// end waits until all has happened, and requires that it was all where the run has come to its end.
func (s *schedule) end(t *testing.T, err error) {
	t.Helper()
	close(s.queue)
	s.group.Wait()
	if len(s.list) > 0 && err == nil {
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
	seen := new(retries)
	begin := time.Now()
	outcome, err := o.run(t, folder, commits, list, seen, meta.TestTogether)
	if err != nil {
		t.Fatal(err)
	}
	step := outcome.Execution.Steps[0]
	tried := step.Total.Retry + int64(seen.n)
	t.Logf("%d records, %d outages, %d retries, in %s", step.Total.Read, len(list), tried, time.Since(begin).Round(10*time.Millisecond))
	if outcome.Execution.Status != batch.Completed || tried == 0 {
		t.Errorf("status %s after %d retries", outcome.Execution.Status, tried)
	}
	return step
}

func (o *outages) run(t *testing.T, folder string, commits int, list []string, seen batch.Observer, order meta.TestOrder) (*Outcome, error) {
	t.Helper()
	s := o.during(t, commits, list)
	e := &Engine{
		Meta: filepath.Join(folder, "meta", "batchctl.db"), Folder: folder, Local: time.UTC, Now: time.Now, After: time.After,
		Random: func() float64 { return 0.5 }, Env: func(string) (string, bool) { return "", false },
		ReadFile: os.ReadFile, Secrets: new(config.Secrets),
	}
	e.instruments.everyChunk = true
	e.instruments.order = order
	e.instruments.ledger = s.wrap
	outcome, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: seen})
	s.end(t, err)
	return outcome, err
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
	records, list := outagesOf("cut", "restart", "swallow answer", "terminate", "drop commit", "stall", "cut at a byte", "abandon server")
	if soaking() {
		list = append(list, "black hole", "long stall", "black hole")
	}
	newOutages(t).load(t, records, 1000, list)
}

// Over TLS nothing is sent ahead and lib/pq reads the rows, so much is done another way.
func TestLoadOverTLSGoesOnThroughOutages(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Postgres(t)
	proxy, through := sqltest.NewProxy(t, dsn)
	o := &outages{proxy: proxy, server: dsn, dsn: sqltest.TLS(t, through), random: rand.New(rand.NewPCG(20, 26))}
	o.load(t, 20_000, 500, []string{"cut", "swallow answer", "cut at a byte", "drop commit", "swallow answer", "cut at a byte"})
}

// The numbers of terminated backends, servers stopped, commits lost and connections cut that a load has to bear.
func TestLoadIntoPostgresBearsHundredsOfOutages(t *testing.T) {
	if !soaking() {
		t.Skip("takes minutes: make soak runs it")
	}
	for name, list := range map[string][]string{
		"backends and servers": repeated(50, append([]string{"restart"}, repeated(10, []string{"terminate"})...)),
		"commits":              repeated(250, []string{"drop commit", "swallow answer"}),
		"bytes":                repeated(500, []string{"cut at a byte"}),
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			newOutages(t).load(t, 500_000, 250, list)
		})
	}
}

func repeated(n int, list []string) []string { return slices.Repeat(list, n) }

// With the checkpoint saved apart from the rows, answers of COMMIT that are swallowed must leave rows lost or doubled:
// else the tests above see nothing.
func TestControlOfOutagesFindsDamage(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]meta.TestOrder{"before": meta.TestCheckpointBefore, "after": meta.TestCheckpointAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := sqltest.Postgres(t)
			proxy, through := sqltest.NewProxy(t, dsn)
			o := &outages{proxy: proxy, server: dsn, dsn: through, random: rand.New(rand.NewPCG(1, 2))}
			const records, list = 20_000, 10
			folder := o.prepare(t, records, 500)
			for range 20 {
				if _, err := o.run(t, folder, records/500, repeated(list/2, []string{"drop commit", "swallow answer"}), nobody{}, order); err == nil {
					break
				}
			}
			if got, want, err := o.rows(t, records); err == nil && got == want {
				t.Errorf("nothing was lost or doubled: %+v", got)
			} else {
				t.Logf("got %+v, want %+v: %v", got, want, err)
			}
		})
	}
}

// prepare makes the tables, the input and the job of a load.
func (o *outages) prepare(t *testing.T, records, chunk int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if _, err := o.open(t).Exec("create table payments (id integer, name text, check (id % 5000 <> 4))"); err != nil {
		t.Fatal(err)
	}
	var input strings.Builder
	input.WriteString("id,name\n")
	for i := range records {
		fmt.Fprintf(&input, "%d,name of %d\n", i, i%997)
	}
	writeOutage(t, folder, "in.csv", input.String())
	writeOutage(t, folder, "job.yaml", fmt.Sprintf(`job: outage
instance: params
connections:
  shop: {driver: postgres, dsn: %q}
steps:
  - name: load
    chunk: %d
    reader: {type: csv, path: in.csv, columns: {id: int}}
    processors:
      - filter: id %% 10 != 3
      - validate: [{rule: id %% 1000 != 7, message: seven}]
    writer: {type: sql, connection: shop, table: payments}
    skip: {limit: %d}
    dead_letter: {type: sql, connection: shop, table: rejects, create: true}
%s`, o.dsn, chunk, records, outageRetry))
	return folder
}

// load runs a load once, during which things happen, and requires every row and every letter once, and counters that say so.
func (o *outages) load(t *testing.T, records, chunk int, list []string) {
	t.Helper()
	step := o.runDuring(t, o.prepare(t, records, chunk), records/chunk, list)
	got, want, err := o.rows(t, records)
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

// outageRows is what a load leaves in its tables.
type outageRows struct{ rows, ids, sum, letters, ordinals, ordinalSum int }

func (o *outages) rows(t *testing.T, records int) (got, want outageRows, err error) {
	t.Helper()
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
	err = o.open(t).QueryRow(`select (select count(*) from payments), (select count(distinct id) from payments), (select sum(id) from payments),
		(select count(*) from rejects), (select count(distinct ordinal) from rejects), (select sum(ordinal) from rejects)`).
		Scan(&got.rows, &got.ids, &got.sum, &got.letters, &got.ordinals, &got.ordinalSum)
	return got, want, err
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
	if _, err := db.Exec(fmt.Sprintf("create table payments as select i * 3 as id, rpad('name of ' || i %% 997, 300, '.') as name from generate_series(0, %d - 1) i; create unique index on payments (id)", records)); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("id,name\n")
	for i := range records {
		name := fmt.Sprintf("name of %d", i%997)
		fmt.Fprintf(&want, "%d,%s%s\n", 3*i, name, strings.Repeat(".", 300-len(name))) // more than sockets hold
	}
	for name, way := range map[string]struct{ dsn, page string }{
		"one query": {o.dsn, ""}, "pages": {o.dsn, ", page: 700"}, "over TLS": {sqltest.TLS(t, o.dsn), ""},
	} {
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
%s`, way.dsn, way.page, outageRetry))
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
