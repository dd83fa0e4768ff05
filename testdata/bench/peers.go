package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The programs that batchctl is measured against. What needs none of them needs "".
const (
	postgres = "PostgreSQL"
	psql     = "psql"
	sqlite   = "sqlite3"
	miller   = "mlr"
	duckdb   = "duckdb"
)

// duckdbPackage is DuckDB as a library for node.
const duckdbPackage = "@duckdb/node-api@1.5.6-r.1"

//go:embed duckdb.cjs
var duckdbScript []byte

// peers are the programs that could be had, with their versions.
type peers map[string]string

func findPeers(ctx context.Context, b *bench) peers {
	found := peers{}
	if b.server != nil {
		var version string
		if b.server.one(ctx, &version, "show server_version") == nil {
			found[postgres] = "PostgreSQL " + strings.Fields(version)[0]
		}
		found.look(psql, "--version", "postgresql-client", b.offline)
	}
	found.look(sqlite, "--version", "sqlite3", b.offline)
	found.look(miller, "--version", "miller", b.offline)
	if version := installDuckDB(ctx, b.folder, b.offline); version != "" {
		found[duckdb] = version
	}
	for _, name := range []string{postgres, psql, sqlite, miller, duckdb} {
		if found[name] == "" {
			fmt.Fprintf(os.Stderr, "bench: ******** %s is not to be had: its lines are LEFT OUT ********\n", name)
		}
	}
	return found
}

// has reports whether what a contender needs is there.
func (b *bench) has(needs string) bool {
	for _, name := range strings.Fields(needs) {
		if b.peers[name] == "" {
			return false
		}
	}
	return true
}

// look finds a program, or installs its package where that is allowed.
func (p peers) look(name, versionFlag, debian string, offline bool) {
	if _, err := exec.LookPath(name); err != nil && os.Getuid() == 0 && !offline {
		install := exec.Command("apt-get", "install", "-y", "--no-install-recommends", debian)
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: install %s: %v\n%s\n", debian, err, out)
		}
	}
	if version := versionOf(name, versionFlag); version != "" {
		p[name] = version
	}
}

// installDuckDB puts DuckDB for node into a folder, and returns its version, or nothing where it does not run.
func installDuckDB(ctx context.Context, folder string, offline bool) string {
	at := filepath.Join(folder, "duckdb")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return ""
	}
	if err := os.WriteFile(filepath.Join(at, "duckdb.cjs"), duckdbScript, 0o644); err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(at, "node_modules", "@duckdb")); err != nil && !offline {
		install := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", at, duckdbPackage)
		if out, err := install.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: install %s: %v\n%s\n", duckdbPackage, err, out)
			return ""
		}
	}
	version := versionOf("node", filepath.Join(at, "duckdb.cjs"), "copy (select version()) to '/dev/stdout' (header false)")
	if version == "" {
		return ""
	}
	return "DuckDB " + version + " (node " + versionOf("node", "--version") + ")"
}
