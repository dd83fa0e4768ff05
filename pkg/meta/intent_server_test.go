//go:build unix

package meta

import (
	"errors"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// died leaves an open intent in a repository: of row 2, behind row 1.
func (p *intentPlace) died(t *testing.T, point string, options IntentOptions) {
	t.Helper()
	before := p.at(t, "", options)
	claimIntent(t, before)
	if _, err := commitTargetRow(t, before, 1); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	dying := p.at(t, point, options)
	claimIntent(t, dying)
	_, _ = commitTargetRow(t, dying, 2)
	_ = dying.Close()
}

// A server that crashes before its log is flushed gives the lost transactions' ids out again. It must not tell what
// became of somebody else's transaction; the control, without hardening, must see that it would.
func TestServerCrashDoesNotMistakeTransactions(t *testing.T) {
	t.Parallel()
	cluster := sqltest.NewCluster(t)
	cluster.Lazy(t)
	for _, hardened := range []bool{true, false} {
		admin := targetDB(t, "postgres", cluster.DSN())
		if _, err := admin.Exec(t.Context(), "drop table if exists written"); err != nil {
			t.Fatal(err)
		}
		p := newIntentPlace(t, cluster.DSN())
		p.died(t, "intent.saved", IntentOptions{TestUnhardened: !hardened})
		cluster.Restart(t)
		others := targetDB(t, "postgres", cluster.DSN())
		if _, err := others.Exec(t.Context(), "create table if not exists others (n integer)"); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := others.Exec(t.Context(), "insert into others values (1)"); err != nil {
				t.Fatal(err)
			}
		}
		at := claimIntent(t, p.at(t, "", IntentOptions{}))
		rows := len(writtenRows(t, p.target))
		t.Logf("hardened %v: commit %d, %d rows", hardened, at.Sequence, rows)
		if agrees := int(at.Sequence) == rows; agrees != hardened {
			t.Errorf("hardened %v: stands at commit %d, and the target has %d rows", hardened, at.Sequence, rows)
		}
	}
}

func TestOtherServersAreRefused(t *testing.T) {
	t.Parallel()
	cluster := sqltest.NewCluster(t)
	here := newIntentPlace(t, cluster.DSN())
	here.died(t, "intent.committed", IntentOptions{})
	another := &intentPlace{target: targetDB(t, "postgres", sqltest.Schema(t)), open: here.open}
	makeWritten(t, another.target)
	wantRefused(t, another, "another PostgreSQL cluster")

	makeSibling(t, here.target)
	sibling := &intentPlace{target: targetDB(t, "postgres", strings.Replace(cluster.DSN(), "/postgres?", "/sibling?", 1)), open: here.open}
	wantRefused(t, sibling, "another database of the cluster")

	cluster.Promote(t)
	promoted := &intentPlace{target: targetDB(t, "postgres", cluster.DSN()), open: here.open}
	wantRefused(t, promoted, "timeline 2, was 1")
	if at := claimIntent(t, promoted.at(t, "", IntentOptions{Adopt: true})); at.Sequence != 2 {
		t.Errorf("adopted: stands at commit %d, want 2", at.Sequence)
	}
	if at := claimIntent(t, promoted.at(t, "", IntentOptions{})); at.Sequence != 2 {
		t.Errorf("adopted before: stands at commit %d, want 2", at.Sequence)
	}
}

func makeSibling(t *testing.T, db *sqldb.DB) {
	t.Helper()
	if _, err := db.Exec(t.Context(), "create database sibling"); err != nil {
		t.Fatal(err)
	}
}

func wantRefused(t *testing.T, p *intentPlace, why string) {
	t.Helper()
	_, err := p.at(t, "", IntentOptions{}).Claim(t.Context(), targetStep(), 1)
	if !errors.Is(err, batch.ErrNotRestartable) || fault.CodeOf(err) != "other_server" || !strings.Contains(err.Error(), why) || !strings.Contains(fault.HintOf(err), "--adopt") {
		t.Errorf("got %v, hint %q; want it refused because of %s", err, fault.HintOf(err), why)
	}
}

// The server may fail over while a step runs; what the step then writes must not follow what may be gone.
func TestFailoverWhileRunningIsRefused(t *testing.T) {
	t.Parallel()
	cluster := sqltest.NewCluster(t)
	p := newIntentPlace(t, cluster.DSN())
	l := p.at(t, "", IntentOptions{})
	claimIntent(t, l)
	if _, err := commitTargetRow(t, l, 1); err != nil {
		t.Fatal(err)
	}
	cluster.Promote(t)
	for range 3 {
		_, err := commitTargetRow(t, l, 2)
		if errors.Is(err, batch.ErrNotRestartable) {
			return
		}
		if err == nil || !sqldb.IsConnectionLost(err) {
			t.Fatalf("got %v, want a lost connection, then a refusal", err)
		}
	}
	t.Error("never refused")
}

func TestForgottenTransactionStopsTheRestart(t *testing.T) {
	t.Parallel()
	cluster := sqltest.NewCluster(t)
	p := newIntentPlace(t, cluster.DSN())
	p.died(t, "intent.committed", IntentOptions{})
	cluster.Forget(t)
	_, err := p.at(t, "", IntentOptions{}).Claim(t.Context(), targetStep(), 1)
	if !errors.Is(err, batch.ErrNotRestartable) || fault.CodeOf(err) != "transaction_forgotten" || !strings.Contains(fault.HintOf(err), "--adopt") {
		t.Fatalf("got %v, hint %q", err, fault.HintOf(err))
	}
	for _, options := range []IntentOptions{{Adopt: true}, {}} {
		if at := claimIntent(t, p.at(t, "", options)); at.Sequence != 2 {
			t.Errorf("adopt %v: stands at commit %d, want 2", options.Adopt, at.Sequence)
		}
	}
}
