package plan

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb/sqltest"
)

// typedRows is a table with a column for each kind of value, in the words of a database; row n has values that a float, or
// the local time of somewhere else, would not survive.
var typedRows = map[string]struct{ columns, row string }{
	"sqlite": {"id integer primary key, amount decimal(30, 10), day date, seen datetime, flag boolean, data blob, note text, rate real",
		"(%d, '12345.0123456789', '2026-11-20', '2026-11-20 01:02:03.123456', 1, x'00ff0a', null, 0.1)"},
	"postgres": {"id bigint primary key, amount numeric(30, 10), day date, seen timestamptz, flag boolean, data bytea, note text, rate double precision, doc jsonb",
		`(%d, 12345678901234567890.0123456789, '2026-11-20', '2026-11-20 01:02:03.123456+09', true, '\x00ff0a', null, 0.1, '{"a": [1.10, null]}')`},
}

// typedJob loads the rows twice: as they are, and all of them bad.
const typedJob = `job: typed
connections:
  shop: {driver: %s, dsn: %q}
steps:
  - name: copy
    reader: {type: sql, connection: shop, query: "select * from source", keyset: [id]}
    writer: {type: sql, connection: shop, table: copied}
  - name: load
    chunk: 400
    reader: {type: sql, connection: shop, query: "select * from source", keyset: [id]}
    processors:
      - validate: [{rule: id < 0, message: all are bad}]
    writer: {type: sql, connection: shop, table: target}
    skip: {limit: 3000}
    dead_letter: {type: sql, connection: shop, table: letters, create: true}
`

func TestReplayOfRowsOfAQueryWritesWhatARunWouldHave(t *testing.T) {
	t.Parallel()
	const rows = 2300 // more than two pages of letters
	for driver, table := range typedRows {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			p := &crashPlace{target: crashTarget{database: driver}, folder: t.TempDir(), dsn: "shop.db"}
			if driver == "postgres" {
				p.dsn = sqltest.Postgres(t)
			}
			db, err := sql.Open(driver, p.path())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			values := make([]string, rows)
			for i := range values {
				values[i] = fmt.Sprintf(table.row, i)
			}
			for _, statement := range []string{"create table source (" + table.columns + ")", "create table target (" + table.columns + ")",
				"create table copied (" + table.columns + ")",
				"insert into source values " + strings.Join(values, ", ")} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			definition := fmt.Sprintf(typedJob, driver, p.dsn)
			p.write(t, "job.yaml", definition)
			if _, err := p.run(nil); err != nil {
				t.Fatal(err)
			}
			p.write(t, "job.yaml", strings.Replace(definition, "id < 0", "id >= 0", 1))
			outcome, err := p.engine(nil).Replay(t.Context(), ReplayRequest{Which: "typed"}, Watcher{Observer: nobody{}})
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome.Execution.Steps[0].Total; got.Write != rows || got.Skip() != 0 {
				var reason string
				_ = db.QueryRow("select message from letters order by job_execution_id desc").Scan(&reason)
				t.Errorf("got %+v: %s", got, reason)
			}
			var same int
			missing := "select * from copied except select * from target"
			if err := db.QueryRow("select count(*) from (" + missing + ") m").Scan(&same); err != nil || same != 0 {
				t.Errorf("%d rows are not what the undisturbed run wrote, %v", same, err)
			}
			found, err := p.engine(nil).Letters(t.Context(), LettersRequest{Limit: 10})
			if err != nil || found.Total != rows || found.Left != 0 || len(found.Found) != 10 {
				t.Errorf("got %d letters, %d not replayed, %v, want %d, all replayed", found.Total, found.Left, err, rows)
			}
		})
	}
}

// beside calls back, once, in the middle of a run: before it reads its fifth record.
type beside struct {
	batch.Reader
	reads int
	call  func()
}

func (b *beside) Read(ctx context.Context, into *record.Chunk) error {
	if b.reads++; b.reads == 5 {
		b.call()
	}
	return b.Reader.Read(ctx, into)
}

// The letters of a run can be looked at while it runs, and are not replayed before it has ended.
func TestLettersOfARunningStepAreListedAndNotReplayed(t *testing.T) {
	t.Parallel()
	target := crashTarget{source: "csv", writer: "{type: csv, path: out/payments.csv}", bad: true, letters: "{type: json, path: out/rejected.json}"}
	p := newCrashPlace(t, target, "")
	p.write(t, "job.yaml", strings.Replace(target.definition(p.dsn), "chunk: 4", "chunk: 1", 1))
	e := p.engine(nil)
	called := false
	e.instruments.reader = func(r batch.Reader) batch.Reader {
		return &beside{Reader: r, call: func() {
			called = true
			other := p.engine(nil)
			if _, err := other.Letters(t.Context(), LettersRequest{Which: "1"}); err != nil {
				t.Errorf("looking at them: %v", err)
			}
			_, err := other.Replay(t.Context(), ReplayRequest{Which: "1"}, Watcher{Observer: nobody{}})
			if !errors.Is(err, batch.ErrRunning) || fault.HintOf(err) == "" {
				t.Errorf("replaying them: got %v, want running", err)
			}
		}}
	}
	if _, err := e.Run(t.Context(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}}); err != nil || !called {
		t.Fatal(err, called)
	}
	found, err := p.engine(nil).Letters(t.Context(), LettersRequest{Which: "crash"})
	if err != nil || found.Total != 3 || found.Found[0].Ordinal != 3 || found.Found[1].Ordinal != 6 || found.Found[2].Ordinal != 10 {
		t.Errorf("got %+v, %v", found, err)
	}
}

