package plan

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/sqldb/sqltest"
)

// A process is suspended at each single operation of a run, past its lease; another host takes over and completes the
// instance; then the process wakes. It must find that it was taken over, and leave everything as it was.

func zombieTargets() []crashTarget {
	table := "{type: sql, connection: shop, table: payments, create: true}"
	return []crashTarget{
		{name: "csv to postgres", database: "postgres", source: "csv", writer: table},
		{name: "csv to csv", source: "csv", writer: `{type: csv, path: out/payments.csv, footer: "TOTAL,${counters.write_count}"}`, outputs: []string{"out/payments.csv"}},
		{name: "jsonl to postgres with a file beside it", database: "postgres", source: "jsonl", outputs: []string{"out/beside.csv"},
			writer: "{type: all, writers: [" + table + ", {type: csv, path: out/beside.csv}]}"},
		{name: "bad records, csv to csv", source: "csv", writer: "{type: csv, path: out/payments.csv}", bad: true,
			letters: "{type: jsonl, path: out/rejected.jsonl}", outputs: []string{"out/payments.csv", "out/rejected.jsonl"}},
	}
}

// shortIdle makes the server end the transaction of a suspended process soon, so that it does not keep its locks.
func shortIdle(definition string) string {
	return strings.Replace(definition, "{driver: postgres, dsn", "{driver: postgres, idle_timeout: 500ms, dsn", 1)
}

func TestZombieAtEveryPointChangesNothing(t *testing.T) {
	t.Parallel()
	for _, target := range zombieTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			server := sqltest.Postgres(t)
			target.repository = sqltest.Schema(t)
			whole := batchtest.NewFuse(0, batchtest.Kill)
			clean := newZombiePlace(t, target, server)
			outcome, err := clean.run(whole)
			if err != nil {
				t.Fatal(err)
			}
			want := unnamed(clean.left(t, outcome))
			points := whole.Points()
			points = points[:len(points)-1] // behind the last one it has ended
			woken := 0
			for i, point := range points {
				if soaking() || i%20 == 0 {
					suspendAt(t, target, server, point, want)
					woken++
				}
			}
			if woken < 4 {
				t.Errorf("only %d points of %d", woken, len(points))
			}
			t.Logf("suspended at %d of %d operations", woken, len(points))
		})
	}
}

func newZombiePlace(t *testing.T, target crashTarget, server string) *crashPlace {
	t.Helper()
	p := newCrashPlace(t, target, server)
	text, err := os.ReadFile(filepath.Join(p.folder, "job.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "job.yaml", shortIdle(string(text)))
	return p
}

// jobOf is a name that no other place has: they share a repository and, one after the other, a target.
func jobOf(p *crashPlace) string {
	sum := sha256.Sum256([]byte(p.folder))
	return "crash-" + hex.EncodeToString(sum[:6])
}

func suspendAt(t *testing.T, target crashTarget, server string, point batchtest.Point, want string) {
	t.Helper()
	p := newZombiePlace(t, target, server)
	other := *p
	other.host = "b"
	var completed string
	var latest *Outcome
	fuse := batchtest.NewFuseCalling(point, func() {
		p.expire(t)
		begun := time.Now()
		outcome, err := other.run(nil)
		if err != nil {
			t.Errorf("suspended at %s: the other host after %s: %v", point, time.Since(begun), err)
			return
		}
		latest = outcome
		completed = unnamed(other.left(t, outcome))
	})
	outcome, err := p.run(fuse)
	if _, blown := fuse.Blown(); !blown {
		t.Fatalf("the run did not come to %s", point)
	}
	if t.Failed() {
		return
	}
	if completed != want {
		t.Errorf("suspended at %s: the other host left\n%s\nwant\n%s", point, completed, want)
	}
	if !errors.Is(err, batch.ErrFenced) || !strings.Contains(fmt.Sprint(err), "was taken for dead") {
		t.Errorf("suspended at %s: woken, it says: %v", point, err)
	}
	if outcome.Execution.Status != batch.Failed {
		t.Errorf("suspended at %s: woken, it is %s", point, outcome.Execution.Status)
	}
	// It may have begun a file of its own once more, which nobody reads.
	if got := unnamed(other.left(t, latest)); seen(got) != seen(want) {
		t.Errorf("suspended at %s: woken, it left\n%s\nwant\n%s", point, got, want)
	}
	os.RemoveAll(p.folder)
}

var places = regexp.MustCompile(`crash-[0-9a-f]{12}|"job_instance_id":\d+`)

// unnamed is what was left, without what differs between places.
func unnamed(left string) string { return places.ReplaceAllString(left, "~") }

// seen is what was left, without hidden files.
func seen(left string) string {
	text, _, _ := strings.Cut(left, "unfinished:")
	return text
}

// expire lets all leases run out, as time does.
func (p *crashPlace) expire(t *testing.T) {
	t.Helper()
	db, err := sql.Open("postgres", p.meta)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("update batchctl_owner set lease_until = lease_until - interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
}
