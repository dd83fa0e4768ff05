package main_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// Every job in jobs/ is run as it is.

func TestEveryJobIsRunByATest(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("jobs/*.yaml")
	if err != nil || fmt.Sprint(found) != "[jobs/quickstart.yaml jobs/settlement.yaml]" {
		t.Errorf("jobs/ holds %v: write a test for a new one, and name it here; %v", found, err)
	}
}

// jobFolder is a folder with the repository's jobs and test data.
func jobFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, part := range []string{"jobs", "testdata"} {
		if err := os.CopyFS(filepath.Join(folder, part), os.DirFS(part)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// mustRun runs batchctl and returns what it printed; another exit code than 0 ends the test.
func mustRun(t *testing.T, folder string, args ...string) string {
	t.Helper()
	out, err := command(t, folder, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("batchctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestQuickstartRunsTwiceWithOneResult(t *testing.T) {
	t.Parallel()
	folder := jobFolder(t)
	paid := paidPayments(t, filepath.Join(folder, "testdata/payments.csv"))
	for run := range 2 {
		out := mustRun(t, folder, "run", "jobs/quickstart.yaml")
		if want := fmt.Sprintf("1,000 read %12d written %9d filtered", paid, 1000-paid); !strings.Contains(out, want) {
			t.Errorf("run %d does not say %q:\n%s", run+1, want, out)
		}
		db := open(t, "sqlite", filepath.Join(folder, "build/shop.db"))
		got := rowsText(t, db, `select count(*), count(distinct id), sum(fee <> '') from payments`)
		if want := fmt.Sprintf("%d|%d|%d", paid, paid, paid); got != want {
			t.Errorf("run %d: rows|ids|fees: %s, want %s", run+1, got, want)
		}
		if got := rowsText(t, db, `select amount, fee from payments where id = 1`); got != "159.92|4.80" {
			t.Errorf("run %d: payment 1 is %s", run+1, got)
		}
	}
	if got := rowsText(t, open(t, "sqlite", filepath.Join(folder, "meta/batchctl.db")),
		"select count(*), count(distinct JOB_INSTANCE_ID), min(STATUS), max(STATUS) from BATCH_JOB_EXECUTION"); got != "2|2|COMPLETED|COMPLETED" {
		t.Errorf("executions|instances|statuses: %s", got)
	}
}

// paidPayments counts the payments of the file of 1,000 that are paid. No field before the status holds a newline.
func paidPayments(t *testing.T, path string) int {
	t.Helper()
	return strings.Count(readText(t, path), ",PAID,")
}

const settlementTables = `
create table transactions (
  id bigint primary key, seller_id bigint not null, amount numeric(18, 2) not null,
  status text not null, booked_on date not null);
create index on transactions (booked_on, seller_id, id);
create table settlements (
  seller_id bigint, booked_on date, net numeric(20, 2) not null, fee numeric(20, 2) not null,
  payments bigint not null, primary key (seller_id, booked_on));`

func TestTheTablesOfTheSettlementAreThoseItNames(t *testing.T) {
	t.Parallel()
	said := strings.ReplaceAll(readText(t, "jobs/settlement.yaml"), "#   ", "")
	for _, line := range strings.Split(strings.TrimSpace(settlementTables), "\n") {
		if !strings.Contains(said, line) {
			t.Errorf("jobs/settlement.yaml does not say %q", line)
		}
	}
}

// The amounts are such that rounding each fee, and rounding their sum, are not the same.
const settlementRows = `
insert into transactions
select i, i * 7919 % 997, (i * 31 % 100000 + 1) / 100.0,
  case when i % 9 = 0 then 'OPEN' when i % 11 = 0 then 'REFUNDED' else 'PAID' end,
  date '2026-11-20' + (i % 3)::int
from generate_series(1, 60000) as i`

// settled is what one statement makes of the same rows: round in PostgreSQL goes half away from zero, too.
const settled = `
select seller_id, sum(amount - round(amount * 0.03, 2)), sum(round(amount * 0.03, 2)), count(*)
from transactions where booked_on = $1 and status = 'PAID' group by seller_id order by seller_id`

func TestSettlementIsThatOfOneStatement(t *testing.T) {
	t.Parallel()
	dsn := sqltest.Postgres(t)
	db := open(t, "postgres", dsn)
	for _, statement := range []string{settlementTables, settlementRows} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	folder := jobFolder(t)
	ledger := func(args ...string) *exec.Cmd {
		c := command(t, folder, args...)
		c.Env = append(c.Env, "LEDGER_DSN="+dsn)
		return c
	}
	killSettling(t, db, ledger("run", "jobs/settlement.yaml", "-p", "date=2026-11-20"))
	for _, args := range [][]string{{"restart", "settlement"}, {"run", "jobs/settlement.yaml", "-p", "date=2026-11-21"}} {
		if out, err := ledger(args...).CombinedOutput(); err != nil {
			t.Fatalf("batchctl %v: %v\n%s", args, err, out)
		}
	}
	for _, day := range []string{"2026-11-20", "2026-11-21"} {
		checkSettlement(t, db, folder, day)
	}
	if n := rowsText(t, db, "select count(*) from settlements where booked_on = '2026-11-22'"); n != "0" {
		t.Errorf("%s rows of a day that was not settled", n)
	}
	var exit *exec.ExitError
	if err := ledger("run", "jobs/settlement.yaml", "-p", "date=2026-11-20").Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("a second settlement of a day: %v, want exit code 7", err)
	}
}

// killSettling starts the settlement and kills it as soon as a part of it is committed.
func killSettling(t *testing.T, db *sql.DB, c *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	settling := func() (n int) {
		if err := db.QueryRow("select count(*) from settlements").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for begun := time.Now(); settling() < 100 && time.Since(begun) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if n := settling(); !ok || status.Signal() != syscall.SIGKILL || n < 100 || n >= 997 {
		t.Fatalf("it was not killed in the middle: %v, %d sellers are settled\n%s", c.ProcessState, n, out.String())
	}
}

func checkSettlement(t *testing.T, db *sql.DB, folder, day string) {
	t.Helper()
	want := rowsText(t, db, settled, day)
	sellers := strings.Count(want, "\n") + 1
	if sellers < 900 {
		t.Fatalf("%s: only %d sellers", day, sellers)
	}
	got := rowsText(t, db, "select seller_id, net, fee, payments from settlements where booked_on = $1 order by seller_id", day)
	if got != want {
		t.Errorf("%s: the settlement differs from one statement's:\n%s", day, firstDifference(got, want))
	}
	file := readText(t, filepath.Join(folder, "out/settlement-"+day+".csv"))
	lines := "seller_id,net,fee,payments\n" + strings.ReplaceAll(want, "|", ",") + fmt.Sprintf("\nTOTAL,%d\n", sellers)
	if file != lines {
		t.Errorf("%s: the export differs:\n%s", day, firstDifference(file, lines))
	}
}

// firstDifference shows the first line that differs.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: got %s, want %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
