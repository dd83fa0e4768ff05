package plan

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

// place of a load whose checkpoint setting and partition are changed between two attempts.
func (p *crashPlace) setting(t *testing.T, driver, checkpoint, more string) {
	t.Helper()
	p.write(t, "job.yaml", fmt.Sprintf(`job: crash
instance: params
connections:
  shop: {driver: %s, dsn: %q}
  source: {driver: sqlite, dsn: source.db}
steps:
  - name: load
    chunk: 4
    checkpoint: %s
    reader: {type: sql, connection: source, query: 'select id, name, amount from payments', keyset: [id]}
    writer: {type: sql, connection: shop, table: payments, create: true}
%s`, driver, p.dsn, checkpoint, more))
}

func (p *crashPlace) again(drift Drift) (*Outcome, error) {
	return p.engine(nil).Restart(context.Background(), RestartRequest{Which: "crash", Drift: drift}, Watcher{Observer: nobody{}})
}

// each is how many rows there are, and how many different ones.
func (p *crashPlace) each(t *testing.T) string {
	t.Helper()
	rows := strings.Split(strings.TrimSpace(p.rows(t)), "\n")
	different := map[string]bool{}
	for _, row := range rows {
		different[row] = true
	}
	return fmt.Sprint(len(rows), " ", len(different))
}

func (p *crashPlace) drop(t *testing.T) {
	t.Helper()
	db, err := sql.Open(p.target.database, p.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("drop table if exists payments"); err != nil {
		t.Fatal(err)
	}
}

func newSettingPlace(t *testing.T, driver, server string) *crashPlace {
	p := newCrashPlace(t, crashTarget{database: driver, source: "table"}, server)
	p.target.writer = "insert"
	return p
}

// changes are definitions whose checkpoint lies elsewhere than that of the one before.
var changes = []struct {
	from, to         string // checkpoint
	divided, undoing string // partition, of the first and of the changed definition
	code             string
}{
	{"target", "metadata", "", "", "checkpoint_moved"},
	{"metadata", "target", "", "", "checkpoint_moved"},
	{"intent", "target", "", "", "checkpoint_moved"},
	{"target", "intent", "", "", "checkpoint_moved"},
	{"target", "target", "", threeShares, "division_changed"},
	{"target", "target", threeShares, "", "division_changed"},
	{"metadata", "metadata", "", threeShares, "division_changed"},
	{"intent", "intent", threeShares, "", "division_changed"},
	{"intent", "target", threeShares, "", "checkpoint_moved"},
	{"target", "metadata", "", threeShares, "checkpoint_moved"},
}

const threeShares = "    partition: {by: modulo, column: id, count: 3, max_parallel: 1}\n"

// A step whose progress lies where a changed definition does not look for it is not loaded once more.
func TestChangedPlaceOfTheCheckpointIsRefused(t *testing.T) {
	t.Parallel()
	eachSetting(t, func(t *testing.T, p *crashPlace, driver string, at batchtest.Point) {
		for i, c := range changes {
			if driver == "sqlite" && c.from+c.to != strings.ReplaceAll(c.from+c.to, "intent", "") || at.Name == "intent.committed" && c.from != "intent" {
				continue
			}
			t.Run(fmt.Sprintf("%s%s to %s%s", c.from, mark(c.divided), c.to, mark(c.undoing)), func(t *testing.T) {
				p := newSettingPlace(t, driver, p.dsn)
				p.setting(t, driver, c.from, c.divided)
				if _, err := p.run(batchtest.NewFuseAt(at, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
					t.Fatalf("the first run ended with %v, want that it is killed", err)
				}
				p.setting(t, driver, c.to, c.undoing)
				for range 2 { // the refused attempt changes nothing about it
					_, err := p.again(Drift{AcceptChanges: true})
					if fault.CodeOf(err) != c.code || !errors.Is(err, batch.ErrNotRestartable) || fault.HintOf(err) == "" {
						t.Fatalf("got %v (%s), want %s; rows: %s", err, fault.CodeOf(err), c.code, p.each(t))
					}
				}
				p.setting(t, driver, c.from, c.divided)
				o, err := p.again(Drift{AcceptChanges: true})
				if err != nil || o.Execution.Steps[0].Total.Write != crashRecords || p.each(t) != "13 13" {
					t.Errorf("with the definition as it was: %v, rows: %s", err, p.each(t))
				}
			})
			if !soaking() && driver == "postgres" && i%3 > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s%s to %s%s with --fresh", c.from, mark(c.divided), c.to, mark(c.undoing)), func(t *testing.T) {
				p := newSettingPlace(t, driver, p.dsn)
				p.setting(t, driver, c.from, c.divided)
				if _, err := p.run(batchtest.NewFuseAt(at, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
					t.Fatalf("the first run ended with %v, want that it is killed", err)
				}
				p.drop(t)
				p.setting(t, driver, c.to, c.undoing)
				e := p.engine(batchtest.NewFuseAt(batchtest.Point{Name: "ledger.commit.after", N: 1}, batchtest.Kill))
				_, err := e.Restart(context.Background(), RestartRequest{Drift: Drift{AcceptChanges: true, Fresh: true}}, Watcher{Observer: nobody{}})
				if !errors.Is(err, batchtest.ErrKilled) {
					t.Fatalf("with --fresh: %v", err)
				}
				o, err := p.again(Drift{})
				if err != nil || o.Execution.Steps[0].Total.Write != crashRecords || p.each(t) != "13 13" {
					t.Errorf("behind --fresh: %v, rows: %s", err, p.each(t))
				}
			})
		}
	})
}

// Some partitions are done, the rows of all are gone: --fresh loads them all, also where it is itself interrupted.
func TestFreshBeginsAllPartitionsOfAnUnfinishedStepAgain(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		const all = 7 // commits of an undisturbed run; one partition is empty
		for commits := 1; commits < all; commits++ {
			p := newSettingPlace(t, driver, dsn)
			p.setting(t, driver, "target", threeShares)
			at := func(n int) *batchtest.Fuse {
				return batchtest.NewFuseAt(batchtest.Point{Name: "ledger.commit.after", N: n}, batchtest.Kill)
			}
			if _, err := p.run(at(commits)); !errors.Is(err, batchtest.ErrKilled) {
				t.Fatalf("%d commits: %v", commits, err)
			}
			p.drop(t)
			_, err := p.engine(at(all-commits)).Restart(context.Background(), RestartRequest{Drift: Drift{Fresh: true}}, Watcher{Observer: nobody{}})
			if !errors.Is(err, batchtest.ErrKilled) {
				t.Fatalf("%d commits, with --fresh: %v", commits, err)
			}
			if o, err := p.again(Drift{}); err != nil || o.Execution.Steps[0].Total.Write != crashRecords || p.each(t) != "13 13" {
				t.Errorf("%d commits: %v, rows: %s", commits, err, p.each(t))
			}
		}
	})
}

