package plan

import (
	"path/filepath"
	"testing"
	"time"

	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// Two hosts forget the same instance. When the first has, it is run anew: the second must not take that run's checkpoints.
func TestPurgesOfSeveralHostsComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	dsn, repository := sqltest.Schema(t), sqltest.Schema(t)
	c := newCron(t, `job: loading
params: {n: {type: int}, fail: {type: bool, default: false, identifying: false}}
connections: {shop: {driver: postgres, dsn: "${env.SHOP}"}}
steps:
  - name: load
    chunk: 1
    reader: {type: inline, records: [{id: 1}, {id: 2}]}
    processors: [fault: {at: 2, when: params.fail}]
    writer: {type: sql, connection: shop, table: items, create: true}
`)
	c.Random = func() float64 { return 0.5 }
	c.Meta, c.Locks, c.env["SHOP"] = repository, filepath.Join(c.Folder, "a"), dsn
	c.run(t, 1)
	store, err := c.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	turn, err := store.TakePurge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := *c.Engine
	other.Locks = filepath.Join(c.Folder, "b")
	done := make(chan error, 1)
	go func() {
		_, err := other.Purge(t.Context(), PurgeRequest{Forget: true})
		done <- err
	}()
	direct := openDirect(t, dsn)
	number(t, direct, "select count(*) from pg_stat_activity where wait_event = 'advisory' and query like '%pg_advisory_lock(%'", 1)

	forgetting := &purge{engine: c.Engine, store: store, request: PurgeRequest{Forget: true}, result: &Purged{}, targets: newTargets(t.Context()), turn: turn}
	chosen, err := store.Purgeable(t.Context(), meta.PurgeFilter{Forget: true})
	if err == nil {
		err = forgetting.all(t.Context(), chosen)
	}
	if err != nil || forgetting.result.Checkpoints != 1 {
		t.Fatalf("the first purge: %+v, %v", forgetting.result, err)
	}
	o, err := c.Run(t.Context(), RunRequest{Path: "job.yaml", Parameters: map[string]string{"n": "1", "fail": "true"}}, Watcher{Observer: nobody{}})
	if err == nil || o == nil {
		t.Fatalf("the run anew: %+v, %v", o, err)
	}
	if err := turn.Release(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("the second purge: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the second purge waits on")
	}
	if n := checkpointRows(t, "postgres", dsn); n != 1 {
		t.Errorf("%d checkpoints are in the target, want that of the run anew", n)
	}
	if _, err := c.Restart(t.Context(), RestartRequest{Parameters: map[string]string{"fail": "false"}}, Watcher{Observer: nobody{}}); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := direct.QueryRow("select count(*) from items").Scan(&rows); err != nil || rows != 4 {
		t.Errorf("%d rows, %v; want two of each run", rows, err)
	}
}
