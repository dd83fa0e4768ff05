package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

// workersInput has records that are filtered, refused by a rule, and refused by the table.
func workersInput(records int) string {
	var b strings.Builder
	b.WriteString("id,seller,amount\n")
	for i := range records {
		fmt.Fprintf(&b, "%d,%d,%d.25\n", i, i%17, i%1000)
	}
	return b.String()
}

const workersJob = `
job: workers
instance: params
connections: {db: {driver: %s, dsn: %q}}
steps:
  - name: load
    chunk: 10
    workers: %d
    reader: {type: csv, path: in.csv, columns: {id: int, seller: int, amount: decimal}}
    processors:
      - filter: id %% 7 != 3
      - validate: [{rule: id %% 50 != 4, message: fours are bad}]
    writer: %s
    skip: {limit: 1000}
    dead_letter: %s
`

// wantOf returns sum and count of what the job writes of so many records, and how many letters there are.
func wantOf(records int) (rows, sum, letters int) {
	for i := range records {
		switch {
		case i%7 == 3:
		case i%50 == 4, i%100 == 77:
			letters++
		default:
			rows++
			sum += i
		}
	}
	return rows, sum, letters
}

func (p *sidePlace) prepareWorkers(t testing.TB, workers int, writer, letters string) {
	t.Helper()
	p.write(t, "job.yaml", fmt.Sprintf(workersJob, p.driver, p.dsn, workers, writer, letters))
}

const (
	workersTable   = "create table loaded (id bigint primary key, seller bigint, amount numeric, check (id % 100 <> 77))"
	workersWriter  = "{type: sql, connection: db, table: loaded}"
	workersLetters = "{type: sql, connection: db, table: rejects, create: true}"
)

func (p *sidePlace) wantLoaded(t testing.TB, o *Outcome, records int) {
	t.Helper()
	rows, sum, letters := wantOf(records)
	want := fmt.Sprintf("%d %d %d", rows, rows, sum)
	if got := p.query(t, "select count(*) || ' ' || count(distinct id) || ' ' || sum(id) from loaded"); got != want {
		t.Errorf("rows: got %s, want %s", got, want)
	}
	want = fmt.Sprintf("%d %d", letters, letters)
	if got := p.query(t, "select count(*) || ' ' || count(distinct ordinal) from rejects"); got != want {
		t.Errorf("letters: got %s, want %s", got, want)
	}
	total := o.Execution.Steps[len(o.Execution.Steps)-1].Total
	if total.Read != int64(records) || total.Write != int64(rows) || total.Skip() != int64(letters) || total.Check() != nil {
		t.Errorf("counters: %+v", total)
	}
}

func TestWorkersLoadWhatOneDoes(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, driver, dsn string) {
		p := newSidePlace(t, driver, dsn)
		p.write(t, "in.csv", workersInput(1003))
		for _, workers := range []int{1, 2, 5} {
			p.exec(t, "drop table if exists loaded", "drop table if exists rejects", "drop table if exists batchctl_checkpoint", workersTable)
			p.prepareWorkers(t, workers, workersWriter, workersLetters)
			p.Meta = filepath.Join(p.folder, fmt.Sprint("meta", workers, ".db"))
			o, _, err := p.run(t)
			if err != nil {
				t.Fatalf("%d workers: %v", workers, err)
			}
			p.wantLoaded(t, o, 1003)
		}
		if driver == "postgres" {
			if got := p.query(t, "select count(*) from batchctl_checkpoint"); got != "5" {
				t.Errorf("got %s lanes, want 5", got)
			}
		}
	})
}

func TestWorkersWriteFilesInTheOrderOfTheInput(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.write(t, "in.csv", workersInput(2000))
	var files []string
	for _, workers := range []int{1, 4} {
		p.prepareWorkers(t, workers, "{type: csv, path: out/loaded.csv}", "{type: csv, path: out/rejects.csv, columns: [ordinal, message]}")
		p.Meta = filepath.Join(p.folder, fmt.Sprint("meta", workers, ".db"))
		if _, _, err := p.run(t); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"loaded.csv", "rejects.csv"} {
			text, err := os.ReadFile(filepath.Join(p.folder, "out", name))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, string(text))
		}
	}
	if files[0] != files[2] || files[1] != files[3] {
		t.Error("with four workers the files are others than with one")
	}
}

// A restart may have other numbers of workers than the attempts before it.
func TestWorkersCrashedAnywhereLoadEveryRecordOnce(t *testing.T) {
	t.Parallel()
	const records = 403
	p := newSidePlace(t, "postgres", sqltest.Postgres(t))
	p.write(t, "in.csv", workersInput(records))
	whole := batchtest.NewFuse(0, batchtest.Kill)
	p.begin(t, "whole")
	p.prepareWorkers(t, 3, workersWriter, workersLetters)
	o, err := p.runFused(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	p.wantLoaded(t, o, records)
	points := whole.Points()
	stride := len(points)/12 + 1
	if soaking() {
		stride = 1
	}
	resumed := 0
	last := len(points) - 1
	for i := last % stride; i <= last; i += stride {
		for _, mode := range []batchtest.Mode{batchtest.Kill, batchtest.Fail} {
			resumed += p.crashWorkers(t, i, points[i], mode, records)
		}
	}
	if resumed < 10 {
		t.Errorf("only %d crashes were followed by a restart", resumed)
	}
}

func (p *sidePlace) begin(t testing.TB, run string) {
	t.Helper()
	p.exec(t, "drop table if exists loaded", "drop table if exists rejects", "drop table if exists batchctl_checkpoint", workersTable)
	p.Meta = filepath.Join(p.folder, "meta", run+".db")
}

func (p *sidePlace) runFused(t testing.TB, fuse *batchtest.Fuse) (*Outcome, error) {
	t.Helper()
	p.instruments = instruments{reader: fuse.Reader, writer: fuse.Writer, ledger: fuse.Ledger, repository: fuse.Repository}
	defer func() { p.instruments = instruments{} }()
	o, _, err := p.run(t)
	return o, err
}

// crashWorkers crashes twice where it can, each time with another number of workers, and returns how often it did.
func (p *sidePlace) crashWorkers(t *testing.T, i int, point batchtest.Point, mode batchtest.Mode, records int) (crashes int) {
	t.Helper()
	p.begin(t, fmt.Sprint(mode, i))
	p.prepareWorkers(t, 3, workersWriter, workersLetters)
	o, err := p.runFused(t, batchtest.NewFuseAt(point, mode))
	for _, workers := range []int{2, 5, 1, 4} {
		if err == nil {
			break
		}
		crashes++
		p.prepareWorkers(t, workers, workersWriter, workersLetters)
		before := o
		if workers == 4 {
			o, _, err = p.restart(t, Drift{AcceptChanges: true})
			break
		}
		fuse := batchtest.NewFuseAt(point, mode)
		p.instruments = instruments{reader: fuse.Reader, writer: fuse.Writer, ledger: fuse.Ledger, repository: fuse.Repository}
		o, _, err = p.restart(t, Drift{AcceptChanges: true})
		p.instruments = instruments{}
		if fault.CodeOf(err) == "nothing_to_restart" && point.Name == "repository.save_job.after" {
			o, err = before, nil // it was the last operation, and only telling of it failed
		}
	}
	if err != nil {
		t.Errorf("%s at %s: %v", mode, point, err)
		return crashes
	}
	if t.Failed() {
		return crashes
	}
	p.wantLoaded(t, o, records)
	if t.Failed() {
		t.Errorf("after %s at %s", mode, point)
	}
	return crashes
}
