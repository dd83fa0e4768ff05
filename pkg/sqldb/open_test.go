package sqldb_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

func open(t testing.TB, driver, dsn string, change ...func(*sqldb.Config)) *sqldb.DB {
	t.Helper()
	config := sqldb.Config{Name: "shop", Driver: driver, DSN: dsn}
	for _, c := range change {
		c(&config)
	}
	db, err := sqldb.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// each runs a test once for every database, in a file and in a schema of its own.
func each(t *testing.T, test func(t *testing.T, driver, dsn string)) {
	t.Helper()
	sqltest.EachSchema(t, test)
}

func held(t testing.TB, db *sqldb.DB) *sqldb.Conn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func mustExec(t testing.TB, q sqldb.Querier, query string, args ...any) int64 {
	t.Helper()
	n, err := q.Exec(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func begin(t testing.TB, c *sqldb.Conn) *sqldb.Tx {
	t.Helper()
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// texts returns the rows of a query, values joined by commas; null is empty.
func texts(t testing.TB, q sqldb.Querier, query string, args ...any) []string {
	t.Helper()
	rows, err := q.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for rows.Next() {
		row, into := make([]*string, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(row))
		for i, v := range row {
			if v != nil {
				parts[i] = *v
			}
		}
		found = append(found, strings.Join(parts, ","))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func wantTexts(t testing.TB, q sqldb.Querier, query string, want ...string) {
	t.Helper()
	if got := texts(t, q, query); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\ngot  %q\nwant %q", query, got, want)
	}
}

func TestOpenMakesTheFileAndItsFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b", "c?d", "shop%20.db")
	db := open(t, "sqlite", path, func(c *sqldb.Config) { c.CreateMode = 0o600 })
	mustExec(t, db, "create table t (a int)")
	held(t, db) // SQLite removes -wal and -shm with the last connection, and a pool keeps none that nobody holds for sure
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, info.Mode().Perm())
		}
	}
	wantTexts(t, db, "select 1 where 1 = 1", "1")
	if db.Location() != path {
		t.Errorf("location %q, want %q", db.Location(), path)
	}
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                                string
		change                              func(*sqldb.Config)
		journal, synchronous, foreign, busy string
	}{
		{"default", func(*sqldb.Config) {}, "wal", "2", "1", "200"},
		{"relaxed", func(c *sqldb.Config) { c.Durability = "relaxed" }, "wal", "1", "1", "200"},
		{"keep", func(c *sqldb.Config) { c.Journal = "keep" }, "delete", "2", "1", "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := open(t, "sqlite", sqltest.SQLite(t), c.change)
			wantTexts(t, db, "pragma journal_mode", c.journal)
			wantTexts(t, db, "pragma synchronous", c.synchronous)
			wantTexts(t, db, "pragma foreign_keys", c.foreign)
			wantTexts(t, db, "pragma busy_timeout", c.busy)
		})
	}
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres", sqltest.Schema(t)+"&tcp_keepalives_idle=77", func(c *sqldb.Config) { c.Durability = "relaxed" })
	for name, want := range map[string]string{
		"lock_timeout": "30s", "idle_in_transaction_session_timeout": "1min", "statement_timeout": "0", "tcp_user_timeout": "15000",
		"tcp_keepalives_idle": "77", "timezone": "UTC", "application_name": "batchctl", "synchronous_commit": "off",
		"client_encoding": "UTF8", "standard_conforming_strings": "on", "datestyle": "ISO, MDY",
	} {
		wantTexts(t, db, "show "+name, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	notDatabase := filepath.Join(folder, "text.db")
	if err := os.WriteFile(notDatabase, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, driver, dsn string
		class             fault.Class
		says              string
	}{
		{"driver", "oracle", "x", fault.Definition, `unknown driver "oracle"`},
		{"memory", "sqlite", ":memory:", fault.Definition, "in memory"},
		{"memory uri", "sqlite", "file:x?mode=memory", fault.Definition, "in memory"},
		{"relative", "sqlite", "shop.db", fault.Definition, "not absolute"},
		{"no database", "sqlite", notDatabase, fault.Environment, "SQLITE_NOTADB"},
		{"a folder", "sqlite", folder, fault.Environment, "CANTOPEN"},
		{"nobody listens", "postgres", "postgres://u@127.0.0.1:1/x", fault.Environment, "connection refused"},
		{"no such host", "postgres", "postgres://u@no-such-host.invalid/x", fault.Environment, "no-such-host.invalid"},
		{"sslmode", "postgres", "postgres://u@127.0.0.1/x?sslmode=never", fault.Definition, "wrong value for sslmode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: c.driver, DSN: c.dsn})
			if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (class %s), want class %s and %q", err, fault.ClassOf(err), c.class, c.says)
			}
		})
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		mustExec(t, open(t, driver, dsn), "create table t (a int)")
		db := open(t, driver, dsn, func(c *sqldb.Config) { c.ReadOnly = true })
		if _, err := db.Exec(t.Context(), "insert into t values (1)"); fault.ClassOf(err) != fault.Environment {
			t.Errorf("got %v, want an error of class environment", err)
		}
	})
}

