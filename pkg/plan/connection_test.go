package plan

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// A whole job whose connection to PostgreSQL breaks: at each COMMIT, before the server has it or before the answer is
// back, and at random moments. What is left after at most some restarts must be what an undisturbed run leaves.

// brokenTargets are the jobs, with more than one thing to be kept together.
func brokenTargets() []crashTarget {
	table := "{type: sql, connection: shop, table: payments, create: true}"
	return []crashTarget{
		{name: "rows", database: "postgres", source: "csv", writer: table},
		{name: "rows by intent", database: "postgres", source: "csv", writer: table, intent: true},
		{name: "sums", database: "postgres", source: "csv", writer: sums},
		{name: "rows and a file", database: "postgres", source: "jsonl", outputs: []string{"out/beside.csv"},
			writer: "{type: all, writers: [" + table + ", {type: csv, path: out/beside.csv}]}"},
	}
}

// hangs is how long no run of these may take.
const hangs = 20 * time.Second

func (p *crashPlace) runWithin(t *testing.T, begin func(ctx context.Context) (*Outcome, error)) (*Outcome, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	outcome, err := begin(ctx)
	if ctx.Err() != nil {
		t.Fatalf("it hangs: %v", err)
	}
	return outcome, err
}

func (p *crashPlace) start(ctx context.Context) (*Outcome, error) {
	return p.engine(nil).Run(ctx, RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
}

func TestCommitOfUnknownOutcomeIsSettled(t *testing.T) {
	t.Parallel()
	for _, target := range brokenTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			proxy, dsn := sqltest.NewProxy(t, sqltest.Postgres(t))
			clean := newCrashPlace(t, target, dsn)
			outcome, err := clean.run(nil)
			if err != nil {
				t.Fatal(err)
			}
			commits := proxy.Commits()
			want := clean.left(t, outcome)
			went := map[string]int{}
			for _, fault := range []sqltest.Fault{sqltest.DropCommit, sqltest.SwallowAnswer, sqltest.AbandonServer} {
				for n := range commits {
					went[breakCommit(t, proxy, target, dsn, fault, n+1, want)]++
				}
			}
			t.Logf("%d commits: %v", commits, went)
			if commits < 6 || went["settled"] == 0 || went["restarted"] == 0 {
				t.Errorf("%d commits, %v: some must be settled, and some need a restart", commits, went)
			}
		})
	}
}

// breakCommit breaks the nth COMMIT and reports whether the run went on by itself.
func breakCommit(t *testing.T, proxy *sqltest.Proxy, target crashTarget, dsn string, fault sqltest.Fault, n int, want string) (how string) {
	t.Helper()
	p := newCrashPlace(t, target, dsn)
	struck, over := proxy.FailNthCommit(fault, n), make(chan struct{})
	var noticing sync.WaitGroup
	noticing.Go(func() {
		select {
		case <-struck:
			if fault == sqltest.AbandonServer {
				time.Sleep(300 * time.Millisecond)
				proxy.Cut() // the server notices at last
			}
		case <-over:
		}
	})
	outcome, err := p.runWithin(t, p.start)
	close(over)
	noticing.Wait()
	proxy.FailCommit(sqltest.None)
	proxy.Cut()
	how = "settled"
	if err != nil {
		how = "restarted"
		if outcome, err = p.restart(); err != nil {
			t.Fatalf("fault %d at commit %d: restart: %v", fault, n, err)
		}
	}
	if got := p.left(t, outcome); got != want {
		t.Errorf("fault %d at commit %d (%s):\n%s\nwant\n%s", fault, n, how, got, want)
	}
	os.RemoveAll(p.folder)
	return how
}

// breaks is how often the connection is broken in each of the tests below.
func breaks() int {
	if n, err := strconv.Atoi(os.Getenv("BATCHCTL_BREAKS")); err == nil {
		return n
	}
	return 8
}

func TestConnectionCutAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, target := range brokenTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			proxy, dsn := sqltest.NewProxy(t, sqltest.Postgres(t))
			breakUntilDone(t, target, dsn, proxy.Cut)
		})
	}
}

func TestBackendTerminatedAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, target := range brokenTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			dsn := sqltest.Postgres(t)
			db, err := sql.Open("postgres", dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			breakUntilDone(t, target, dsn, func() {
				if _, err := db.Exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// breakUntilDone runs a load of many chunks that is disturbed at random moments, restarts it until it is complete, and
// compares, again and again.
func breakUntilDone(t *testing.T, target crashTarget, dsn string, disturb func()) {
	t.Helper()
	const records = 3000
	clean := newCrashPlace(t, target, dsn)
	clean.fillMany(t, records)
	begin := time.Now()
	outcome, err := clean.runWithin(t, clean.start)
	if err != nil {
		t.Fatal(err)
	}
	usual := time.Since(begin)
	want := clean.left(t, outcome)
	random := rand.New(rand.NewPCG(5, 23))
	broken, loads := 0, 0
	for ; broken < breaks() && loads < 20*breaks(); loads++ {
		p := newCrashPlace(t, target, dsn)
		p.fillMany(t, records)
		var outcome *Outcome
		err := fmt.Errorf("not begun")
		for attempt := 0; err != nil; attempt++ {
			if attempt > 200 {
				t.Fatalf("not complete after %d attempts: %v", attempt, err)
			}
			disturbed := make(chan struct{})
			timer := time.AfterFunc(time.Duration(random.Int64N(int64(usual))), func() {
				defer close(disturbed)
				disturb()
			})
			if attempt == 0 {
				outcome, err = p.runWithin(t, p.start)
			} else {
				outcome, err = p.runWithin(t, func(ctx context.Context) (*Outcome, error) {
					return p.engine(nil).Run(ctx, RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
				})
			}
			if !timer.Stop() {
				<-disturbed // what comes late would meet the test's own queries
			}
			if err != nil {
				broken++
			}
		}
		if got := p.left(t, outcome); got != want {
			t.Fatalf("load %d: got\n%.2000s\nwant\n%.2000s", loads, got, want)
		}
		os.RemoveAll(p.folder)
	}
	t.Logf("%d failures in %d loads: nothing lost, nothing twice", broken, loads)
	if broken == 0 {
		t.Error("nothing was ever broken")
	}
}

// fillMany replaces the input by a longer one, in chunks of some size.
func (p *crashPlace) fillMany(t *testing.T, records int) {
	t.Helper()
	var csv, jsonl strings.Builder
	csv.WriteString("id,name,amount\n")
	for i := range records {
		fmt.Fprintf(&csv, "%d,n%d,%d.50\n", i, i%97, i)
		fmt.Fprintf(&jsonl, "{\"id\": %d, \"name\": \"n%d\", \"amount\": %d.50}\n", i, i%97, i)
	}
	p.write(t, "in.csv", csv.String())
	p.write(t, "in.jsonl", jsonl.String())
	p.write(t, "job.yaml", strings.Replace(p.target.definition(p.dsn), "chunk: 4", "chunk: 100", 1))
}
