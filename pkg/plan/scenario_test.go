package plan

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/meta"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb/sqltest"
)

// The tests whose names begin with TestSpring are the scenarios that Spring Batch tests itself with, as far as they mean
// something here, each under its number. Where our counters differ by design from Spring's, ours are asserted;
// docs/spring-batch.md puts both side by side and says why.

// scene is a folder with a job and its databases, and all processes that run it.
type scene struct {
	*testing.T
	folder string
	driver string
	dsn    string
	mu     sync.Mutex // guards writes, for partitions write side by side
	writes [][]string // what the writer was handed, call by call: the first field of each row
	tune   func(*Engine)
}

// eachScene runs a scenario with the target on SQLite and on PostgreSQL.
func eachScene(t *testing.T, name string, play func(s *scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		t.Run("sqlite", func(t *testing.T) {
			t.Parallel()
			play(newScene(t))
		})
		t.Run("postgres", func(t *testing.T) {
			t.Parallel()
			dsn := sqltest.Schema(t)
			s := newScene(t)
			s.driver, s.dsn = "postgres", dsn
			play(s)
		})
	})
}

// onScene runs a scenario for which the kind of target does not matter.
func onScene(t *testing.T, name string, play func(s *scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		play(newScene(t))
	})
}

func newScene(t *testing.T) *scene {
	t.Helper()
	folder := t.TempDir()
	return &scene{T: t, folder: folder, driver: "sqlite", dsn: filepath.Join(folder, "shop.db")}
}

func (s *scene) write(name, text string) {
	s.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
}

// input writes in.csv: a column id with these values, and a column name with n in front of them.
func (s *scene) input(ids string) {
	s.Helper()
	var b strings.Builder
	b.WriteString("id,name\n")
	for _, id := range strings.Fields(ids) {
		fmt.Fprintf(&b, "%s,n%s\n", id, id)
	}
	s.write("in.csv", b.String())
}

const sceneHead = `job: scenario
instance: params
connections:
  shop: {driver: %s, dsn: %q}
`

const (
	sceneReader = "{type: csv, path: in.csv, columns: {id: int}}"
	sceneTable  = "{type: sql, connection: shop, table: t}"
	sceneLetter = "{type: sql, connection: shop, table: letters, create: true}"
)

// job writes job.yaml: text behind a head that names the job and the connection. @reader, @table, @letters stand for
// components that most scenarios have.
func (s *scene) job(text string) {
	s.Helper()
	text = strings.NewReplacer("@reader", sceneReader, "@table", sceneTable, "@letters", sceneLetter).Replace(text)
	s.write("job.yaml", fmt.Sprintf(sceneHead, s.driver, s.dsn)+text)
}

// table makes table t, which refuses some ids.
func (s *scene) table(refused string) {
	s.Helper()
	check := ""
	if refused != "" {
		check = "check (id not in (" + strings.Join(strings.Fields(refused), ", ") + "))"
	}
	s.exec("create table t (id integer primary key " + check + ", name text)")
}

func (s *scene) engine() *Engine {
	clock := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	var mu sync.Mutex // steps may run side by side
	tick := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(time.Millisecond)
		return clock
	}
	e := &Engine{
		Meta: filepath.Join(s.folder, "meta", "batchctl.db"), Folder: s.folder, Local: time.UTC,
		Now:      tick,
		After:    func(time.Duration) <-chan time.Time { now := make(chan time.Time, 1); now <- tick(); return now },
		Random:   func() float64 { return 0.5 },
		Env:      func(string) (string, bool) { return "", false },
		ReadFile: os.ReadFile,
		Secrets:  new(config.Secrets),
	}
	e.instruments.everyChunk = true
	e.instruments.writer = s.listen
	if s.tune != nil {
		s.tune(e)
	}
	return e
}

func (s *scene) run(parameters ...string) (*Outcome, error) {
	s.Helper()
	given := map[string]string{}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		given[name] = value
	}
	return s.engine().Run(context.Background(), RunRequest{Path: "job.yaml", Parameters: given}, Watcher{Observer: nobody{}})
}

func (s *scene) restart() (*Outcome, error) {
	s.Helper()
	return s.engine().Restart(context.Background(), RestartRequest{}, Watcher{Observer: nobody{}})
}

// completes fails where a run did not.
func (s *scene) completes(o *Outcome, err error) *Outcome {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	if o.Execution.Status != batch.Completed {
		s.Fatalf("got %s, want COMPLETED", o.Execution.Status)
	}
	return o
}

// fails returns the outcome of a run that has to end FAILED, with an error that says want.
func (s *scene) fails(want string) func(*Outcome, error) *Outcome {
	return func(o *Outcome, err error) *Outcome {
		s.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			s.Fatalf("got error %v, want %q", err, want)
		}
		if o == nil || o.Execution.Status != batch.Failed || o.Execution.Exit.Code != "FAILED" {
			s.Fatalf("got %+v, want an execution that is FAILED", o)
		}
		return o
	}
}

