package main_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nightlyFolder is a folder with the job and the files of a day; orders are the lines of the one, customers those of the
// other.
func nightlyFolder(t *testing.T, orders, customers string) string {
	t.Helper()
	folder := jobFolder(t)
	if err := os.Mkdir(filepath.Join(folder, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, folder, "in/customers-2026-11-20.csv", "id,name,region\n"+customers)
	writeFile(t, folder, "in/orders-2026-11-20.csv.gz", gzipped(t, "id,customer_id,amount,ordered_at\n"+orders))
	return folder
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	nightlyCustomers = "1,Kim,Seoul\n2,Lee,Busan\n"
	nightlyOrders    = "1,1,10.50,2026-11-20T01:02:03\n2,2,20.25,2026-11-20T02:02:03\n3,1,1.00,2026-11-20T03:02:03\n"
)

// ends runs batchctl on the nightly job and compares its exit code.
func ends(t *testing.T, folder string, code int, args ...string) string {
	t.Helper()
	cmd := command(t, folder, args...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("batchctl %v: exit %d, want %d\n%s", args, got, code, out)
	}
	return string(out)
}

func TestNightlyPublishesTheRevenue(t *testing.T) {
	t.Parallel()
	folder := nightlyFolder(t, nightlyOrders+"T,3,31.75\n", nightlyCustomers)
	ends(t, folder, 0, "run", "jobs/nightly.yaml", "-p", "day=2026-11-20")
	want := `{"region":"Busan","orders":1,"amount":"20.25"},` + "\n" + `{"region":"Seoul","orders":2,"amount":"11.50"}`
	if got := readText(t, filepath.Join(folder, "out/revenue-2026-11-20.json")); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	ends(t, folder, 7, "run", "jobs/nightly.yaml", "-p", "day=2026-11-20")
}

func TestNightlyWithoutOrdersEndsEmpty(t *testing.T) {
	t.Parallel()
	folder := nightlyFolder(t, "T,0,0.00\n", nightlyCustomers)
	out := ends(t, folder, 0, "run", "jobs/nightly.yaml", "-p", "day=2026-11-20")
	if !strings.Contains(out, "nothing_to_do") || !strings.Contains(out, "exit_status=EMPTY") {
		t.Errorf("got\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(folder, "out")); err == nil {
		t.Error("there is an output")
	}
}

func TestNightlyNeedsItsFiles(t *testing.T) {
	t.Parallel()
	folder := nightlyFolder(t, "T,0,0.00\n", nightlyCustomers)
	if err := os.Remove(filepath.Join(folder, "in/orders-2026-11-20.csv.gz")); err != nil {
		t.Fatal(err)
	}
	out := ends(t, folder, 3, "run", "jobs/nightly.yaml", "-p", "day=2026-11-20")
	if !strings.Contains(out, "step wait_for_files failed: not there: in/orders-2026-11-20.csv.gz") {
		t.Errorf("got\n%s", out)
	}
}

func TestNightlyStopsAtAFailedLoadAndGoesOnThere(t *testing.T) {
	t.Parallel()
	folder := nightlyFolder(t, nightlyOrders+"T,4,31.75\n", nightlyCustomers) // the file was cut: 4 orders are announced
	out := ends(t, folder, 11, "run", "jobs/nightly.yaml", "-p", "day=2026-11-20")
	if !strings.Contains(out, "count == counters.read_count") {
		t.Errorf("the control total is not named:\n%s", out)
	}
	writeFile(t, folder, "in/orders-2026-11-20.csv.gz", gzipped(t, "id,customer_id,amount,ordered_at\n"+nightlyOrders+"4,2,0.25,2026-11-20T04:02:03\nT,4,32.00\n"))
	ends(t, folder, 0, "restart")
	if got := readText(t, filepath.Join(folder, "out/revenue-2026-11-20.json")); !strings.Contains(got, `"orders":2,"amount":"20.50"`) {
		t.Errorf("got %s", got)
	}
}
