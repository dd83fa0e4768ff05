package meta

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// intentPlace is a target without batchctl's table, and a job repository.
type intentPlace struct {
	target *sqldb.DB
	open   opener
}

func newIntentPlace(t *testing.T, dsn string) *intentPlace {
	t.Helper()
	p := &intentPlace{target: targetDB(t, "postgres", dsn)}
	path := filepath.Join(t.TempDir(), "batchctl.db")
	p.open = func(t *testing.T) *Store { return openAt(t, path) }
	makeWritten(t, p.target)
	return p
}

// at is a process that dies at a point; the zero point never comes.
func (p *intentPlace) at(t *testing.T, point string, options IntentOptions) batch.Ledger {
	t.Helper()
	dead := false
	options.TestAt = func(at string) error {
		if dead = dead || at == point; dead {
			return errDied
		}
		return nil
	}
	l := NewIntentLedger(p.open(t), p.target, options)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

var errDied = errors.New("the process died")

func claimIntent(t *testing.T, l batch.Ledger) batch.Checkpoint {
	t.Helper()
	at, err := l.Claim(t.Context(), targetStep(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return at[0]
}

func TestIntentLedgerKeepsTheContract(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchtest.Ledger(t, func(t *testing.T) batchtest.LedgerFixture {
				open, dsn := backend(t), sqltest.Schema(t)
				db := targetDB(t, "postgres", dsn)
				makeWritten(t, db)
				return batchtest.LedgerFixture{
					Open: func(t *testing.T) batch.Ledger {
						return NewIntentLedger(open(t), targetDB(t, "postgres", dsn), IntentOptions{})
					},
					Write: func(t *testing.T, tx batch.Tx, row int) { targetRow(t, tx, row) },
					Rows:  func(t *testing.T) []int { return writtenRows(t, db) },
				}
			})
		})
	}
}

func TestIntentMakesNoTableInTheTarget(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	l := p.at(t, "", IntentOptions{})
	claimIntent(t, l)
	if _, err := commitTargetRow(t, l, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Columns(t.Context(), p.target, targetTable); fault.CodeOf(err) != sqldb.NoSuchTable {
		t.Errorf("table %s in the target: got %v, want none", targetTable, err)
	}
}

func TestRestartAsksWhatBecameOfAnIntent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, point string
		sequence    int64
		rows        []int
	}{
		{"before COMMIT it is aborted", "intent.saved", 1, []int{1, 3}},
		{"behind COMMIT it is committed", "intent.committed", 2, []int{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newIntentPlace(t, sqltest.Schema(t))
			before := p.at(t, "", IntentOptions{})
			claimIntent(t, before)
			if _, err := commitTargetRow(t, before, 1); err != nil {
				t.Fatal(err)
			}
			if err := before.Close(); err != nil {
				t.Fatal(err)
			}
			dying := p.at(t, c.point, IntentOptions{})
			claimIntent(t, dying)
			_, _ = commitTargetRow(t, dying, 2)
			_ = dying.Close()
			for range 2 { // what was found out once stays
				after := p.at(t, "", IntentOptions{})
				at := claimIntent(t, after)
				if at.Sequence != c.sequence || at.Ordinal != c.sequence {
					t.Fatalf("restart stands at commit %d, record %d, want %d", at.Sequence, at.Ordinal, c.sequence)
				}
			}
			after := p.at(t, "", IntentOptions{})
			claimIntent(t, after)
			if _, err := commitTargetRow(t, after, 3); err != nil {
				t.Fatal(err)
			}
			wantWritten(t, p.target, c.rows...)
		})
	}
}

// A harness that cannot see what a wrong answer does proves nothing.
func TestControlWrongAnswersLoseAndDoubleRows(t *testing.T) {
	t.Parallel()
	for point, answer := range map[string]string{"intent.saved": "committed", "intent.committed": "aborted"} {
		p := newIntentPlace(t, sqltest.Schema(t))
		dying := p.at(t, point, IntentOptions{TestAnswer: answer})
		claimIntent(t, dying)
		_, _ = commitTargetRow(t, dying, 1)
		_ = dying.Close()
		at := claimIntent(t, p.at(t, "", IntentOptions{TestAnswer: answer}))
		if rows := writtenRows(t, p.target); int(at.Sequence) == len(rows) {
			t.Errorf("died at %s, answered %s: checkpoint and rows agree: %d and %v", point, answer, at.Sequence, rows)
		}
	}
}

