package plan

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

const slowRecords = 150

// slowPlace is a load that takes about three seconds, with a chunk for each record, and a way to the repository that can be
// blocked.
func slowPlace(t *testing.T, lease string) (p *crashPlace, way *sqltest.Proxy, repository, target *sql.DB) {
	t.Helper()
	server, schema := sqltest.Postgres(t), sqltest.Schema(t)
	way, through := sqltest.NewProxy(t, schema)
	p = &crashPlace{folder: t.TempDir(), dsn: server, meta: through + "&lease=" + lease, host: "a"}
	p.write(t, "job.yaml", fmt.Sprintf(`job: slow
params: {day: {type: string, default: a}}
connections: {shop: {driver: postgres, dsn: %q}}
steps:
  - name: load
    chunk: 1
    rate: 50
    reader: {type: csv, path: in.csv, columns: {id: int}}
    writer: {type: sql, connection: shop, table: payments, create: true}
`, server))
	var text strings.Builder
	text.WriteString("id\n")
	for i := range slowRecords {
		fmt.Fprintln(&text, i)
	}
	p.write(t, "in.csv", text.String())
	return p, way, openDirect(t, schema), openDirect(t, server)
}

func openDirect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// slowly runs the job with the real clock, and says on a channel how it ended.
func (p *crashPlace) slowly(observer batch.Observer) <-chan error {
	e := p.engine(nil)
	e.Now, e.After = time.Now, time.After
	ended := make(chan error, 1)
	go func() {
		_, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: observer})
		ended <- err
	}()
	return ended
}

// number asks for one number, again until it is at least atLeast.
func number(t *testing.T, db *sql.DB, query string, atLeast int) (n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := db.QueryRow(query).Scan(&n); err == nil && n >= atLeast {
			return n
		}
	}
	t.Fatalf("%s: %d, want %d", query, n, atLeast)
	return n
}

const (
	loaded   = "select count(*) from payments"
	leaseOut = "select count(*) from batchctl_owner where lease_until < timezone('UTC', clock_timestamp())"
)

func TestRunThatCannotKeepItsLeaseStopsBeforeItRunsOut(t *testing.T) {
	t.Parallel()
	p, way, repository, target := slowPlace(t, "2s")
	ended := p.slowly(nobody{})
	number(t, target, loaded, 10)
	way.Stall()
	number(t, repository, leaseOut, 1)
	rows := number(t, target, loaded, 10) // when the lease has run out
	err := <-ended
	if fault.CodeOf(err) != "lease_lost" || fault.ClassOf(err) != fault.Environment || fault.HintOf(err) == "" {
		t.Errorf("it ended with %v (%s)", err, fault.CodeOf(err))
	}
	if after := number(t, target, loaded, 0); after != rows {
		t.Errorf("%d rows were committed after the lease had run out", after-rows)
	}
	way.Resume()
	other := *p
	other.host = "b"
	e := other.engine(nil)
	e.After = func(time.Duration) <-chan time.Time { passed := make(chan time.Time); close(passed); return passed }
	if _, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}}); err != nil {
		t.Fatalf("the other host: %v", err)
	}
	checkSlow(t, target)
}

func checkSlow(t *testing.T, target *sql.DB) {
	t.Helper()
	var rows, distinct int
	if err := target.QueryRow("select count(*), count(distinct id) from payments").Scan(&rows, &distinct); err != nil || rows != slowRecords || distinct != slowRecords {
		t.Errorf("%d rows, %d distinct, %v; want %d", rows, distinct, err, slowRecords)
	}
}

// notices keeps what is said.
type notices struct {
	mu  sync.Mutex
	all []string
}

func (n *notices) Observe(e batch.Event) {
	if notice, ok := e.(batch.Notice); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.all = append(n.all, notice.Message)
	}
}

func TestShortOutageOfTheRepositoryDoesNotEndARun(t *testing.T) {
	t.Parallel()
	outages := map[string]func(way *sqltest.Proxy, over <-chan struct{}){
		"it does not answer": func(way *sqltest.Proxy, over <-chan struct{}) {
			way.Stall()
			<-over
			way.Resume()
		},
		"connections break": func(way *sqltest.Proxy, over <-chan struct{}) {
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Millisecond):
					way.Cut()
				}
			}
		},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, way, repository, target := slowPlace(t, "20s")
			said := &notices{}
			ended := p.slowly(said)
			before := number(t, target, loaded, 10)
			over, ready := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ready)
				outage(way, over)
			}()
			number(t, target, loaded, before+50) // the load goes on meanwhile
			close(over)
			<-ready
			if err := <-ended; err != nil {
				t.Fatalf("it ended with %v", err)
			}
			checkSlow(t, target)
			var status string
			if err := repository.QueryRow("select min(status) from batch_job_execution").Scan(&status); err != nil || status != "COMPLETED" {
				t.Errorf("the repository says %s, %v", status, err)
			}
			if len(said.all) == 0 || !strings.Contains(said.all[0], "the run goes on for now") {
				t.Errorf("said %q", said.all)
			}
		})
	}
}

// flaky is a job repository that is away for the first saves of each step.
type flaky struct {
	batch.Repository
	away  int
	saved []batch.StepExecution
}

func (f *flaky) SaveStep(_ context.Context, step *batch.StepExecution) error {
	if f.away > 0 {
		f.away--
		return fault.New(fault.Transient, "connection lost")
	}
	kept := *step
	kept.Context = maps.Clone(step.Context)
	f.saved = append(f.saved, kept)
	return nil
}

func (f *flaky) StartStep(ctx context.Context, step *batch.StepExecution) error {
	return f.SaveStep(ctx, step)
}

func TestStepBeginsWhenTheRepositoryIsBack(t *testing.T) {
	t.Parallel()
	inner := &flaky{away: 3}
	r := (&keeper{lease: 200 * time.Millisecond, lost: make(chan struct{})}).repository(inner, nobody{})
	if err := r.StartStep(t.Context(), &batch.StepExecution{Name: "load"}); err != nil || len(inner.saved) != 1 {
		t.Errorf("got %v, started %d times", err, len(inner.saved))
	}
}

// How far a step is can wait until the job repository is back. What the next attempt has to know, such as how the input was
// divided, cannot: it would be lost with the process.
func TestWhatARestartHasToKnowIsSavedBeforeTheStepGoesOn(t *testing.T) {
	t.Parallel()
	k := &keeper{lease: 200 * time.Millisecond, lost: make(chan struct{})}
	inner := &flaky{}
	r := k.repository(inner, nobody{})
	step := &batch.StepExecution{ID: 1, Name: "load", Status: batch.Started, Context: batch.Context{}}
	save := func(away int) {
		t.Helper()
		inner.away = away
		if err := r.SaveStep(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	save(0)
	step.Counters.Read = 1
	save(1)
	if len(inner.saved) != 1 {
		t.Fatalf("counters were waited for: saved %d times", len(inner.saved))
	}
	step.Context.Keep(batch.Context{"partitions": json.RawMessage("[1]")})
	save(2)
	if last := inner.saved[len(inner.saved)-1]; len(last.Context) != 1 {
		t.Fatalf("the plan was not saved: %+v", inner.saved)
	}
	step.Ended = time.Now()
	save(2)
	if last := inner.saved[len(inner.saved)-1]; last.Ended.IsZero() {
		t.Fatalf("the end was not saved: %+v", inner.saved)
	}
}