func TestReadOnlyMakesNoFile(t *testing.T) {
	t.Parallel()
	path := sqltest.SQLite(t)
	if _, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: "sqlite", DSN: path, ReadOnly: true}); err == nil {
		t.Error("opened a file that is not there")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("made the file")
	}
}

func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Parallel()
	const canary = "s3cr"
	for _, dsn := range []string{
		"postgres://u:s3cr%zzet@127.0.0.1:1/x",
		"postgres://u:s3cr et@127.0.0.1:1/x",
		"postgres://u:pa/s3cret@127.0.0.1:1/x",
		"postgres://u:12#s3cret@127.0.0.1:1/x",
		"postgres://u:s3cr:et@127.0.0.1:1:2/x",
		"postgres://u:s3cret@127.0.0.1:1/x",
		"postgres://u:p?s3cret@127.0.0.1:1/x",
		"postgres://u:s3cret@127.0.0.1:port/x",
		"postgres://127.0.0.1:1/x?user=u&password=s3cret&port=s3cr",
		"postgres://127.0.0.1:1/x?user=u&password=s3cret&sslmode=s3cret",
		"host=127.0.0.1 port=1 user=u password=my s3cret",
		"host=127.0.0.1 port=1 user=u password='my s3cret",
		"host=127.0.0.1 port=s3cr user=u password=s3cret",
		`host=127.0.0.1 port=1 user=u password=s3cret\`,
		"host=127.0.0.1 port=1 user=u password=s3cret connect_timeout=s3cr",
	} {
		_, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: "postgres", DSN: dsn})
		if err == nil {
			t.Errorf("%s: opened", dsn)
			continue
		}
		if text := fault.Render(err) + sqldb.Redact(dsn); strings.Contains(text, canary) {
			t.Errorf("%s: the password is in %q", dsn, text)
		}
	}
}

func TestNoErrorOfTheServerHoldsThePassword(t *testing.T) {
	t.Parallel()
	dsn := strings.Replace(sqltest.Schema(t), "postgres@", "nobody-s3cret:s3cret@", 1)
	_, err := sqldb.Open(t.Context(), sqldb.Config{Name: "shop", Driver: "postgres", DSN: dsn})
	if err == nil || fault.ClassOf(err) != fault.Environment {
		t.Fatalf("got %v, want an error of class environment", err)
	}
	if strings.Contains(strings.ReplaceAll(fault.Render(err), "nobody-s3cret", ""), "s3cret") {
		t.Errorf("the password is in %q", err)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:secret@db.example:6543/shop?sslmode=require&password=secret": "postgres://u@db.example:6543/shop",
		"postgresql://db/shop":                                 "postgres://db/shop",
		"host=db user=u password=secret dbname=shop port=6543": "postgres://u@db:6543/shop",
		"host=/tmp dbname='a b' password='it\\'s'":             "postgres:///a%20b?host=/tmp",
		"/var/lib/shop.db":                                     "/var/lib/shop.db",
		"file:/var/lib/shop.db?_pragma=key('secret')":          "/var/lib/shop.db",
		"postgres://u:se%zzcret@h/x":                           "(connection string hidden)",
		"host=h password=a secret":                             "(connection string hidden)",
	} {
		if got := sqldb.Redact(dsn); got != want {
			t.Errorf("Redact(%s) = %s, want %s", dsn, got, want)
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, dsn := stalled(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := sqldb.Open(ctx, sqldb.Config{Name: "shop", Driver: "postgres", DSN: dsn})
		done <- err
	}()
	cancel()
	within(t, "open of a server that does not answer", func() { <-done })
}
