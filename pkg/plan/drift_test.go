package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/runner"
)

// newDriftPlace is a place whose job was killed after two of its four chunks.
func newDriftPlace(t *testing.T, reader, writer string) *crashPlace {
	t.Helper()
	p := newCrashPlace(t, crashTarget{source: "csv", writer: writer}, "")
	p.target.source = "table"
	p.fill(t)
	p.define(t, reader, writer)
	point := batchtest.Point{Name: "ledger.commit.after", N: 2}
	if _, err := p.run(batchtest.NewFuseAt(point, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
		t.Fatalf("the first run ended with %v, want that it is killed after two commits", err)
	}
	return p
}

const driftFrame = `job: crash
instance: params
params: {file: {default: in.csv, identifying: false}}
connections:
  shop: {driver: sqlite, dsn: shop.db}
  source: {driver: sqlite, dsn: source.db}
steps:
  - name: load
    chunk: 4
    reader: READER
    writer: WRITER
`

func (p *crashPlace) define(t *testing.T, reader, writer string) {
	t.Helper()
	p.write(t, "job.yaml", strings.NewReplacer("READER", reader, "WRITER", writer).Replace(driftFrame))
}

func (p *crashPlace) restartChanged() (*Outcome, error) {
	return p.engine(nil).Restart(context.Background(), RestartRequest{Drift: Drift{AcceptChanges: true}}, Watcher{Observer: nobody{}})
}

const (
	csvReader = "{type: csv, path: in.csv}"
	sqlReader = "{type: sql, connection: source, query: 'select id, name, amount from payments', keyset: [id]}"
	csvWriter = "{type: csv, path: out/payments.csv}"
	sqlWriter = "{type: sql, connection: shop, table: payments, create: true}"
)

// --accept-changes goes on with another definition at the place that was reached. Where a state would mean something else
// to the new component, going on would lose records or mix two formats in one file.
func TestChangedComponentIsNotOpenedWithStateOfAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reader, writer, newReader, newWriter string }{
		"sql reader becomes csv":             {sqlReader, csvWriter, csvReader, csvWriter},
		"csv reader becomes sql":             {csvReader, csvWriter, sqlReader, csvWriter},
		"csv reader becomes jsonl":           {csvReader, csvWriter, "{type: jsonl, path: in.csv}", csvWriter},
		"csv writer becomes jsonl":           {csvReader, csvWriter, csvReader, "{type: jsonl, path: out/payments.csv}"},
		"discard becomes csv":                {csvReader, "{type: discard}", csvReader, csvWriter},
		"csv becomes discard":                {csvReader, csvWriter, csvReader, "{type: discard}"},
		"a file joins a table":               {csvReader, sqlWriter, csvReader, "{type: all, writers: [" + sqlWriter + ", " + csvWriter + "]}"},
		"writers of all change places":       {csvReader, "{type: all, writers: [" + csvWriter + ", {type: discard}]}", csvReader, "{type: all, writers: [{type: discard}, " + csvWriter + "]}"},
		"another table of the same database": {csvReader, sqlWriter, csvReader, "{type: sql, connection: shop, table: elsewhere, create: true}"},
		"another input file":                 {csvReader, csvWriter, "{type: csv, path: other.csv}", csvWriter},
		"another input file by a parameter":  {csvReader, csvWriter, "{type: csv, path: 'in/${params.file}'}", csvWriter},
		"another output file":                {csvReader, csvWriter, csvReader, "{type: csv, path: out/other.csv}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newDriftPlace(t, c.reader, c.writer)
			p.define(t, c.newReader, c.newWriter)
			outcome, err := p.restartChanged()
			if err == nil {
				t.Fatalf("the restart completed: %+v", outcome.Execution.Steps[0].Total)
			}
			if !errors.Is(err, batch.ErrNotRestartable) && fault.ClassOf(err) != fault.Definition {
				t.Errorf("got %v, want that it is not restartable so", err)
			}
			p.define(t, c.reader, c.writer)
			outcome, err = p.restartChanged()
			if err != nil {
				t.Fatalf("with the definition as it was: %v", err)
			}
			if total := outcome.Execution.Steps[0].Total; total.Read != crashRecords || total.Write != crashRecords {
				t.Errorf("with the definition as it was: %+v", total)
			}
		})
	}
}

