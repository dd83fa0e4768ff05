package main_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// soak skips a test that takes minutes, unless it is asked for.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("BATCHCTL_SOAK") == "" {
		t.Skip("takes minutes: make soak runs it")
	}
}

const (
	bigRecords = 2_000_000
	bigMemory  = 100 << 20 // bytes of resident memory at the peak
	bigRestart = time.Second
)

// A load of two million lines runs in bounded memory, and a restart near its end is at work within a second of where it
// was, because the reader seeks instead of reading again.
func TestBigLoadIsBoundedInMemoryAndRestartsAtOnce(t *testing.T) {
	soak(t)
	input := filepath.Join(t.TempDir(), "payments.csv")
	generate := exec.Command("go", "run", "./testdata/gen", "-n", fmt.Sprint(bigRecords), "-seed", "42", "-o", input)
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			folder := t.TempDir()
			dsn := filepath.Join(folder, "shop.db")
			if driver == "postgres" {
				dsn = sqltest.Postgres(t)
			}
			writeFile(t, folder, "job.yaml", fmt.Sprintf(`job: big
params: {day: {type: date, default: 2026-11-20}}
connections:
  shop: {driver: %s, dsn: %q}
steps:
  - name: load
    chunk: 1000
    reader: {type: csv, path: %q, columns: {id: int, seller_id: int, amount: decimal, paid_at: datetime}}
    writer: {type: sql, connection: shop, table: payments, create: true}
`, driver, dsn, input))
			db, err := sql.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			killAt(t, folder, db, bigRecords*9/10)
			restartBig(t, folder, db)
			var rows, distinct int
			if err := db.QueryRow("select count(*), count(distinct id) from payments").Scan(&rows, &distinct); err != nil {
				t.Fatal(err)
			}
			if rows != bigRecords || distinct != bigRecords {
				t.Errorf("%d rows, %d distinct, want %d", rows, distinct, bigRecords)
			}
		})
	}
}

// ordinal is how many records the target's checkpoint says are loaded.
func ordinal(db *sql.DB) int {
	var n int
	if err := db.QueryRow("select max(ordinal) from batchctl_checkpoint").Scan(&n); err != nil {
		return 0
	}
	return n
}

func killAt(t *testing.T, folder string, db *sql.DB, records int) {
	t.Helper()
	c := command(t, folder, "run", "job.yaml", "--quiet")
	begin := time.Now()
	checkMemory := startMeasured(t, c, bigMemory)
	for ordinal(db) < records && time.Since(begin) < 5*time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("the load ended before it could be killed: %v", err)
	}
	_ = c.Wait()
	checkMemory()
	t.Logf("killed behind record %d after %s", ordinal(db), time.Since(begin).Round(time.Millisecond))
}

func restartBig(t *testing.T, folder string, db *sql.DB) {
	t.Helper()
	before := ordinal(db)
	c := command(t, folder, "restart", "--quiet")
	begin := time.Now()
	checkMemory := startMeasured(t, c, bigMemory)
	for ordinal(db) == before && time.Since(begin) < time.Minute {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	t.Logf("first commit %s after the restart", took.Round(time.Millisecond))
	if took > bigRestart {
		t.Errorf("the restart committed first after %s, want %s", took, bigRestart)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	checkMemory()
}
