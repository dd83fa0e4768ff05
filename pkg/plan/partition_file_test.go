package plan

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

// fileOf writes a file of so many records, every third with a line end in quotes, and returns their ids, sorted as texts.
func (p *sidePlace) fileOf(t testing.TB, name string, first, records int) (ids []string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("id,name,bad\n")
	for i := first; i < first+records; i++ {
		fmt.Fprintf(&text, "%d,\"%s\",%d\n", i, strings.Repeat("n\n", i%3), i%10)
		ids = append(ids, fmt.Sprint(i))
	}
	if err := os.MkdirAll(filepath.Join(p.folder, filepath.Dir(name)), 0o777); err != nil {
		t.Fatal(err)
	}
	p.write(t, name, text.String())
	slices.Sort(ids)
	return ids
}

func TestPartitionsOfFilesTogetherAreTheFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ partition, path string }{
		{"{by: range, count: 5}", "in/a.csv"},
		{"{by: range, column: id, count: 3}", "in/a.csv"},
		{"{by: modulo, column: id, count: 3}", "in/*.csv"},
		{"{by: values, column: bad, values: [1, 2, 77]}", "in/*.csv"},
		{"{by: files, max_parallel: 1}", "in/*.csv"},
	} {
		p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
		want := p.fileOf(t, "in/a.csv", 0, 200)
		more := p.fileOf(t, "in/b.csv", 1000, 50)
		if strings.Contains(c.path, "*") {
			want = append(want, more...)
			slices.Sort(want)
		}
		p.write(t, "job.yaml", fmt.Sprintf(`
job: files
steps:
  - name: load
    chunk: 7
    partition: %s
    reader: {type: csv, path: %q, columns: {id: int, bad: int}}
    processors:
      - set:
          share: partition.index * 100 + partition.count
    writer: {type: csv, path: "out/${partition.name}.csv"}
    check: [counters.read_count == %d]
`, c.partition, c.path, len(want)))
		o, _, err := p.run(t)
		if err != nil {
			t.Errorf("%s: %v", c.partition, err)
			continue
		}
		if ids := p.outputIDs(t); !slices.Equal(ids, want) {
			t.Errorf("%s: %d records, want %d", c.partition, len(ids), len(want))
		}
		shares := len(o.Execution.Steps) - 1
		text, err := os.ReadFile(filepath.Join(p.folder, "out", "partition1.csv"))
		if rows := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || !strings.HasSuffix(rows[len(rows)-1], fmt.Sprint(",", 100+shares)) {
			t.Errorf("%s: partition 1 of %d ends with %q, %v", c.partition, shares, rows[len(rows)-1], err)
		}
		if total := o.Execution.Steps[0].Total; total.Read != int64(len(want)) || total.Write != total.Read || total.Filter != 0 {
			t.Errorf("%s: %+v", c.partition, total)
		}
	}
}

// The step fails in one partition of a file; files that come meanwhile, and another count, are not its own.
func TestRestartRunsUnfinishedPartitionsOfFilesOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ partition, then, path, notice string }{
		{"{by: range, count: 4, max_parallel: 1}", "{by: range, count: 7}", "in/a.csv", "divided into 4 partitions when the step began"},
		{"{by: files, max_parallel: 1}", "{by: files}", "in/*.csv", ""},
	} {
		p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
		want := p.fileOf(t, "in/a.csv", 0, 200)
		if c.path == "in/*.csv" {
			want = append(want, p.fileOf(t, "in/b.csv", 1000, 50)...)
			slices.Sort(want)
		}
		definition := func(partition, rule string) string {
			return fmt.Sprintf(`
job: again
steps:
  - name: load
    chunk: 7
    partition: %s
    reader: {type: csv, path: %q, columns: {id: int}}
    processors:
      - validate: [{rule: %s, message: bad}]
    writer: {type: csv, path: "out/${partition.name}.csv"}
`, partition, c.path, rule)
		}
		p.write(t, "job.yaml", definition(c.partition, "id != 190"))
		if _, _, err := p.run(t); err == nil {
			t.Fatal("want an error")
		}
		p.fileOf(t, "in/c.csv", 5000, 50)
		p.write(t, "job.yaml", definition(c.then, "id != -1"))
		o, h, err := p.restart(t, Drift{AcceptChanges: true})
		if err != nil {
			t.Fatalf("%s: %v", c.partition, err)
		}
		if ids := p.outputIDs(t); !slices.Equal(ids, want) {
			t.Errorf("%s: %d records, want %d", c.partition, len(ids), len(want))
		}
		if step := o.Execution.Steps[0]; step.Total.Write != int64(len(want)) || step.Counters.Write >= step.Total.Write {
			t.Errorf("%s: %+v, in this attempt %+v", c.partition, step.Total, step.Counters)
		}
		if !strings.Contains(h.notices(), c.notice) || c.notice == "" && h.notices() != "" {
			t.Errorf("%s: told %q, want %q", c.partition, h.notices(), c.notice)
		}
	}
}

