package plan

import (
	"context"
	"fmt"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb/sqltest"
)

// Somebody may have continued the child by itself meanwhile, and in vain.
func TestParentGoesOnWithTheLastExecutionOfItsChild(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table copy (id integer check (id <> 3))")
	p.write(t, "child.yaml", fmt.Sprintf(`
job: child
instance: params
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    chunk: 1
    reader: {type: inline, records: [{id: 1}, {id: 2}, {id: 3}, {id: 4}]}
    writer: {type: sql, connection: db, table: copy}
`, p.dsn))
	p.write(t, "job.yaml", "job: parent\ninstance: params\nsteps:\n  - {name: all, job: {path: child.yaml}}\n")
	if _, _, err := p.run(t); err == nil {
		t.Fatal("want an error")
	}
	restart := func(which string) (*Outcome, error) {
		return p.Restart(context.Background(), RestartRequest{Which: which}, Watcher{Observer: nobody{}})
	}
	if _, err := restart("child"); err == nil {
		t.Fatal("want an error")
	}
	p.exec(t, "create table mended (id integer)", "insert into mended select id from copy", "drop table copy", "alter table mended rename to copy")
	o, err := restart("parent")
	if err != nil || o.Execution.Status != batch.Completed {
		t.Fatalf("got %v", err)
	}
	if got := p.query(t, "select count(*) || ' ' || count(distinct id) from copy"); got != "4 4" {
		t.Errorf("rows: %s, want 4 once each", got)
	}
}

// What a parent goes on with is not a choice beside it.
func TestRestartOfTheOnlyCandidateIsThatOfTheParent(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.write(t, "child.yaml", "job: child\nsteps:\n  - {name: look, tasklet: {type: files, exists: there.txt}}\n")
	p.write(t, "job.yaml", "job: parent\nsteps:\n  - {name: all, job: {path: child.yaml}}\n")
	if _, _, err := p.run(t); err == nil {
		t.Fatal("want an error")
	}
	p.write(t, "there.txt", "")
	o, _, err := p.restart(t, Drift{})
	if err != nil || o.Execution.Instance.Name != "parent" {
		t.Errorf("got %v", err)
	}
}
