package main_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A namespaced host has a network stack and a name of its own; a pair of virtual interfaces leads to the server.
type namespaced struct {
	name string // of the namespace and of the host
	here string // our end's address
	link string // our end's interface
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// newNamespaced makes a host; where that is not permitted, the test is skipped, and fails where CI runs it as root.
func newNamespaced(t *testing.T) *namespaced {
	t.Helper()
	id := rand.IntN(1 << 14)
	h := &namespaced{name: fmt.Sprintf("bc%x", id), link: fmt.Sprintf("bc%xh", id)}
	a, b := id/64, id%64*4
	h.here = fmt.Sprintf("10.%d.%d.%d", 64+a/256, a%256, b+1)
	there, inside := fmt.Sprintf("10.%d.%d.%d", 64+a/256, a%256, b+2), fmt.Sprintf("bc%xn", id)
	if err := ip("netns", "add", h.name); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED IN NETWORK NAMESPACES: they cannot be made here: %v", err)
	}
	t.Cleanup(func() { _ = ip("netns", "del", h.name); _ = ip("link", "del", h.link) })
	for _, args := range [][]string{
		{"link", "add", h.link, "type", "veth", "peer", "name", inside},
		{"link", "set", inside, "netns", h.name},
		{"addr", "add", h.here + "/30", "dev", h.link},
		{"link", "set", h.link, "up"},
		{"-n", h.name, "addr", "add", there + "/30", "dev", inside},
		{"-n", h.name, "link", "set", inside, "up"},
		{"-n", h.name, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			t.Skipf("NOT TESTED IN NETWORK NAMESPACES: %v", err)
		}
	}
	return h
}

// reach forwards connections of the host to a server here, and returns the server's address as the host knows it.
func (h *namespaced) reach(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	listener, err := net.Listen("tcp", h.here+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				}()
			}
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// in turns a command into one that runs in the host.
func (h *namespaced) in(t *testing.T, m *team, args ...string) *exec.Cmd {
	t.Helper()
	c := m.on(t, h.name, args...)
	inner := c.Args
	c.Path = "/bin/sh"
	c.Args = append([]string{"sh", "-c", `exec ip netns exec "$0" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$0" "$@"`, h.name, c.Path}, inner[1:]...)
	c.Args[4] = inner[0]
	c.Env = append(c.Env, "BATCHCTL_META="+h.reach(t, m.meta), "SHOP_DSN="+h.reach(t, m.shop))
	return c
}

// newNamespacedTeam makes a team with a host for each network.
func newNamespacedTeam(t *testing.T, lease string) (*team, [2]*namespaced) {
	t.Helper()
	hosts := [2]*namespaced{newNamespaced(t), newNamespaced(t)}
	m := newTeam(t, "postgres", lease)
	text, err := os.ReadFile(filepath.Join(m.folder, "job.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, m.folder, "job.yaml", strings.Replace(string(text), fmt.Sprintf("%q", m.shop), `"${env.SHOP_DSN}"`, 1))
	return m, hosts
}

func TestOfTwoNetworksExactlyOneRunsAnInstance(t *testing.T) {
	t.Parallel()
	rounds := 2
	if os.Getenv("BATCHCTL_SOAK") != "" {
		rounds = 100
	}
	m, hosts := newNamespacedTeam(t, "60s")
	m.failAtOnce(t)
	for round := range rounds {
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, round).Format(time.DateOnly)
		for _, args := range [][]string{{"run", "job.yaml", "-p", "day=" + day}, {"restart", "team"}} {
			m.race(t, round, []*exec.Cmd{hosts[0].in(t, m, args...), hosts[1].in(t, m, args...)})
			if t.Failed() {
				return
			}
		}
		if code, text := said(hosts[0].in(t, m, "abandon", fmt.Sprint(2*round+2))); code != 0 {
			t.Fatal(text)
		}
	}
	names := map[string]bool{}
	dsn, _, _ := strings.Cut(m.meta, "&lease")
	db := openPostgresAt(t, dsn)
	defer db.Close()
	rows, err := db.Query("select distinct host_name from batchctl_owner")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names[name] = true
	}
	for name := range names {
		if name != hosts[0].name && name != hosts[1].name {
			t.Errorf("owner on host %s, want %s or %s", name, hosts[0].name, hosts[1].name)
		}
	}
}

// A host that loses its network stops working before its lease runs out, and another completes the instance.
func TestHostThatLosesItsNetworkIsTakenOver(t *testing.T) {
	t.Parallel()
	m, hosts := newNamespacedTeam(t, "3s")
	var out bytes.Buffer
	a := hosts[0].in(t, m, "run", "job.yaml")
	a.Stdout, a.Stderr = &out, &out
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	db := openPostgresAt(t, m.shop)
	defer db.Close()
	for rows := 0; rows == 0; time.Sleep(10 * time.Millisecond) {
		_ = db.QueryRow("select count(*) from payments").Scan(&rows) // the table may not be there yet
	}
	if err := ip("link", "set", hosts[0].link, "down"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		code, text := said(hosts[1].in(t, m, "run", "job.yaml"))
		if code == 0 {
			break
		}
		if code != 6 || time.Now().After(deadline) {
			t.Fatalf("the other host: exit code %d\n%s", code, text)
		}
	}
	_ = a.Wait()
	if code := a.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "still owns the execution") {
		t.Errorf("the host without a network: exit code %d\n%s", code, out.String())
	}
	want, err := os.ReadFile(filepath.Join(m.folder, "in.csv"))
	if err != nil || m.left(t, "postgres") != string(want) {
		t.Errorf("the target differs from the input, %v", err)
	}
}
