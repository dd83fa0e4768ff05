package meta

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// opener opens one repository again and again, as processes of their own would.
type opener func(t *testing.T) *Store

// backends make a new repository in every database that there is.
var backends = map[string]func(t *testing.T) opener{
	"sqlite": func(t *testing.T) opener {
		path := filepath.Join(t.TempDir(), "batchctl.db")
		return func(t *testing.T) *Store { return openAt(t, path) }
	},
	"postgres": func(t *testing.T) opener {
		dsn, locks := postgresSchema(t), filepath.Join(t.TempDir(), "locks")
		return func(t *testing.T) *Store {
			t.Helper()
			return openWith(t, Options{Path: dsn, LockFolder: locks, Now: fixedClock})
		}
	},
}

// postgresSchema returns the DSN of an empty schema, which is made and dropped much faster than a database.
func postgresSchema(t *testing.T) string {
	t.Helper()
	server, err := url.Parse(sqltest.Server(t))
	if err != nil {
		t.Fatal(err)
	}
	name := "meta_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := openPostgres(t, server.String())
	if _, err := admin.Exec(t.Context(), "create schema "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "drop schema "+name+" cascade"); err != nil {
			t.Error(err)
		}
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	})
	query := server.Query()
	query.Set("search_path", name)
	server.RawQuery = query.Encode()
	return server.String()
}

func openPostgres(t *testing.T, dsn string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "job repository", Driver: "postgres", DSN: dsn, MaxConnections: 4})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// onEach runs a test on a new repository in every database.
func onEach(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, backend(t))
		})
	}
}

// openAt opens a store in a file, with a clock that stands still.
func openAt(t *testing.T, path string) *Store {
	t.Helper()
	return openWith(t, Options{Path: path, Now: fixedClock})
}

func openWith(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func openNew(t *testing.T) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "batchctl.db"))
}

func fixedClock() time.Time {
	return time.Date(2026, 11, 21, 9, 30, 0, 123456789, time.FixedZone("KST", 9*3600))
}

func definition(text string) batch.Definition {
	return batch.Definition{Path: "/jobs/import.yaml", Base: "/jobs", Hash: hashOf(text), Text: text}
}

// identified is the request of a job whose parameter date makes its instance.
func identified(date string) Request {
	parameters := []batch.Parameter{{Name: "date", Type: "date", Value: date, Identifying: true}}
	return Request{Job: "import", Key: keyOf(parameters), Parameters: parameters, Definition: definition("job: import\nsteps: []\n")}
}

// eachRun is the request of a job that gets a new instance with each run.
func eachRun(file string) Request {
	return Request{Job: "import", EachRun: true, Definition: definition("job: import\n"),
		Parameters: []batch.Parameter{{Name: "file", Type: "path", Value: file}}}
}

// launch launches, and gives the lock back when the test ends.
func launch(t *testing.T, s *Store, r Request) *Launch {
	t.Helper()
	l, err := s.Launch(t.Context(), r)
	if err != nil {
		t.Fatalf("launch: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// start gives an execution the status STARTED.
func start(t *testing.T, s *Store, l *Launch) *Launch {
	t.Helper()
	l.Execution.Status, l.Execution.Started = batch.Started, fixedClock()
	if err := s.SaveJob(context.Background(), l.Execution); err != nil {
		t.Fatal(err)
	}
	return l
}

// end gives an execution its last status, and its lock back.
func end(t *testing.T, s *Store, l *Launch, status batch.Status) {
	t.Helper()
	if l.Execution.Status == batch.Starting {
		start(t, s, l)
	}
	l.Execution.Status, l.Execution.Exit.Code, l.Execution.Ended = status, string(status), fixedClock()
	if err := s.SaveJob(context.Background(), l.Execution); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// ended launches and ends at once.
func ended(t *testing.T, s *Store, r Request, status batch.Status) *batch.JobExecution {
	t.Helper()
	l := launch(t, s, r)
	end(t, s, l, status)
	return l.Execution
}

// step runs a step of an execution up to a status, with a number of commits.
func step(t *testing.T, s *Store, l *Launch, name string, status batch.Status, commits int64) *batch.StepExecution {
	t.Helper()
	e := &batch.StepExecution{JobID: l.Execution.ID, Name: name}
	if err := s.StartStep(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Status, e.Counters.Commit, e.Started = batch.Started, commits, fixedClock()
	if err := s.SaveStep(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if status == batch.Started {
		return e
	}
	e.Status, e.Ended = status, fixedClock()
	if err := s.SaveStep(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// die leaves an execution as a process does that was killed: its rows as they are, its lock free.
func die(t *testing.T, l *Launch) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// count returns how many rows a table has.
func count(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	if _, err := one(t.Context(), s.db, to(&n), "select count(*) from "+table); err != nil {
		t.Fatal(err)
	}
	return n
}

func change(t *testing.T, s *Store, statement string, args ...any) {
	t.Helper()
	n, err := exec(t.Context(), s.db, statement, args...)
	if err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

// keyOf is a key, as the stored schemas have it: one for each set of identifying values.
func keyOf(parameters []batch.Parameter) string {
	var identity [][3]string
	for _, p := range sorted(parameters) {
		if p.Identifying && !p.Secret {
			identity = append(identity, [3]string{p.Name, p.Type, p.Value})
		}
	}
	text, _ := json.Marshal(identity) // texts always can be
	return hashOf(string(text))
}