func TestOtherChunkSizeGoesOnAtTheSamePlace(t *testing.T) {
	t.Parallel()
	p := newDriftPlace(t, csvReader, csvWriter)
	text := strings.NewReplacer("READER", csvReader, "WRITER", csvWriter, "chunk: 4", "chunk: 3").Replace(driftFrame)
	p.write(t, "job.yaml", text)
	outcome, err := p.restartChanged()
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(p.folder, "out/payments.csv"))
	if err != nil {
		t.Fatal(err)
	}
	input, err := os.ReadFile(filepath.Join(p.folder, "in.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != string(input) || outcome.Execution.Steps[0].Total.Write != crashRecords {
		t.Errorf("got %+v and\n%s", outcome.Execution.Steps[0].Total, written)
	}
}

// A step that read nothing and must not has published nothing, and reads again when it is restarted.
func TestStepThatReadNothingReadsAgain(t *testing.T) {
	t.Parallel()
	p := newCrashPlace(t, crashTarget{source: "csv", writer: csvWriter}, "")
	p.define(t, csvReader+"\n    fail_on_empty: true", csvWriter)
	p.write(t, "in.csv", "id,name,amount\n")
	p.write(t, "out.old", "")
	if err := os.Mkdir(filepath.Join(p.folder, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(t, "out/payments.csv", "yesterday's\n")
	if _, err := p.run(nil); !errors.Is(err, runner.ErrNothingRead) {
		t.Fatalf("got %v, want that nothing was read", err)
	}
	if text, err := os.ReadFile(filepath.Join(p.folder, "out/payments.csv")); string(text) != "yesterday's\n" {
		t.Errorf("the failed step has published %q (%v)", text, err)
	}
	p.write(t, "in.csv", "id,name,amount\n1,late,2\n")
	outcome, err := p.restart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.folder, "out/payments.csv"))
	if string(text) != "id,name,amount\n1,late,2\n" || err != nil || outcome.Execution.Status != batch.Completed {
		t.Errorf("got %s, %q, %v", outcome.Execution.Status, text, err)
	}
}

