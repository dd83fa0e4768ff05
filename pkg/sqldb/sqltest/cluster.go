//go:build unix

package sqltest

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is a PostgreSQL server of a test's own, which may be stopped and started again.
type Cluster struct {
	programs string // folder of initdb and postgres
	folder   string
	port     int
	owner    *syscall.Credential // who the server runs as, nil: as the test
	server   *exec.Cmd
	ended    chan struct{} // closed once server has ended
}

// NewCluster makes a server and starts it. It ends with the test. Without PostgreSQL's programs the test is skipped, and
// fails where CI=true.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{programs: newestPrograms()}
	switch {
	case c.programs == "" && os.Getenv("CI") == "true":
		t.Fatal("no PostgreSQL server is installed: tests that restart one must run in CI")
	case c.programs == "":
		t.Skip("NOT TESTED: no PostgreSQL server is installed that a test could restart")
	}
	c.makeFolder(t)
	c.run(t, "initdb", "-D", filepath.Join(c.folder, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

// DSN returns the address of the server's superuser.
func (c *Cluster) DSN() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
}

// Start starts the server and returns once it answers.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	// It is in the test's process group, so that whoever ends the test ends the server.
	c.server = c.command("postgres", "-D", filepath.Join(c.folder, "data"), "-p", strconv.Itoa(c.port), "-k", c.folder,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50", "-c", "shared_buffers=32MB")
	log, err := os.OpenFile(filepath.Join(c.folder, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	server, ended := c.server, make(chan struct{})
	c.ended = ended
	go func() {
		defer close(ended)
		_ = server.Wait()
	}()
	c.await(t)
}

func (c *Cluster) await(t testing.TB) {
	t.Helper()
	db, err := sql.Open("postgres", c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		err := db.Ping()
		if err == nil {
			return
		}
		select {
		case <-c.ended:
			log, _ := os.ReadFile(filepath.Join(c.folder, "server.log"))
			t.Fatalf("the server has ended: %v\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatalf("the server does not answer: %v", err)
			}
		}
	}
}

// Stop stops the server as pg_ctl stop -m immediate does: its processes end at once, and the next start recovers.
func (c *Cluster) Stop() {
	_ = c.server.Process.Signal(syscall.SIGQUIT)
	<-c.ended
}

// Restart is pg_ctl restart -m immediate.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	c.Stop()
	c.Start(t)
}

// makeFolder makes a folder that the server's owner may enter, with a path short enough for a socket's name. The server
// refuses to run as root: then it runs as postgres or nobody.
func (c *Cluster) makeFolder(t testing.TB) {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "batchctl-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	c.folder = folder
	if os.Getuid() != 0 {
		return
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		owner, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.Atoi(owner.Uid)
	gid, gidErr := strconv.Atoi(owner.Gid)
	if uidErr != nil || gidErr != nil {
		t.Fatalf("user %s has the ids %s and %s", owner.Username, owner.Uid, owner.Gid)
	}
	c.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(folder, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(c.programs, program), args...)
	command.Dir = c.folder
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") })
	return command
}

func (c *Cluster) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := c.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// newestPrograms returns the folder of the newest server installed, "" where there is none.
func newestPrograms() string {
	folders := []string{}
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real // not all programs need to be linked to from the same place
		}
		folders = append(folders, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		folders = append(folders, found...)
	}
	newest, version := "", 0
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
			continue
		}
		if v := serverVersion(filepath.Join(folder, "postgres")); v > version {
			newest, version = folder, v
		}
	}
	return newest
}

// serverVersion returns the major version that a server says, 0 where it says none.
func serverVersion(program string) int {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return 0
	}
	digits := strings.TrimLeftFunc(string(out), func(r rune) bool { return r < '0' || r > '9' })
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	v, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return v
}
