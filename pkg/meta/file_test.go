package meta

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// makeDatabase makes an SQLite file with something else's table.
func makeDatabase(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "other", Driver: "sqlite", DSN: path, Journal: "keep"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// filled makes a repository with some history, closes it, and returns its path.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	s, err := Open(t.Context(), Options{Path: path, Now: fixedClock})
	if err != nil {
		t.Fatal(err)
	}
	for day := range 20 {
		l := launch(t, s, identified("2026-11-"+number(int64(day))))
		step(t, s, l, "load", batch.Completed, 1)
		end(t, s, l, batch.Completed)
	}
	closeStore(t, s)
	return path
}

func overwrite(t *testing.T, path string, offset int64, bytes []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(bytes, offset); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFilesAreRefusedAndLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		make    func(t *testing.T) string
		code    string
		message string
	}{
		"a text file": {
			make: func(t *testing.T) string {
				path := filepath.Join(t.TempDir(), "notes.txt")
				if err := os.WriteFile(path, []byte(strings.Repeat("to do\n", 100)), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			},
			code: "not_a_database", message: "is not an SQLite database",
		},
		"a cut off header": {
			make: func(t *testing.T) string {
				path := filled(t)
				if err := os.Truncate(path, 40); err != nil {
					t.Fatal(err)
				}
				return path
			},
			code: "not_a_database", message: "is not an SQLite database",
		},
		"another program's database": {
			make: func(t *testing.T) string {
				path := filepath.Join(t.TempDir(), "shop.db")
				makeDatabase(t, path, "create table orders (id integer)")
				return path
			},
			code: "not_a_repository", message: "batchctl did not make it",
		},
		"a newer schema": {
			make: func(t *testing.T) string {
				path := filled(t)
				makeDatabase(t, path, "update BATCHCTL_REPOSITORY set SCHEMA_VERSION = 99")
				return path
			},
			code: "newer_schema", message: "schema version 99",
		},
		"zeroed pages": {
			make: func(t *testing.T) string {
				path := filled(t)
				overwrite(t, path, 4096, make([]byte, 12*4096))
				return path
			},
			code: "damaged", message: "is damaged",
		},
		"a truncated file": {
			make: func(t *testing.T) string {
				path := filled(t)
				if err := os.Truncate(path, 5*4096); err != nil {
					t.Fatal(err)
				}
				return path
			},
			code: "damaged", message: "is damaged",
		},
		"a folder": {
			make: func(t *testing.T) string { return t.TempDir() }, message: "is not a file",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := c.make(t)
			before, _ := os.ReadFile(path) // a folder has none
			s, err := Open(t.Context(), Options{Path: path})
			if err == nil {
				closeStore(t, s)
				t.Fatal("it was opened")
			}
			if fault.ClassOf(err) != fault.Environment || fault.CodeOf(err) != c.code || fault.HintOf(err) == "" ||
				!strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), path) {
				t.Errorf("got class %s, code %q, hint %q: %v", fault.ClassOf(err), fault.CodeOf(err), fault.HintOf(err), err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestDamageInUseIsReportedAsDamage(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	e := ended(t, s, identified("2026-11-20"), batch.Failed)
	changes := map[string]string{
		"status":     "update BATCH_JOB_EXECUTION set STATUS = 'STOPPED'",
		"parameter":  "update BATCH_JOB_EXECUTION_PARAMS set PARAMETER_VALUE = '2026-11-21'",
		"definition": "update BATCH_JOB_EXECUTION set DEFINITION_PATH = '/jobs/imp0rt.yaml'",
		"context":    "update BATCH_JOB_EXECUTION_CONTEXT set SHORT_CONTEXT = '{\"a\":1}'",
	}
	for name, statement := range changes {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			if _, err := s.db.Exec(t.Context(), "vacuum into ?", path); err != nil {
				t.Fatal(err)
			}
			damaged := openAt(t, path)
			change(t, damaged, statement)
			_, launched := damaged.Launch(t.Context(), identified("2026-11-20"))
			_, shown := damaged.Execution(t.Context(), e.ID)
			for _, err := range []error{launched, shown} {
				if fault.ClassOf(err) != fault.Environment || fault.CodeOf(err) != "checksum" {
					t.Errorf("got %v, want a damaged record", err)
				}
			}
		})
	}
}

func TestReadOnlyMakesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "sub", "batchctl.db")
	_, err := Open(t.Context(), Options{Path: path, ReadOnly: true})
	if fault.CodeOf(err) != "no_repository" || fault.ClassOf(err) != fault.Environment {
		t.Errorf("got %v, want no_repository", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("made %v, %v", left, err)
	}
}

func TestReadOnlyReadsAndMarksNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	s := openAt(t, path)
	l := launch(t, s, identified("2026-11-20"))
	die(t, l)
	reader := openWith(t, Options{Path: path, ReadOnly: true})
	if reader.ID() != s.ID() {
		t.Errorf("got id %s, want %s", reader.ID(), s.ID())
	}
	if marked, err := reader.Sweep(t.Context()); err != nil || len(marked) > 0 {
		t.Errorf("sweep: %v, %v", marked, err)
	}
	if d, err := reader.Execution(t.Context(), l.Execution.ID); err != nil || d.Execution.Status != batch.Starting {
		t.Errorf("got %+v, %v, want STARTING", d, err)
	}
	if _, err := reader.Launch(t.Context(), identified("2026-11-20")); fault.ClassOf(err) != fault.Environment {
		t.Errorf("launch: got %v", err)
	}
	if err := reader.RequestStop(t.Context(), l.Execution.ID); fault.ClassOf(err) != fault.Environment {
		t.Errorf("stop: got %v", err)
	}
}

func TestOpeningANewFileFromManySidesAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		path := filepath.Join(t.TempDir(), "a", "b", "batchctl.db")
		ids := make([]string, 6)
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				s, err := Open(context.Background(), Options{Path: path})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = s.ID() + s.locks.ID()
				closeStore(t, s)
			})
		}
		group.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("got repositories %v, want one", ids)
			}
		}
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Path: filepath.Join(file, "batchctl.db")})
	var path *fs.PathError
	if fault.ClassOf(err) != fault.Environment || !errors.As(err, &path) || !strings.Contains(fault.HintOf(err), "--meta") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
}

func TestSettingsOfTheFile(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if _, err := one(t.Context(), s.db, to(&got), "pragma "+pragma); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", pragma, got, err, want)
		}
	}
}

// What a first start leaves behind that was killed, ran out of disk, or lost power half way, the next one uses.
func TestFileOfAnInterruptedFirstStartIsUsed(t *testing.T) {
	t.Parallel()
	header := make([]byte, 512) // of a journal for a database that had no page
	copy(header, journalMagic)
	copy(header[20:], "\x00\x00\x02\x00\x00\x00\x10\x00") // sectors of 512 bytes, pages of 4096
	for name, leave := range map[string]func(t *testing.T, path string){
		"an empty file": func(t *testing.T, path string) { writeFile(t, path, nil) },
		"a database without a table": func(t *testing.T, path string) {
			db, err := sqldb.Open(t.Context(), sqldb.Config{Name: "new", Driver: "sqlite", DSN: path, Journal: "wal"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(t.Context(), "pragma user_version"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"a first page that never reached the disk": func(t *testing.T, path string) {
			writeFile(t, path, make([]byte, 4096))
			writeFile(t, path+"-journal", header)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "batchctl.db")
			leave(t, path)
			s, err := Open(t.Context(), Options{Path: path, Now: fixedClock})
			if err != nil {
				t.Fatal(err)
			}
			l := launch(t, s, identified("2026-11-20"))
			end(t, s, l, batch.Completed)
			closeStore(t, s)
		})
	}
}

func TestFileOfZerosIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batchctl.db")
	writeFile(t, path, make([]byte, 4096))
	if _, err := Open(t.Context(), Options{Path: path}); fault.CodeOf(err) != "not_a_database" {
		t.Errorf("got %v, want that it is no database", err)
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
