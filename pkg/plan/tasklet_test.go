package plan

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/files"
)

// taskletCase is a job of tasklets, what it starts from, and how to see what it has done beside its files.
type taskletCase struct {
	name    string
	steps   string
	files   map[string]string
	tables  string
	queries []string
}

func taskletCases() []taskletCase {
	return []taskletCase{
		{name: "sql in one transaction", tables: "create table t (id integer, n integer); insert into t values (1, 0), (2, 0)",
			steps: `
  - name: load
    tasklet:
      type: sql
      connection: shop
      statements: ["update t set n = n + 1", "insert into t values (3, :job_execution_id - :job_execution_id)"]
      context: {sum: select sum(n) from t}
  - name: after
    tasklet: {type: sql, connection: shop, statements: ["update t set n = n + :more"], args: {more: context.sum}}
`, queries: []string{"select id || ':' || n from t order by id"}},
		{name: "files", files: map[string]string{"in/a.csv": "a", "in/b.csv": "b", "in/c.csv": "c"},
			steps: `
  - name: copy
    tasklet: {type: files, copy: in/*.csv, to: copy/, context: {count: count, path: path}}
  - name: move
    tasklet: {type: files, move: in/*.csv, to: done/2026/}
  - name: pack
    tasklet: {type: files, archive: copy/*.csv, to: keep/day.tar}
  - name: sum
    tasklet: {type: files, checksum: {path: done/2026/*, write: done/SUMS}}
  - name: unpack
    tasklet: {type: files, unpack: keep/day.tar, to: back/}
  - name: delete
    tasklet: {type: files, delete: [copy/*, keep/*]}
`},
		{name: "sort, split and merge", files: map[string]string{"in.csv": "id,shop\n3,b\n1,a\n2,b\n1,c\n"},
			steps: `
  - name: sort
    tasklet: {type: sort, path: in.csv, to: in.csv, by: id desc}
  - name: split
    tasklet: {type: split, path: in.csv, to: out/s-*.csv, by: shop, context: {count: count}}
  - name: parts
    tasklet: {type: split, path: in.csv, to: parts/*.csv, records: 3}
  - name: merge
    tasklet: {type: merge, path: [out/*.csv, parts/*.csv], to: out/all.csv, by: id desc}
`},
	}
}

// A job of tasklets that dies, or fails, at any operation and is restarted leaves what an undisturbed run leaves.
func TestCrashOfTaskletsThenRestartEqualsUninterruptedRun(t *testing.T) {
	t.Parallel()
	for _, c := range taskletCases() {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			whole := batchtest.NewFuse(0, batchtest.Kill)
			clean := c.scene(t, whole)
			want := clean.leftByTasklets(c, clean.completes(clean.run()))
			tried := 0
			for _, mode := range []batchtest.Mode{batchtest.Kill, batchtest.Fail} {
				points := whole.Points()
				for i, point := range points[:len(points)-1] { // behind the last one all is done and recorded
					if stride := 1 + len(points)/8; !soaking() && (i+int(mode))%stride != 0 {
						continue
					}
					tried++
					fuse := batchtest.NewFuseAt(point, mode)
					s := c.scene(t, fuse)
					o, err := s.run()
					if _, blown := fuse.Blown(); !blown {
						t.Fatalf("%s: the fuse did not blow", point)
					}
					if err != nil {
						o, err = s.restart()
					}
					if err != nil {
						t.Fatalf("%s at %s: %v", mode, point, err)
					}
					if got := s.leftByTasklets(c, o); got != want {
						t.Fatalf("%s at %s: left\n%s\nwant\n%s", mode, point, got, want)
					}
				}
			}
			t.Logf("%d operations, killed and failed at %d", len(whole.Points()), tried)
		})
	}
}

func (c taskletCase) scene(t *testing.T, fuse *batchtest.Fuse) *scene {
	s := newScene(t)
	for name, text := range c.files {
		s.write(name, text)
	}
	s.exec("create table made (a integer)")
	if c.tables != "" {
		s.exec(c.tables)
	}
	s.job("steps:" + c.steps)
	s.tune = func(e *Engine) {
		e.instruments.tasklet, e.instruments.ledger, e.instruments.repository = fuse.Tasklet, fuse.Ledger, fuse.Repository
		e.instruments.disk = files.Hooked(fuse.File)
		s.tune = nil
	}
	return s
}

// leftByTasklets is what a user sees of a job: statuses, counters, values left behind, rows, files.
func (s *scene) leftByTasklets(c taskletCase, o *Outcome) string {
	s.Helper()
	var b strings.Builder
	if o.Execution.Status != batch.Completed {
		s.Fatalf("got %s", o.Execution.Status)
	}
	for _, step := range o.Execution.Steps {
		fmt.Fprintf(&b, "%s: %s %s, write_count %d\n", step.Name, step.Status, step.Exit.Code, step.Total.Write)
	}
	for _, name := range []string{"sum", "count", "path"} {
		fmt.Fprintf(&b, "%s = %s\n", name, o.Execution.Context[name])
	}
	for _, q := range c.queries {
		s.rowsInto(&b, q)
	}
	err := filepath.WalkDir(s.folder, func(path string, d fs.DirEntry, err error) error {
		below, _ := filepath.Rel(s.folder, path)
		if err != nil || d.IsDir() || below == "job.yaml" || strings.HasPrefix(below, "meta") || strings.HasPrefix(below, "shop.db") {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s: %q\n", below, text)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return b.String()
}
