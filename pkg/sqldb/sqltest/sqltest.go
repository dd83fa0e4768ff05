// Package sqltest gives tests databases of their own, and a way to them that breaks on demand.
package sqltest

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/lib/pq"
)

// Variable names the environment variable with the DSN of a superuser, as a URL, on a server for tests.
const Variable = "BATCHCTL_TEST_POSTGRES"

// Each runs a test once for every database, as a subtest: with driver "sqlite" and the path of a fresh file, and with driver
// "postgres" and the DSN of a fresh database.
func Each(t *testing.T, test func(t *testing.T, driver, dsn string)) {
	t.Helper()
	each(t, Postgres, test)
}

// EachSchema is Each with a fresh schema, which takes less time than a database, on PostgreSQL.
func EachSchema(t *testing.T, test func(t *testing.T, driver, dsn string)) {
	t.Helper()
	each(t, Schema, test)
}

func each(t *testing.T, postgres func(testing.TB) string, test func(t *testing.T, driver, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite", SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, "postgres", postgres(t))
	})
}

// SQLite returns the path of a file that does not exist yet, in a folder of the test's own.
func SQLite(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the DSN of a fresh database, which is dropped when the test ends. Without a server the test is
// skipped, and fails where CI=true.
func Postgres(t testing.TB) string {
	t.Helper()
	server := Server(t)
	name := "batchctl_" + random(t)
	run(t, server, `create database "`+name+`" template template0 encoding 'UTF8'`)
	t.Cleanup(func() { run(t, server, `drop database if exists "`+name+`" with (force)`) })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is no URL", Variable)
	}
	u.Path = "/" + name
	return u.String()
}

// Schema returns the DSN of a fresh schema, in which unqualified names are looked up and made; it is dropped when the
// test ends. That takes a hundredth of the time a database of its own does, for tests that do not look around in it.
// Without a server it does as Postgres does.
func Schema(t testing.TB) string {
	t.Helper()
	server := Server(t)
	name := "batchctl_" + random(t)
	run(t, server, `create schema "`+name+`"`)
	t.Cleanup(func() { run(t, server, `drop schema if exists "`+name+`" cascade`) })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is no URL", Variable)
	}
	query := u.Query()
	query.Set("options", "-csearch_path="+name)
	u.RawQuery = query.Encode()
	return u.String()
}

// Server returns the DSN of the server's superuser.
func Server(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	switch {
	case server != "":
		return server
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not set: tests on PostgreSQL must run in CI; use .ci/with-postgres go test ./...", Variable)
	}
	t.Skipf("NOT TESTED ON POSTGRESQL: %s is not set; run .ci/with-postgres go test ./...", Variable)
	return ""
}

func run(t testing.TB, dsn, statement string) {
	t.Helper()
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func random(t testing.TB) string {
	t.Helper()
	b := make([]byte, 6)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}
