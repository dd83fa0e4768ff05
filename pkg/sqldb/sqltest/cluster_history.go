//go:build unix

package sqltest

import (
	"database/sql"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Lazy makes the server write nothing to its log by itself: what a crash leaves is then what somebody committed.
func (c *Cluster) Lazy(t testing.TB) {
	t.Helper()
	for _, statement := range []string{"alter system set wal_writer_delay = '10s'", "alter system set autovacuum = off", "select pg_reload_conf()"} {
		run(t, c.DSN(), statement)
	}
}

// Promote makes the server the replica of nobody and promotes it, as a failover does: the same cluster on a new timeline.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.shutDown()
	signal := filepath.Join(c.folder, "data", "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.owner != nil {
		if err := os.Chown(signal, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	c.Start(t)
	run(t, c.DSN(), "select pg_promote(true, 60)")
	c.awaitWritable(t)
}

func (c *Cluster) awaitWritable(t testing.TB) {
	t.Helper()
	db, err := sql.Open("postgres", c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		replica := true
		err := db.QueryRow("select pg_is_in_recovery()").Scan(&replica)
		if err == nil && !replica {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not promoted: %v", err)
		}
	}
}

// Forget makes the server as old as it is eight thousand million transactions later, when it has forgotten about those
// that were before.
func (c *Cluster) Forget(t testing.TB) {
	t.Helper()
	c.shutDown()
	c.run(t, "pg_resetwal", "-e", "2", "-D", filepath.Join(c.folder, "data"))
	c.Start(t)
}

// shutDown stops the server as pg_ctl stop -m fast does: what is in memory is written first.
func (c *Cluster) shutDown() {
	_ = c.server.Process.Signal(syscall.SIGINT)
	<-c.ended
}