// Letters that somebody has deleted, or put into another order, are not what a replay began with.
func TestReplayRefusesLettersThatAreNotWhatTheyWere(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{"deleted": "delete from rejects where job_execution_id = 1 and ordinal = 10",
		"moved": "update rejects set ordinal = 99 where job_execution_id = 1 and ordinal = 3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newReplayPlace(t, crashTarget{database: "sqlite", source: "csv", writer: strict, bad: true,
				letters: "{type: sql, connection: shop, table: rejects, create: true}"}, "")
			e := p.engine(nil)
			e.instruments.marks = func(string) error { return errors.New("stopped") }
			e.instruments.reader = func(r batch.Reader) batch.Reader {
				return &beside{Reader: r, call: func() { panic("the machine died") }}
			}
			if _, err := e.Replay(t.Context(), ReplayRequest{Which: "1"}, Watcher{Observer: nobody{}}); err == nil {
				t.Fatal("the replay was not interrupted")
			}
			db, err := sql.Open("sqlite", p.path())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			if _, err := p.restart(); fault.CodeOf(err) != "letters_changed" || !errors.Is(err, batch.ErrNotRestartable) {
				t.Errorf("got %v, want letters_changed", err)
			}
		})
	}
}

// The shares of a step count their records each for themselves. Their letters are told apart, and replayed by one execution.
func TestReplayOfAPartitionedStepTakesTheLettersOfAllShares(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ letters, output string }{
		"in a table":          {"{type: sql, connection: db, table: rejects, create: true}", "{type: sql, connection: db, table: loaded, create: true}"},
		"in a file for each":  {`{type: jsonl, path: "out/${partition.name}.jsonl"}`, "{type: sql, connection: db, table: loaded, create: true}"},
		"without their lanes": {`{type: csv, path: "out/${partition.name}.rejected", columns: [job_instance_id, ordinal, raw, record, message]}`, `{type: csv, path: "out/${partition.name}.csv"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSidePlace(t, "sqlite", sqltest.SQLite(t))
			p.exec(t, "create table source (id integer primary key, name text)")
			for i := range 40 {
				p.exec(t, fmt.Sprintf("insert into source values (%d, 'n%d')", i, i))
			}
			definition := fmt.Sprintf(`
job: divide
connections: {db: {driver: sqlite, dsn: %q}}
steps:
  - name: load
    chunk: 3
    partition: {by: range, column: id, count: 4}
    reader: {type: sql, connection: db, query: "select * from source", keyset: [id]}
    processors:
      - validate: [{rule: 'name not in ["n3", "n4", "n14", "n24", "n34"]', message: bad}]
    writer: %s
    skip: {limit: 10}
    dead_letter: %s
`, p.dsn, c.output, c.letters)
			p.write(t, "job.yaml", definition)
			if o, _, err := p.run(t); err != nil || len(o.Letters) != 1 || o.Letters[0].Count != 5 || o.Letters[0].Where == "" {
				t.Fatalf("got %+v, %v", o, err)
			}
			p.write(t, "job.yaml", strings.Replace(definition, `"n3", "n4", `, "", 1))
			o, err := p.Replay(t.Context(), ReplayRequest{Which: "divide"}, Watcher{Observer: nobody{}})
			if err != nil || o.Execution.Steps[0].Total.Write != 2 || o.Execution.Steps[0].Total.Skip() != 3 {
				t.Fatalf("got %+v, %v", o, err)
			}
			found, err := p.Letters(t.Context(), LettersRequest{Which: "1"})
			if err != nil || found.Total != 5 || found.Left != 3 {
				t.Errorf("got %d letters, %d not replayed, %v", found.Total, found.Left, err)
			}
			again, err := p.Letters(t.Context(), LettersRequest{Which: fmt.Sprint(o.Execution.ID)})
			if err != nil || again.Total != 3 || again.Found[0].Of == nil {
				t.Errorf("got the replay's letters %+v, %v", again, err)
			}
			p.write(t, "job.yaml", strings.Replace(definition, "name not in", `"" not in`, 1))
			if o, err = p.Replay(t.Context(), ReplayRequest{Which: "1"}, Watcher{Observer: nobody{}}); err != nil || o.Execution.Steps[0].Total.Write != 3 {
				t.Fatalf("got %+v, %v", o, err)
			}
			if strings.Contains(c.output, "csv") {
				if ids := p.outputIDs(t); len(ids) != 40 {
					t.Errorf("got the records %v", ids)
				}
				return
			}
			if got := p.query(t, "select count(*) || ' ' || count(distinct id) from loaded"); got != "40 40" {
				t.Errorf("got %s rows", got)
			}
		})
	}
}
