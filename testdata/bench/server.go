package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/sqldb"
)

// serverVariable holds the address of a PostgreSQL server whose databases may be changed; .ci/with-postgres sets it.
const serverVariable = "BATCHCTL_TEST_POSTGRES"

// dsnVariable tells the jobs where the database of the benchmarks is.
const dsnVariable = "BENCH_POSTGRES"

const benchDatabase = "batchctl_bench"

// server is a database of our own on a PostgreSQL server; nil where there is none.
type server struct {
	dsn   string
	admin *sqldb.DB
	db    *sqldb.DB
	pid   int // of the postmaster, where it is on this machine; else 0
}

func startServer(ctx context.Context) (*server, error) {
	address := os.Getenv(serverVariable)
	if address == "" {
		return nil, nil
	}
	at, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL", serverVariable)
	}
	s := &server{}
	if s.admin, err = sqldb.Open(ctx, sqldb.Config{Name: "server", Driver: "postgres", DSN: address}); err != nil {
		return nil, err
	}
	for _, statement := range []string{"drop database if exists " + benchDatabase + " with (force)", "create database " + benchDatabase + " template template0 encoding 'UTF8'"} {
		if _, err := s.admin.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	at.Path = "/" + benchDatabase
	s.dsn = at.String()
	if s.db, err = sqldb.Open(ctx, sqldb.Config{Name: "bench", Driver: "postgres", DSN: s.dsn, MaxConnections: 1}); err != nil {
		return nil, err
	}
	s.pid, err = s.postmaster(ctx)
	return s, err
}

func (s *server) close() error {
	if s == nil {
		return nil
	}
	_, err := s.admin.Exec(context.Background(), "drop database "+benchDatabase+" with (force)")
	return errors.Join(err, s.admin.Close())
}

// postmaster finds the process whose children the sessions are, where it is on this machine.
func (s *server) postmaster(ctx context.Context) (int, error) {
	var backend int
	if err := s.one(ctx, &backend, "select pg_backend_pid()"); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil || !strings.Contains(string(text), "(postgres)") {
		return 0, nil
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, _ := strconv.Atoi(fields[1])
	return parent, nil
}

// cpu is the CPU time that the server has used; zero where that cannot be seen.
func (s *server) cpu() time.Duration {
	if s == nil || s.pid == 0 {
		return 0
	}
	return familyTime(s.pid)
}

func (s *server) one(ctx context.Context, to any, query string) error {
	return one(ctx, s.db, to, query)
}

// exec runs statements, each on its own.
func (s *server) exec(statements ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, statement := range statements {
			if _, err := s.db.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
}

// one reads the one value of a query.
func one(ctx context.Context, db *sqldb.DB, to any, query string) error {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), fmt.Errorf("no row: %s", query))
	}
	return errors.Join(rows.Scan(to), rows.Close())
}
