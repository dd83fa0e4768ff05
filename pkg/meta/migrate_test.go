package meta

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// later adds a version to the known ones, to see a file go through it.
func later(statements ...string) []migration {
	next := migration{version: migrations[len(migrations)-1].version + 1, summary: "a later one", run: statements}
	return append(append([]migration{}, migrations...), next)
}

func TestOlderSchemaIsBroughtForward(t *testing.T) {
	t.Parallel()
	path := filled(t)
	s := openWith(t, Options{Path: path, migrations: later("alter table BATCHCTL_OWNER add column EXTRA text", "create table BATCHCTL_EXTRA (A text)")})
	if n := count(t, s, "BATCHCTL_EXTRA"); n != 0 {
		t.Errorf("got %d rows in the new table", n)
	}
	if l, err := s.Launch(t.Context(), identified("2026-11-1")); fault.CodeOf(err) != "complete" {
		t.Errorf("got %v, %v, want the history to be there", l, err)
	}
	again := openWith(t, Options{Path: path, migrations: later("this is no SQL, and is not run twice")})
	if again.ID() != s.ID() {
		t.Errorf("got id %s, want %s", again.ID(), s.ID())
	}
}

func TestFailedMigrationLeavesTheOldSchema(t *testing.T) {
	t.Parallel()
	path := filled(t)
	_, err := Open(t.Context(), Options{Path: path, migrations: later("create table BATCHCTL_EXTRA (A text)", "create table BATCHCTL_EXTRA (A text)")})
	if fault.ClassOf(err) != fault.Environment || !strings.Contains(err.Error(), "a later one") {
		t.Errorf("got %v, want the step's error", err)
	}
	s := openAt(t, path)
	tables, err := tableNames(t.Context(), s.db)
	if err != nil || tables["batchctl_extra"] {
		t.Errorf("half of the step stayed: %v, %v", tables, err)
	}
}

func TestReadOnlyDoesNotMigrate(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Options{Path: filled(t), ReadOnly: true, migrations: later()})
	if fault.CodeOf(err) != "older_schema" || fault.HintOf(err) == "" {
		t.Errorf("got %v, want older_schema", err)
	}
}

// TestEveryReleasedSchemaIsRestartable restarts a failed execution from files that earlier versions have written.
func TestEveryReleasedSchemaIsRestartable(t *testing.T) {
	t.Parallel()
	for _, m := range migrations {
		t.Run(number(int64(m.version)), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", "schema-"+number(int64(m.version))+".sql"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "batchctl.db")
			fromDump(t, path, string(text))
			s := openAt(t, path)
			l := launch(t, s, identified("2026-11-20"))
			if l.Previous == nil || l.Previous.Status != batch.Failed || len(l.Previous.Steps) != 1 || string(l.Execution.Context["total"]) != `"12.50"` {
				t.Errorf("got %+v, want the failed execution with its step and context", l.Previous)
			}
			if times := l.Previous.Steps[0].Times; m.version >= 5 && times.Write != time.Second/2 {
				t.Errorf("got times %+v, want half a second of writing", times)
			}
			lanes, err := s.Checkpoints(t.Context(), l.Execution.Instance)
			if err != nil || len(lanes) != 1 || lanes[0].Checkpoint.Ordinal != 3000 {
				t.Errorf("got checkpoints %+v, %v, want one at 3000", lanes, err)
			}
		})
	}
}

// fromDump makes a file of a dump's statements, each of which ends with a semicolon at the end of a line.
func fromDump(t *testing.T, path, text string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "dump", Driver: "sqlite", DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTablesOfOthersAreNotTaken(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{"Spring Batch's": "BATCH_JOB_INSTANCE", "a half repository": "BATCHCTL_OWNER"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databases := map[string]func(t *testing.T) *sqldb.DB{
				"sqlite": func(t *testing.T) *sqldb.DB {
					db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "db", Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "a.db")})
					if err != nil {
						t.Fatal(err)
					}
					return db
				},
				"postgres": func(t *testing.T) *sqldb.DB { return openPostgres(t, postgresSchema(t)) },
			}
			for driver, open := range databases {
				t.Run(driver, func(t *testing.T) {
					t.Parallel()
					db := open(t)
					if _, err := db.Exec(t.Context(), "create table "+table+" (ID bigint)"); err != nil {
						t.Fatal(err)
					}
					_, err := OpenOn(t.Context(), db, Options{LockFolder: t.TempDir()})
					if fault.CodeOf(err) != "not_a_repository" || !strings.Contains(err.Error(), table) {
						t.Errorf("got %v, want not_a_repository that names %s", err, table)
					}
				})
			}
		})
	}
}

func TestPostgresRepositoryLivesBesideOtherTables(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, postgresSchema(t))
	for _, statement := range []string{"create table orders (id bigint)", createTarget} {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenOn(t.Context(), db, Options{LockFolder: t.TempDir(), Now: fixedClock})
	if err != nil {
		t.Fatal(err)
	}
	ended(t, s, identified("2026-11-20"), batch.Completed)
	closeStore(t, s)
}
