package meta

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// twoHosts returns what opens one repository on a server from two hosts, which do not see each other's locks.
func twoHosts(t *testing.T) (a, b opener) {
	t.Helper()
	dsn := postgresSchema(t)
	on := func(host string, pid int) opener {
		locks := filepath.Join(t.TempDir(), host)
		return func(t *testing.T) *Store {
			t.Helper()
			return openWith(t, Options{Path: dsn, LockFolder: locks, Now: fixedClock, Process: Process{Host: host, PID: pid, Boot: host}})
		}
	}
	return on("a", 11), on("b", 22)
}

// expire lets every lease run out, as time does.
func expire(t *testing.T, s *Store) {
	t.Helper()
	change(t, s, "update BATCHCTL_OWNER set LEASE_UNTIL = LEASE_UNTIL - interval '1 hour'")
}

func TestLeaseKeepsOtherHostsOutUntilItRunsOut(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]func(string) Request{"identified": identified, "each run": eachRun} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			openA, openB := twoHosts(t)
			a, b := openA(t), openB(t)
			first := start(t, a, launch(t, a, request("2026-11-20")))
			refusal := refused(t, b, request("2026-11-20"), batch.ErrRunning)
			if !strings.Contains(refusal.Message, "process 11 on host a; its lease lasts until ") || refusal.Execution != first.Execution.ID {
				t.Errorf("got %q, want who has it and until when", refusal.Message)
			}
			if marked, err := b.Sweep(t.Context()); err != nil || len(marked) > 0 {
				t.Errorf("marked %v, %v while the lease lasts", marked, err)
			}
			expire(t, a)
			second := launch(t, b, request("2026-11-20"))
			if second.Previous == nil || second.Previous.ID != first.Execution.ID || second.Previous.Status != batch.Failed || second.Alone {
				t.Errorf("got %+v, alone %v; want execution %d FAILED, and its owner perhaps alive", second.Previous, second.Alone, first.Execution.ID)
			}
			if text := second.Previous.Exit.Description; !strings.Contains(text, "process 11 on host a let its lease run out at ") {
				t.Errorf("its description is %q", text)
			}
			end(t, b, second, batch.Failed)
			if third := launch(t, b, request("2026-11-20")); third.Alone {
				t.Error("the owner that may live is forgotten after one more execution")
			}
		})
	}
}

func TestSweepTakesWhatAnotherHostLetGo(t *testing.T) {
	t.Parallel()
	openA, openB := twoHosts(t)
	a, b := openA(t), openB(t)
	l := start(t, a, launch(t, a, identified("2026-11-20")))
	loading := step(t, a, l, "load", batch.Started, 3)
	expire(t, a)
	marked, err := b.Sweep(t.Context())
	if err != nil || len(marked) != 1 || !marked[0].Owner.TakenByLease {
		t.Fatalf("marked %+v, %v; want the execution, by its lease", marked, err)
	}
	if last, err := lastStep(t, b, l); err != nil || last.ID != loading.ID || last.Status != batch.Failed {
		t.Errorf("its step is %+v, %v; want FAILED", last, err)
	}
}

func TestOwnerThatWasTakenOverCanSaveNothing(t *testing.T) {
	t.Parallel()
	openA, openB := twoHosts(t)
	a, b := openA(t), openB(t)
	l := start(t, a, launch(t, a, identified("2026-11-20")))
	zombie := step(t, a, l, "load", batch.Started, 1)
	heart := a.Heartbeat(l)
	t.Cleanup(func() { _ = heart.Close() })
	key := batch.StepKey{Repository: a.ID(), Job: "import", Instance: l.Execution.Instance.Key, Step: "load"}
	ledger := NewStoreLedger(a, false)
	if _, err := ledger.Claim(t.Context(), key, 1); err != nil {
		t.Fatal(err)
	}
	expire(t, a)
	heir := launch(t, b, identified("2026-11-20")) // it has not claimed the step yet: the repository alone refuses
	l.Execution.Status, zombie.Status = batch.Completed, batch.Completed
	_, commit := ledger.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(batch.Tx) (batch.Checkpoint, error) { return batch.Checkpoint{Ordinal: 7}, nil })
	_, claim := NewStoreLedger(a, false).Claim(t.Context(), key, 1)
	for name, err := range map[string]error{
		"SaveStep": a.SaveStep(t.Context(), zombie), "SaveJob": a.SaveJob(t.Context(), l.Execution),
		"StartStep": a.StartStep(t.Context(), &batch.StepExecution{JobID: l.Execution.ID, Name: "next"}),
		"beat":      heart.Beat(t.Context()), "commit": commit, "claim": claim,
	} {
		if !errors.Is(err, batch.ErrFenced) || fault.CodeOf(err) != TakenOver {
			t.Errorf("%s: got %v, want ErrFenced", name, err)
		}
		if hint := fault.HintOf(err); !strings.Contains(hint, fmt.Sprintf("execution %d, process 22 on host b", heir.Execution.ID)) {
			t.Errorf("%s: the hint %q does not say who took over", name, hint)
		}
	}
	if lanes, err := b.Checkpoints(t.Context(), heir.Execution.Instance); err != nil || len(lanes) != 1 || lanes[0].Checkpoint.Ordinal != 0 {
		t.Errorf("checkpoints %+v, %v; want the one before the take-over", lanes, err)
	}
}