// openIntent leaves a transaction open whose intent is saved, as a process that hangs, or whose host is gone, does.
func openIntent(t *testing.T, p *intentPlace) (tx *sqldb.Tx) {
	t.Helper()
	l := NewIntentLedger(p.open(t), p.target, IntentOptions{}).(*intentLedger)
	claimIntent(t, l)
	conn, err := p.target.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tx, err = conn.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	var i intent
	if i.transaction, i.server, err = begun(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	lane, err := l.lane(batch.LaneKey{StepKey: targetStep()})
	if err != nil {
		t.Fatal(err)
	}
	i.checkpoint = following(lane.at, targetRow(t, tx, 1))
	if err := l.intend(t.Context(), lane, i); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestClaimWaitsForAnOpenTransaction(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	tx := openIntent(t, p)
	time.AfterFunc(200*time.Millisecond, func() { _ = tx.Commit(context.Background()) })
	if at := claimIntent(t, p.at(t, "", IntentOptions{})); at.Sequence != 1 {
		t.Errorf("stands at commit %d, want 1: the other process committed while it was waited for", at.Sequence)
	}
}

func TestClaimDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	tx := openIntent(t, p)
	for _, fresh := range []bool{false, true} {
		_, err := p.at(t, "", IntentOptions{Wait: 50 * time.Millisecond, Fresh: fresh}).Claim(t.Context(), targetStep(), 1)
		if fault.CodeOf(err) != "transaction_open" || !strings.Contains(fault.HintOf(err), "pg_terminate_backend") {
			t.Errorf("fresh %v: got %v, hint %q", fresh, err, fault.HintOf(err))
		}
	}
	var pid int
	hint := fault.HintOf(NewIntentLedger(p.open(t), p.target, IntentOptions{}).(*intentLedger).stillOpen(intent{transaction: transactionOf(t, tx)}))
	_, statement, _ := strings.Cut(hint, "with: ")
	if found, err := one(t.Context(), p.target, to(&pid), strings.Replace(statement, "pg_terminate_backend(pid)", "pid", 1)); err != nil || !found {
		t.Errorf("the hint's statement finds no session: %v", err)
	}
	_ = tx.Rollback(t.Context())
	if at := claimIntent(t, p.at(t, "", IntentOptions{})); at.Sequence != 0 {
		t.Errorf("stands at commit %d, want 0", at.Sequence)
	}
}

func transactionOf(t *testing.T, tx *sqldb.Tx) (id int64) {
	t.Helper()
	if _, err := one(t.Context(), tx, to(&id), "select txid_current()"); err != nil {
		t.Fatal(err)
	}
	return id
}

// A process that was taken over while its intent was saved has been waited for; one that comes back later cannot save any.
func TestTakenOverProcessCannotCommit(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	zombie := p.at(t, "", IntentOptions{})
	claimIntent(t, zombie)
	_, err := zombie.Commit(t.Context(), batch.LaneKey{StepKey: targetStep()}, func(tx batch.Tx) (batch.Checkpoint, error) {
		claimIntent(t, p.at(t, "", IntentOptions{}))
		return targetRow(t, tx, 1), nil
	})
	if !errors.Is(err, batch.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	wantWritten(t, p.target)
}

func TestFreshForgetsAnIntentToo(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	dying := p.at(t, "intent.committed", IntentOptions{})
	claimIntent(t, dying)
	_, _ = commitTargetRow(t, dying, 1)
	_ = dying.Close()
	for _, options := range []IntentOptions{{Fresh: true}, {}} {
		if at := claimIntent(t, p.at(t, "", options)); at.Sequence != 0 {
			t.Errorf("fresh %v: stands at commit %d, want 0", options.Fresh, at.Sequence)
		}
	}
}

func TestOtherLedgersRefuseAnOpenIntent(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	dying := p.at(t, "intent.committed", IntentOptions{})
	claimIntent(t, dying)
	_, _ = commitTargetRow(t, dying, 1)
	_ = dying.Close()
	_, err := NewAfterLedger(p.open(t), p.target, false).Claim(t.Context(), targetStep(), 1)
	if !errors.Is(err, batch.ErrNotRestartable) || fault.CodeOf(err) != "open_intent" {
		t.Errorf("got %v, want a refusal", err)
	}
	claimIntent(t, p.at(t, "", IntentOptions{}))
	at, err := NewAfterLedger(p.open(t), p.target, false).Claim(t.Context(), targetStep(), 1)
	if err != nil || at[0].Sequence != 1 {
		t.Errorf("once it was asked: got %+v, %v", at, err)
	}
}

func TestTransactionOfTheFutureStopsTheRestart(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	dying := p.at(t, "intent.committed", IntentOptions{}).(*intentLedger)
	claimIntent(t, dying)
	_, _ = commitTargetRow(t, dying, 1)
	err := dying.store.write(t.Context(), func(tx *sqldb.Tx) error {
		found, err := intents(t.Context(), tx, targetStep())
		if err != nil {
			return err
		}
		i := found[0]
		i.transaction += 1 << 20
		return saveIntent(t.Context(), tx, batch.LaneKey{StepKey: targetStep()}, i)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.at(t, "", IntentOptions{}).Claim(t.Context(), targetStep(), 1)
	if !errors.Is(err, batch.ErrNotRestartable) || !strings.Contains(err.Error(), "put back to an older state") {
		t.Errorf("got %v", err)
	}
}

func TestDamagedIntentIsNotGoneBy(t *testing.T) {
	t.Parallel()
	p := newIntentPlace(t, sqltest.Schema(t))
	dying := p.at(t, "intent.committed", IntentOptions{})
	claimIntent(t, dying)
	_, _ = commitTargetRow(t, dying, 1)
	s := p.open(t)
	change(t, s, "update BATCHCTL_INTENT set transaction_id = transaction_id - 1")
	if _, err := p.at(t, "", IntentOptions{}).Claim(t.Context(), targetStep(), 1); fault.CodeOf(err) != "checksum" {
		t.Errorf("got %v, want a wrong checksum", err)
	}
}

func TestMissingRightsForIntentsAreNamed(t *testing.T) {
	t.Parallel()
	server := sqltest.Postgres(t)
	admin := targetDB(t, "postgres", server)
	if _, err := admin.Exec(t.Context(), "revoke execute on function pg_control_system() from public"); err != nil {
		t.Fatal(err)
	}
	role := "batchctl_" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "_")
	if _, err := admin.Exec(t.Context(), "create role "+role+" login"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = admin.Exec(context.Background(), "drop role "+role) })
	db := targetDB(t, "postgres", strings.Replace(server, "postgres@", role+"@", 1))
	_, err := NewIntentLedger(openNew(t), db, IntentOptions{}).Claim(t.Context(), targetStep(), 1)
	if fault.CodeOf(err) != "42501" || !strings.Contains(fault.HintOf(err), "grant execute on function pg_control_system()") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
}

func TestUserWithoutRightsToTheTableIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	server := sqltest.Postgres(t)
	admin := targetDB(t, "postgres", server)
	role := "batchctl_no_table"
	for _, statement := range []string{"revoke create on schema public from public", "create role " + role + " login"} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(context.Background(), "drop owned by "+role)
		_, _ = admin.Exec(context.Background(), "drop role "+role)
	})
	db := targetDB(t, "postgres", strings.Replace(server, "postgres@", role+"@", 1))
	claim := func() error {
		l := NewTargetLedger(db, TargetOptions{})
		defer func() { _ = l.Close() }()
		_, err := l.Claim(t.Context(), targetStep(), 1)
		return err
	}
	wantHint := func(err error) string {
		hint := fault.HintOf(err)
		if fault.CodeOf(err) != notPermitted || !strings.Contains(hint, "checkpoint: intent") {
			t.Fatalf("got %v, hint %q", err, hint)
		}
		_, statements, _ := strings.Cut(hint, "connection uses: ")
		statements, _, _ = strings.Cut(statements, "; or,")
		return statements
	}
	create, grant, _ := strings.Cut(wantHint(claim()), ";")
	if _, err := admin.Exec(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	wantHint(claim()) // it is there, and may not be used
	if _, err := admin.Exec(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if err := claim(); err != nil {
		t.Errorf("after the statements of the hint: %v", err)
	}
}

func TestIntentGoesWithItsCheckpoint(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		db := targetDB(t, "postgres", sqltest.Schema(t))
		makeWritten(t, db)
		l := NewIntentLedger(s, db, IntentOptions{})
		claimIntent(t, l)
		if _, err := commitTargetRow(t, l, 1); err != nil {
			t.Fatal(err)
		}
		count := func() (n int) {
			if _, err := one(t.Context(), s.db, to(&n), "select count(*) from BATCHCTL_INTENT"); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := count(); n != 1 {
			t.Fatalf("%d intents, want 1", n)
		}
		change(t, s, "delete from "+targetTable)
		if n := count(); n != 0 {
			t.Errorf("%d intents are left", n)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
