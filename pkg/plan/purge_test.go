package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// cron is a folder with a job, run by a clock that stands still unless it is moved.
type cron struct {
	*Engine
	clock time.Time
	env   map[string]string
}

func newCron(t *testing.T, definition string) *cron {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "job.yaml"), []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &cron{clock: time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC), env: map[string]string{}}
	c.Engine = &Engine{
		Meta: filepath.Join(folder, "batchctl.db"), Folder: folder, Local: time.UTC,
		Now:      func() time.Time { return c.clock },
		After:    time.After,
		Env:      func(name string) (string, bool) { v, ok := c.env[name]; return v, ok },
		ReadFile: os.ReadFile,
		Secrets:  new(config.Secrets),
	}
	return c
}

func (c *cron) run(t *testing.T, n int) {
	t.Helper()
	_, err := c.Run(t.Context(), RunRequest{Path: "job.yaml", Parameters: map[string]string{"n": fmt.Sprint(n)}}, Watcher{Observer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
}

const loadingJob = `job: loading
params: {n: {type: int}}
connections:
  shop: {driver: %s, dsn: "${env.SHOP}"}
steps:
  - name: load
    reader: {type: inline, records: [{id: 1}]}
    writer: {type: sql, connection: shop, table: items, create: true}
`

func checkpointRows(t *testing.T, driver, dsn string) (n int) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(t.Context(), "select count(*) from batchctl_checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestPurgeDeletesCheckpointsInTargetsOrLeavesTheInstance(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		c := newCron(t, fmt.Sprintf(loadingJob, driver))
		c.env["SHOP"] = dsn
		c.run(t, 1)
		c.run(t, 2)
		c.env["SHOP"] = c.Folder // a server that nobody is at, a file that is a folder
		if driver == "postgres" {
			c.env["SHOP"] = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"
		}
		everything := PurgeRequest{Forget: true}
		result, err := c.Purge(t.Context(), everything)
		if err != nil || len(result.Left) != 2 || len(result.Jobs) != 0 || result.Err() == nil {
			t.Fatalf("out of reach: %+v, %v", result, err)
		}
		c.env["SHOP"] = dsn
		if _, err := c.Run(t.Context(), RunRequest{Path: "job.yaml", Parameters: map[string]string{"n": "1"}}, Watcher{Observer: nobody{}}); !errors.Is(err, batch.ErrComplete) {
			t.Errorf("a run of what was left: %v, want complete", err)
		}
		remembered, err := c.Purge(t.Context(), PurgeRequest{})
		if err != nil || remembered.Checkpoints != 0 || checkpointRows(t, driver, dsn) != 2 {
			t.Errorf("what is remembered keeps its checkpoints: %+v, %v", remembered, err)
		}
		result, err = c.Purge(t.Context(), everything)
		if err != nil || result.Checkpoints != 2 || result.Err() != nil || result.Jobs[0].Instances != 2 {
			t.Errorf("within reach: %+v, %v", result, err)
		}
		if n := checkpointRows(t, driver, dsn); n != 0 {
			t.Errorf("%d checkpoints are left in the target", n)
		}
	})
}

// Dead letters of the defaults make their database the target of a step that writes files.
func TestPurgeFindsTargetsOfDefaults(t *testing.T) {
	t.Parallel()
	c := newCron(t, `job: cron
params: {n: {type: int, default: 1}}
connections: {shop: {driver: sqlite, dsn: shop.db}}
defaults:
  skip: {limit: 1}
  dead_letter: {type: sql, connection: shop, table: rejects, create: true}
steps:
  - name: load
    reader: {type: inline, records: [{id: 1}]}
    writer: {type: csv, path: out.csv}
`)
	c.run(t, 1)
	result, err := c.Purge(t.Context(), PurgeRequest{Forget: true})
	if err != nil || result.Checkpoints != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	if err := os.Remove(filepath.Join(c.Folder, "out.csv")); err != nil {
		t.Fatal(err)
	}
	c.run(t, 1) // of an instance that nobody knows any more
	if _, err := os.Stat(filepath.Join(c.Folder, "out.csv")); err != nil {
		t.Errorf("the forgotten instance was not run again: %v", err)
	}
}