// Two job repositories have instances of the same name and key, and count epochs each for itself.
func TestUnfinishedFileOfAnotherRepositoryIsNotTakenForOnesOwn(t *testing.T) {
	t.Parallel()
	p := newDriftPlace(t, csvReader, csvWriter)
	mine := filepath.Join(p.folder, "meta")
	if err := os.Rename(mine, mine+".away"); err != nil {
		t.Fatal(err)
	}
	input, err := os.ReadFile(filepath.Join(p.folder, "in.csv"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "in.csv", strings.ReplaceAll(string(input), "가", "다")) // as long as before
	point := batchtest.Point{Name: "ledger.commit.after", N: 3}
	if _, err := p.run(batchtest.NewFuseAt(point, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
		t.Fatalf("got %v, want that it is killed", err)
	}
	p.write(t, "in.csv", string(input))
	if err := errors.Join(os.RemoveAll(mine), os.Rename(mine+".away", mine)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.restart(); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(p.folder, "out/payments.csv"))
	if string(written) != string(input) || err != nil {
		t.Errorf("two inputs are mixed: %v\n%s", err, written)
	}
}

// Whoever waits for an output may take it away the moment it has its name, before it is recorded that it has. It may have
// been taken, or lost: nobody knows, so it is not made twice unless somebody says so.
func TestOutputTakenAwayBeforeItWasRecordedIsMadeAgainOnDemand(t *testing.T) {
	t.Parallel()
	p := newCrashPlace(t, crashTarget{source: "csv", writer: csvWriter}, "")
	p.define(t, csvReader, csvWriter)
	point := batchtest.Point{Name: "writer.publish.after", N: 1}
	if _, err := p.run(batchtest.NewFuseAt(point, batchtest.Kill)); !errors.Is(err, batchtest.ErrKilled) {
		t.Fatalf("got %v, want that it is killed", err)
	}
	output := filepath.Join(p.folder, "out/payments.csv")
	want, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(output); err != nil {
		t.Fatal(err)
	}
	if _, err := p.restart(); !errors.Is(err, batch.ErrOutputLost) || !strings.Contains(fault.HintOf(err), "--fresh") {
		t.Errorf("got %v with the hint %q, want that the output is gone, and what to do", err, fault.HintOf(err))
	}
	if _, err := os.Stat(output); err == nil {
		t.Error("the output was made twice")
	}
	outcome, err := p.engine(nil).Restart(context.Background(), RestartRequest{Drift: Drift{Fresh: true}}, Watcher{Observer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(output)
	if err != nil || string(got) != string(want) || outcome.Execution.Steps[0].Total.Write != crashRecords {
		t.Errorf("with --fresh: %v, %+v\n%s", err, outcome.Execution.Steps[0].Total, got)
	}
}

// A step that is complete is none of those that begin anew.
func TestFreshLeavesCompletedStepsAlone(t *testing.T) {
	t.Parallel()
	p := newCrashPlace(t, crashTarget{source: "csv", writer: csvWriter}, "")
	text := strings.NewReplacer("READER", csvReader, "WRITER", sqlWriter).Replace(driftFrame) +
		"  - {name: export, reader: {type: csv, path: missing.csv}, writer: " + csvWriter + "}\n"
	p.write(t, "job.yaml", text)
	if _, err := p.run(nil); err == nil {
		t.Fatal("want that the second step fails")
	}
	p.write(t, "missing.csv", "id\n1\n")
	outcome, err := p.engine(nil).Restart(context.Background(), RestartRequest{Drift: Drift{Fresh: true}}, Watcher{Observer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	p.target.database = "sqlite"
	if rows := strings.Count(p.rows(t), "\n"); len(outcome.Execution.Steps) != 2 || rows != 2*crashRecords { // each name has a line end
		t.Errorf("%d steps, rows:\n%s", len(outcome.Execution.Steps), p.rows(t))
	}
}

// Dead letters have a state of their own.
func TestChangedDeadLettersAreNotOpenedWithStateOfAnother(t *testing.T) {
	t.Parallel()
	const rules = "\n    processors: [{validate: [{rule: int(id) != 1 and int(id) != 12, message: bad}]}]\n    skip: {limit: 5}"
	const file, table = "\n    dead_letter: {type: jsonl, path: out/letters}", "\n    dead_letter: {type: sql, connection: shop, table: rejects, create: true}"
	for name, c := range map[string]struct {
		reader, letters, changed string
		refused                  bool
	}{
		"lines become csv":                      {rules, file, "\n    dead_letter: {type: csv, path: out/letters}", true},
		"a file becomes a table":                {rules, file, table, true},
		"a file is not wanted any more":         {rules, file, "", true},
		"a table becomes a file":                {rules, table, file, true},
		"nothing was left out, lines are csv":   {"", file, "\n    dead_letter: {type: csv, path: out/letters}", false},
		"nothing was left out, and is not kept": {"", file, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newDriftPlace(t, csvReader+c.reader+c.letters, sqlWriter)
			p.define(t, csvReader+c.reader+c.changed, sqlWriter)
			outcome, err := p.restartChanged()
			if errors.Is(err, batch.ErrNotRestartable) != c.refused || !c.refused && err != nil {
				t.Fatalf("got %v, want refused: %v", err, c.refused)
			}
			if c.refused {
				p.define(t, csvReader+c.reader+c.letters, sqlWriter)
				if outcome, err = p.restartChanged(); err != nil {
					t.Fatalf("with the definition as it was: %v", err)
				}
			}
			if total := outcome.Execution.Steps[0].Total; total.Read != crashRecords || total.Check() != nil || c.reader != "" && total.Skip() != 2 {
				t.Errorf("got %+v", total)
			}
		})
	}
}