func TestBeatProlongsTheLeaseOfExecutionAndSteps(t *testing.T) {
	t.Parallel()
	openA, openB := twoHosts(t)
	a, b := openA(t), openB(t)
	l := start(t, a, launch(t, a, identified("2026-11-20")))
	step(t, a, l, "load", batch.Started, 1)
	heart := a.Heartbeat(l)
	expire(t, a)
	change(t, a, "update BATCHCTL_STEP_OWNER set LEASE_UNTIL = LEASE_UNTIL - interval '1 hour'")
	if err := heart.Beat(t.Context()); err != nil { // nobody came: it is its own still
		t.Fatal(err)
	}
	if err := heart.Close(); err != nil {
		t.Fatal(err)
	}
	if marked, err := b.Sweep(t.Context()); err != nil || len(marked) > 0 {
		t.Errorf("marked %v, %v after a beat", marked, err)
	}
	var n int
	if _, err := one(t.Context(), a.db, to(&n), "select count(*) from BATCHCTL_STEP_OWNER where LEASE_UNTIL > "+serverClock); err != nil || n != 1 {
		t.Errorf("%d leases of steps were prolonged, %v", n, err)
	}
}

func TestClocksOfHostsDoNotMatterForLeases(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"a day ahead": 24 * time.Hour, "a day behind": -24 * time.Hour, "an hour, as with DST": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := postgresSchema(t)
			a := openWith(t, Options{Path: dsn, LockFolder: t.TempDir()})
			l := start(t, a, launch(t, a, identified("2026-11-20")))
			jumped := openWith(t, Options{Path: dsn, LockFolder: t.TempDir(), Now: func() time.Time { return time.Now().Add(jump) }})
			refused(t, jumped, identified("2026-11-20"), batch.ErrRunning)
			if marked, err := jumped.Sweep(t.Context()); err != nil || len(marked) > 0 {
				t.Errorf("marked %v, %v", marked, err)
			}
			expire(t, a)
			if next := launch(t, jumped, identified("2026-11-20")); next.Previous.ID != l.Execution.ID {
				t.Errorf("continues %+v", next.Previous)
			}
			other := start(t, jumped, launch(t, jumped, identified("2026-11-21"))) // whose owner has the wrong clock
			if marked, err := a.Sweep(t.Context()); err != nil || len(marked) > 0 {
				t.Errorf("marked %v, %v: execution %d has a lease", marked, err, other.Execution.ID)
			}
		})
	}
}

func TestOfTwoHostsAtOnceExactlyOneProceeds(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]func(string) Request{"identified": identified, "each run": eachRun} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			openA, openB := twoHosts(t)
			stores := [2]*Store{openA(t), openB(t)}
			for round := range 25 {
				r := request("2026-11-" + number(int64(round)))
				winner, loser := race(t, stores, r)
				if !errors.Is(loser, batch.ErrRunning) || !strings.Contains(loser.Error(), "its lease lasts until") {
					t.Fatalf("the loser was told %v", loser)
				}
				end(t, stores[0], winner, batch.Failed)
				again, loser := race(t, stores, r)
				if !errors.Is(loser, batch.ErrRunning) || again.Previous.ID != winner.Execution.ID {
					t.Fatalf("restart continues %+v; the loser was told %v", again.Previous, loser)
				}
				end(t, stores[1], again, batch.Completed)
			}
			if n := count(t, stores[0], "BATCH_JOB_EXECUTION"); n != 50 {
				t.Errorf("%d executions, want 50", n)
			}
		})
	}
}