func TestPurgeLeavesADamagedRecordAndTakesTheOthers(t *testing.T) {
	t.Parallel()
	c := newCron(t, fmt.Sprintf(loadingJob, "sqlite"))
	c.env["SHOP"] = filepath.Join(c.Folder, "shop.db")
	for n := range 3 {
		c.run(t, n)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "metadata", Driver: "sqlite", DSN: c.Meta})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := db.Exec(t.Context(), "update BATCH_JOB_EXECUTION set CHECKSUM = CHECKSUM + 1 where JOB_EXECUTION_ID = 2"); n != 1 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	result, err := c.Purge(t.Context(), PurgeRequest{})
	if err != nil || len(result.Left) != 1 || result.Left[0].Execution != 2 || len(result.Jobs) != 1 || result.Jobs[0].Instances != 2 {
		t.Errorf("got %+v, %v, want two instances purged and execution 2 left", result, err)
	}
}

// A waiting run goes by the clock that it was given, and leaves at once when it is asked to.
func TestWaitingEndsWithItsTimeOrARequest(t *testing.T) {
	t.Parallel()
	c := newCron(t, "job: waiting\nparams: {n: {type: int}}\nsteps: [{name: s, reader: {type: inline, records: [{id: 1}]}, writer: {type: discard}}]\n")
	j, err := c.load("job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.prepare(j, map[string]string{"n": "1"}, "")
	if err != nil {
		t.Fatal(err)
	}
	store, err := c.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	running, err := store.Launch(t.Context(), meta.Request{Job: "waiting", Key: p.parameters.Key(), Parameters: p.parameters.List, Definition: p.definition()})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	waits := 0
	c.After = func(d time.Duration) <-chan time.Time {
		waits++
		c.clock = c.clock.Add(d)
		passed := make(chan time.Time, 1)
		passed <- c.clock
		return passed
	}
	heard := &hearing{}
	request := RunRequest{Path: "job.yaml", Parameters: map[string]string{"n": "1"},
		Overrides: Overrides{Overlap: job.Overlap{Do: job.OverlapWait, Wait: config.Duration(2 * time.Second)}}}
	_, err = c.Run(t.Context(), request, Watcher{Observer: heard})
	if !errors.Is(err, batch.ErrRunning) || !strings.HasPrefix(err.Error(), "waited for 2s: job waiting is running already: execution 1") || waits != 20 {
		t.Errorf("after %d waits: %v", waits, err)
	}
	if len(heard.waiting) != 1 || heard.waiting[0].Execution != 1 || !strings.HasSuffix(heard.waiting[0].Message, "waiting until it has ended, for 2s at most") {
		t.Errorf("said %+v", heard.waiting)
	}
	stop := make(chan struct{})
	close(stop)
	c.After = func(time.Duration) <-chan time.Time { return nil }
	if _, err = c.Run(context.Background(), request, Watcher{Observer: heard, Stop: stop}); !errors.Is(err, batch.ErrStopped) {
		t.Errorf("asked to stop: %v", err)
	}
}

type hearing struct{ waiting []batch.Waiting }

func (h *hearing) Observe(e batch.Event) {
	if w, ok := e.(batch.Waiting); ok {
		h.waiting = append(h.waiting, w)
	}
}

// Ten thousand instances of a job, as cron starts them, and a purge each day: the repository stays small.
func TestRepositoryStaysSmallWithRetention(t *testing.T) {
	t.Parallel()
	instances, each := 60, 20
	if soaking() {
		instances, each = 10_000, 288
	}
	c := newCron(t, `job: often
params: {n: {type: int}}
steps:
  - {name: load, reader: {type: inline, records: [{id: 1}]}, writer: {type: csv, path: out.csv}}
  - {name: count, reader: {type: inline, records: [{id: 1}]}, writer: {type: discard}}
`)
	for n := range instances {
		c.run(t, n)
		c.clock = c.clock.Add(5 * time.Minute)
		if n%each == each-1 {
			if _, err := c.Purge(t.Context(), PurgeRequest{OlderThan: time.Hour, Keep: 10}); err != nil {
				t.Fatal(err)
			}
		}
	}
	info, err := os.Stat(c.Meta)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instances: %d KiB", instances, info.Size()>>10)
	if bound := int64(instances)*5000 + 1<<18; info.Size() > bound {
		t.Errorf("the repository has %d bytes after %d instances, want at most %d", info.Size(), instances, bound)
	}
	store, err := c.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	kept, err := store.Executions(t.Context(), meta.Filter{})
	if err != nil || len(kept) != instances {
		t.Errorf("%d instances are known, %v, want %d", len(kept), err, instances)
	}
}
