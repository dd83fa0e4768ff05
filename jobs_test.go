package main_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every job in jobs/ is run as it is.

func TestEveryJobIsRunByATest(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("jobs/*.yaml")
	if err != nil || fmt.Sprint(found) != "[jobs/nightly.yaml jobs/quickstart.yaml jobs/settlement.yaml]" {
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