func TestHostWithoutLockFolderHasLeases(t *testing.T) {
	t.Parallel()
	dsn := postgresSchema(t)
	for name, folder := range map[string]string{"none": "", "one that cannot be made": "/proc/none"} {
		a := openWith(t, Options{Path: dsn, LockFolder: folder, Now: fixedClock})
		l := start(t, a, launch(t, a, identified(name)))
		refusal := refused(t, openWith(t, Options{Path: dsn, LockFolder: folder}), identified(name), batch.ErrRunning)
		if !strings.Contains(refusal.Message, "its lease lasts until") {
			t.Errorf("%s: got %q", name, refusal.Message)
		}
		end(t, a, l, batch.Completed)
	}
}

// asUser returns a DSN with another user.
func asUser(t *testing.T, dsn, user string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}

func TestMissingRightsNameTheStatementThatGivesThem(t *testing.T) {
	t.Parallel()
	dsn := postgresSchema(t)
	u, _ := url.Parse(dsn)
	schema := u.Query().Get("search_path")
	user := "poor_" + schema
	admin := openPostgres(t, dsn)
	t.Cleanup(func() { _ = admin.Close() })
	run := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run("create role " + user + " login")
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "drop owned by "+user+" cascade; drop role "+user); err != nil {
			t.Error(err)
		}
	})
	opened := func() error {
		s, err := Open(t.Context(), Options{Path: asUser(t, dsn, user), LockFolder: t.TempDir()})
		if err == nil {
			defer closeStore(t, s)
			l, launched := s.Launch(t.Context(), identified("2026-11-20"))
			if launched != nil {
				return launched
			}
			end(t, s, l, batch.Failed)
		}
		return err
	}
	// Each grant that a hint names is run, until it works.
	hints := []string{}
	for range 4 {
		err := opened()
		if err == nil {
			break
		}
		if fault.ClassOf(err) != fault.Environment {
			t.Fatalf("got %v of class %s, want environment", err, fault.ClassOf(err))
		}
		hint := fault.HintOf(err)
		_, statement, found := strings.Cut(hint, "has to run: ")
		if !found {
			t.Fatalf("%v: the hint %q names no statement", err, hint)
		}
		statement, _, _ = strings.Cut(statement, "; where")
		hints = append(hints, hint)
		run(statement)
	}
	if err := opened(); err != nil || len(hints) == 0 {
		t.Errorf("after %q: %v", hints, err)
	}
	change(t, &Store{db: admin, options: Options{lease: time.Minute}}, "update "+schema+".BATCHCTL_REPOSITORY set LOCK_FOLDER_ID = null")
	run("revoke update on all tables in schema " + schema + " from " + user)
	run("alter table " + schema + ".batchctl_owner owner to current_user")
	if err := opened(); fault.CodeOf(err) != "42501" || !strings.Contains(fault.HintOf(err), "grant select, insert, update, delete on all tables") {
		t.Errorf("tables of somebody else: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestReadOnlyMakesNoTablesOnAServer(t *testing.T) {
	t.Parallel()
	dsn := postgresSchema(t)
	if _, err := Open(t.Context(), Options{Path: dsn, ReadOnly: true}); fault.CodeOf(err) != "no_repository" {
		t.Errorf("got %v, want no_repository", err)
	}
	openWith(t, Options{Path: dsn})
	s := openWith(t, Options{Path: dsn, ReadOnly: true})
	if _, err := s.Executions(t.Context(), Filter{}); err != nil {
		t.Error(err)
	}
	if _, err := s.db.Exec(t.Context(), "delete from BATCHCTL_REPOSITORY"); fault.CodeOf(err) != "25006" {
		t.Errorf("got %v, want the server to refuse", err)
	}
}

func TestAddressOfAServer(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ place, shown, code string }{
		"plain":          {"postgres://u:pw@h:5432/d", "postgres://u@h:5432/d", ""},
		"schema":         {"postgres://u:pw@h/d?search_path=team&password=pw", "postgres://u@h/d?search_path=team", ""},
		"lease":          {"postgresql://u@h/d?lease=5m", "postgres://u@h/d", ""},
		"lease too long": {"postgres://u@h/d?lease=48h", "postgres://u@h/d", "lease"},
		"no time":        {"postgres://u@h/d?lease=long", "postgres://u@h/d", "lease"},
		"not a URL":      {"postgres://u:p%w@h/d", "(connection string hidden)", ""},
		"a file":         {"/var/lib/batchctl.db", "/var/lib/batchctl.db", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Describe(c.place); got != c.shown {
				t.Errorf("shown as %q, want %q", got, c.shown)
			}
			dsn, _, err := splitLease(c.place)
			if fault.CodeOf(err) != c.code || strings.Contains(dsn, "lease=") {
				t.Errorf("got %q, %v", dsn, err)
			}
		})
	}
}