func TestNoFilesAreNoPartitions(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.write(t, "job.yaml", `
job: none
steps:
  - name: load
    partition: {by: files}
    reader: {type: csv, path: "in/*.csv", on_missing: empty}
    writer: {type: csv, path: "out/${partition.name}.csv"}
`)
	o, _, err := p.run(t)
	if err != nil || o.Execution.Status != batch.Completed || len(o.Execution.Steps) != 1 {
		t.Errorf("got %v, %+v", err, o)
	}
}

func TestValidateRefusesDivisionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ partition, reader, connections, want string }{
		{"{by: modulo, column: name}", "{type: csv, path: in/a.csv}", "", "does not fit column name, which is text"},
		{"{by: modulo, column: di}", "{type: csv, path: in/a.csv, columns: {id: int}}", "", `the records have no column "di"`},
		{"{by: values, column: id, values: [1, x]}", "{type: csv, path: in/a.csv, columns: {id: int}}", "", "value x does not fit column id, which is int"},
		{"{by: values, column: id, values: [1, 1]}", "{type: csv, path: in/a.csv, columns: {id: int}}", "", "value 1 stands twice"},
		{"{by: range}", "{type: csv, path: [in/a.csv, in/b.csv]}", "", "divides one file, and path has 2"},
		{"{by: range}", "{type: json, path: in/a.json}", "", "cannot be divided by their places"},
		{"{by: range}", "{type: inline, records: [{id: 1}]}", "", "reader inline cannot be divided"},
		{"{by: modulo, column: name}", `{type: sql, connection: db, query: "select id, name from keys", keyset: [id]}`, "", "does not fit column name"},
		{"{by: files}", `{type: sql, connection: db, query: "select id, name from keys", keyset: [id]}`, "", "by: files is for readers of files"},
		{"{by: modulo, column: id, max_parallel: 3}", `{type: sql, connection: db, query: "select id, name from keys", keyset: [id]}`, ", max_connections: 2", "3 partitions at a time need 3 connections to db"},
		{"{by: modulo, column: id, max_parallel: 0}", "{type: csv, path: in/a.csv, columns: {id: int}}", "", "max_parallel: expected 1 or more"},
	} {
		p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
		p.exec(t, "create table keys (id integer primary key, name text)")
		p.fileOf(t, "in/a.csv", 0, 3)
		p.write(t, "job.yaml", fmt.Sprintf(`
job: fits
connections: {db: {driver: sqlite, dsn: %q%s}}
steps:
  - name: load
    partition: %s
    reader: %s
    writer: {type: csv, path: "out/${partition.name}.csv"}
`, p.dsn, c.connections, c.partition, c.reader))
		_, err := p.Validate(context.Background(), "job.yaml", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: got %v, want %q", c.partition, c.reader, err, c.want)
			continue
		}
		if fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), "job.yaml:") {
			t.Errorf("%s: %v has class %s", c.partition, err, fault.ClassOf(err))
		}
	}
}

func TestPartitionsDoNotShareAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		partition, path string
		shared          bool
	}{
		{"{by: range, count: 2}", "out/${partition.name}.csv", false},
		{"{by: range, count: 2}", "out/${partition.index}.csv", false},
		{"{by: range, count: 2}", "out/from-${partition.from}.csv", false},
		{"{by: values, column: id, values: [1]}", "out/${partition.value}.csv", false},
		{"{by: range, count: 2}", "out/all.csv", true},
		{"{by: range, count: 2}", "out/of-${partition.count}.csv", true},
		{"{by: modulo, column: id, count: 2}", "out/${partition.from}.csv", true},
		{"{by: range, count: 2}", "out/${partition.value}.csv", true},
		{"{by: range, count: 2}", "${partition.file}.out", true},
	} {
		p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
		p.fileOf(t, "in/a.csv", 0, 3)
		p.write(t, "job.yaml", fmt.Sprintf(`
job: apart
steps:
  - name: load
    partition: %s
    reader: {type: csv, path: in/a.csv, columns: {id: int}}
    writer: {type: csv, path: %q}
`, c.partition, c.path))
		_, err := p.Validate(context.Background(), "job.yaml", nil)
		if got := fault.CodeOf(err) == "shared_output"; got != c.shared || err != nil && !got {
			t.Errorf("%s to %s: got %v", c.partition, c.path, err)
		}
	}
}

func TestCheckThatFailsIsToldOnceAndPublishesNothing(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	want := p.fileOf(t, "in/a.csv", 0, 30)
	definition := `
job: checked
steps:
  - name: load
    partition: {by: range, count: 3}
    reader: {type: csv, path: in/a.csv, columns: {id: int}}
    writer: {type: csv, path: "out/${partition.name}.csv"}
    check: [counters.read_count == %d]
`
	p.write(t, "job.yaml", fmt.Sprintf(definition, 5))
	o, h, err := p.run(t)
	if err == nil || strings.Count(err.Error(), "check failed") != 1 {
		t.Fatalf("got %v", err)
	}
	failed := 0
	for _, e := range h.events {
		if ended, ok := e.(batch.StepEnded); ok && ended.Step.Status == batch.Failed {
			failed++
		}
	}
	if failed != 1 || len(o.Execution.Steps) != 4 {
		t.Errorf("%d of %d steps were told to have failed, want the whole alone", failed, len(o.Execution.Steps))
	}
	if _, err := os.Stat(filepath.Join(p.folder, "out", "partition0.csv")); err == nil {
		t.Error("a partition was published")
	}
	p.write(t, "job.yaml", fmt.Sprintf(definition, 30))
	if _, _, err := p.restart(t, Drift{AcceptChanges: true}); err != nil {
		t.Fatal(err)
	}
	if ids := p.outputIDs(t); !slices.Equal(ids, want) {
		t.Errorf("got %q", ids)
	}
}

func TestPartitionQueryIsReadNoFurtherThanItCounts(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.exec(t, "create table t (id integer)")
	p.write(t, "job.yaml", fmt.Sprintf(`
job: endless
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    partition: {by: values, column: id, connection: db, query: "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"}
    reader: {type: sql, connection: db, query: "select id from t", keyset: [id]}
    writer: {type: csv, path: "out/${partition.name}.csv"}
`, p.dsn))
	if _, _, err := p.run(t); err == nil || !strings.Contains(err.Error(), "the query has more than 999 values") {
		t.Errorf("got %v", err)
	}
}

func TestDryRunTriesEveryPartition(t *testing.T) {
	t.Parallel()
	p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
	p.fileOf(t, "in/a.csv", 0, 200)
	p.write(t, "job.yaml", `
job: dry
steps:
  - name: load
    partition: {by: range, count: 3}
    reader: {type: csv, path: in/a.csv, columns: {id: int}}
    processors:
      - filter: id != 5 and id != 190
    writer: {type: csv, path: "out/${partition.name}-${partition.from}.csv"}
    export: {written: counters.write_count}
`)
	r, err := p.Rehearse(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) != 1 || r.Steps[0].Step.Total.Read != 200 || r.Steps[0].Step.Total.Filter != 2 {
		t.Errorf("got %+v", r.Steps)
	}
	if _, err := os.Stat(filepath.Join(p.folder, "out")); err == nil {
		t.Error("a dry run wrote something")
	}
}
