package plan

import (
	"context"
	"os"
	"testing"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// findWrong kills a job whose checkpoints are saved apart from the rows, between the two commits of each chunk, and fails
// where the comparison with the uninterrupted run sees no difference.
func findWrong(t *testing.T, target crashTarget, order meta.TestOrder) {
	t.Helper()
	server := ""
	if target.database == "postgres" {
		server = sqltest.Postgres(t)
	}
	whole := batchtest.NewFuse(0, batchtest.Kill)
	clean := newCrashPlace(t, target, server)
	outcome, err := clean.runTorn(whole, order)
	if err != nil {
		t.Fatal(err)
	}
	want := clean.left(t, outcome)
	found, kills := 0, 0
	for _, point := range whole.Points() {
		if point.Name != betweenCommits {
			continue
		}
		kills++
		p := newCrashPlace(t, target, server)
		outcome, err := p.runTorn(batchtest.NewFuseAt(point, batchtest.Kill), order)
		if err != nil {
			outcome, err = p.restart()
		}
		if err != nil || p.left(t, outcome) != want {
			found++
		}
		os.RemoveAll(p.folder)
	}
	if found == 0 {
		t.Errorf("none of %d kills lost or doubled a record: the harness sees nothing", kills)
	}
	t.Logf("%d of %d kills lost or doubled records", found, kills)
}

const betweenCommits = "torn.between"

func (p *crashPlace) runTorn(fuse *batchtest.Fuse, order meta.TestOrder) (*Outcome, error) {
	e := p.engine(fuse)
	e.instruments.order = order
	e.instruments.between = func() error { return fuse.Step(betweenCommits) }
	return e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
}