// The job repository may lie in the target: then its checkpoints are those of the target.
func TestRepositoryInTheTargetIsOnePlace(t *testing.T) {
	t.Parallel()
	for _, checkpoint := range []string{"target", "metadata", "intent"} {
		for _, divided := range []string{"", strings.Replace(threeShares, "max_parallel: 1", "max_parallel: 3", 1)} {
			t.Run(checkpoint+mark(divided), func(t *testing.T) {
				t.Parallel()
				server := sqltest.Schema(t)
				p := newSettingPlace(t, "postgres", server)
				p.meta, p.host = server, "a"
				p.setting(t, "postgres", checkpoint, divided)
				behind := batchtest.Point{Name: "ledger.commit.after", N: 2}
				if _, err := p.run(batchtest.NewFuseAt(behind, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
					t.Fatalf("the first run ended with %v, want that it is killed", err)
				}
				if _, err := p.again(Drift{}); err != nil || p.each(t) != "13 13" {
					t.Errorf("got %v, rows: %s", err, p.each(t))
				}
			})
		}
	}
}

func mark(divided string) string {
	if divided == "" {
		return ""
	}
	return " divided"
}

// eachSetting runs a test on both databases, behind a second commit, and on PostgreSQL where nobody knows of the first one.
func eachSetting(t *testing.T, test func(t *testing.T, p *crashPlace, driver string, at batchtest.Point)) {
	behind := batchtest.Point{Name: "ledger.commit.after", N: 2}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, &crashPlace{}, "sqlite", behind)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, &crashPlace{dsn: sqltest.Postgres(t)}, "postgres", behind)
	})
	t.Run("postgres, first commit untold", func(t *testing.T) {
		t.Parallel()
		test(t, &crashPlace{dsn: sqltest.Postgres(t)}, "postgres", batchtest.Point{Name: "intent.committed", N: 1})
	})
}

func TestStepWithAnotherNameIsRefused(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]batchtest.Point{
		"behind its first commit":    {Name: "ledger.commit.after", N: 1},
		"before its first commit":    {Name: "ledger.commit.before", N: 1},
		"behind all but its publish": {Name: "ledger.commit.after", N: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSettingPlace(t, "sqlite", "")
			p.setting(t, "sqlite", "target", "")
			if _, err := p.run(batchtest.NewFuseAt(at, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
				t.Fatalf("the first run ended with %v, want that it is killed", err)
			}
			text, err := os.ReadFile(filepath.Join(p.folder, "job.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			p.write(t, "job.yaml", strings.Replace(string(text), "name: load", "name: load_payments", 1))
			for range 2 {
				if _, err := p.again(Drift{AcceptChanges: true}); fault.CodeOf(err) != "step_gone" || !errors.Is(err, batch.ErrNotRestartable) {
					t.Fatalf("got %v; rows: %s", err, p.each(t))
				}
			}
			p.write(t, "job.yaml", string(text))
			if _, err := p.again(Drift{AcceptChanges: true}); err != nil || p.each(t) != "13 13" {
				t.Errorf("under its name: %v, rows: %s", err, p.each(t))
			}
		})
	}
}