// step returns the attempt of an execution at a step.
func (s *scene) step(o *Outcome, name string) *batch.StepExecution {
	s.Helper()
	for _, step := range o.Execution.Steps {
		if step.Name == name && step.JobID == o.Execution.ID {
			return step
		}
	}
	s.Fatalf("execution %d has no step %s of its own", o.Execution.ID, name)
	return nil
}

// counts are the counters of an execution's attempt at its step load.
func (s *scene) counts(o *Outcome, want string) {
	s.Helper()
	if got := counted(s.step(o, "load").Counters); got != want {
		s.Errorf("counters:\n got %s\nwant %s", got, want)
	}
}

// counted are the counters that are not 0, as r5 w5 c3: read, write, commit, rollback (rb), filter, skips in read (rs),
// process (ps) and write (ws), retry.
func counted(c batch.Counters) string {
	var parts []string
	for _, one := range []struct {
		name  string
		count int64
	}{{"r", c.Read}, {"w", c.Write}, {"c", c.Commit}, {"rb", c.Rollback}, {"f", c.Filter}, {"rs", c.ReadSkip},
		{"ps", c.ProcessSkip}, {"ws", c.WriteSkip}, {"retry", c.Retry}} {
		if one.count != 0 {
			parts = append(parts, fmt.Sprint(one.name, one.count))
		}
	}
	return strings.Join(parts, " ")
}

func (s *scene) exec(statement string) {
	s.Helper()
	s.with(func(db *sql.DB) {
		if _, err := db.Exec(statement); err != nil {
			s.Fatalf("%s: %v", statement, err)
		}
	})
}

func (s *scene) with(fn func(*sql.DB)) {
	s.Helper()
	db, err := sql.Open(s.driver, s.dsn)
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	fn(db)
}

// holds compares the first column of a query.
func (s *scene) holds(query, want string) {
	s.Helper()
	var got strings.Builder
	s.rowsInto(&got, query)
	if got.String() != want {
		s.Errorf("%s:\n got %s\nwant %s", query, got.String(), want)
	}
}

// rowsInto writes the first column of a query.
func (s *scene) rowsInto(b *strings.Builder, query string) {
	s.Helper()
	s.with(func(db *sql.DB) {
		rows, err := db.Query(query)
		if err != nil {
			s.Errorf("%s: %v", query, err)
			return
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var value string
			if err := rows.Scan(&value); err != nil {
				s.Fatal(err)
			}
			got = append(got, value)
		}
		if rows.Err() != nil {
			s.Errorf("%s: %v", query, rows.Err())
		}
		b.WriteString(strings.Join(got, " "))
	})
}

// rows compares the ids in table t.
func (s *scene) rows(want string) {
	s.Helper()
	s.holds("select id from t order by id", want)
}

// letters compares the dead letters: ordinal and phase of each.
func (s *scene) letters(want string) {
	s.Helper()
	s.holds("select ordinal || ':' || phase from letters order by ordinal", want)
}

// file compares an output.
func (s *scene) file(name, want string) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil || string(text) != want {
		s.Errorf("%s: got %v\n%s\nwant\n%s", name, err, text, want)
	}
}

func (s *scene) store(use func(*meta.Store)) {
	s.Helper()
	store, err := s.engine().OpenStore(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	defer store.Close()
	use(store)
}

// listen notes what a writer for the database is handed, as a whole and in parts.
func (s *scene) listen(w batch.Writer) batch.Writer {
	target, ok := w.(batch.Target)
	if _, publishes := w.(batch.Publisher); !ok || publishes {
		return w
	}
	heard := &listening{w, s}
	if several, ok := w.(batch.Fanout); ok {
		return struct {
			*listening
			batch.Target
			batch.Fanout
		}{heard, target, listeningParts{several, s}}
	}
	return struct {
		*listening
		batch.Target
	}{heard, target}
}

type listeningParts struct {
	batch.Fanout
	scene *scene
}

func (l listeningParts) Parts() (parts []batch.Writer) {
	for _, part := range l.Fanout.Parts() {
		parts = append(parts, l.scene.listen(part))
	}
	return parts
}

type listening struct {
	batch.Writer
	scene *scene
}

func (l *listening) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if at, ok := rows[0].Schema.Index("id"); ok {
		var ids []string
		for _, row := range rows {
			ids = append(ids, row.At(at).String())
		}
		l.scene.mu.Lock()
		l.scene.writes = append(l.scene.writes, ids)
		l.scene.mu.Unlock()
	}
	return l.Writer.Write(ctx, tx, rows)
}
