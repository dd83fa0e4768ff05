package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A load meets a full disk, of several sizes: where its output goes, its table, its dead letters, or the job repository.
// It has to say which disk is full, must not be called complete, and goes on exactly once there is room.

// fullDisk is a load with one folder on a small disk.
type fullDisk struct {
	target killTarget
	folder string   // the one on the small disk
	sizes  []string // of the disk, as mount(8) takes them
	says   string   // what the error has to name, below the load's folder
}

// outgrow are sizes that the output of such a load does not fit into.
var outgrow = []string{"1500k", "2500k", "4m", "6m"}

const fullRecords = 250_000

func fullDisks() []fullDisk {
	rejected := "{type: csv, path: out/payments.csv}\n    skip: {limit: 1000000, on: [data]}\n    dead_letter: {type: jsonl, path: dead/letters.jsonl}"
	all := []fullDisk{
		{killTarget{name: "full csv", source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
			"out", outgrow, "out/.payments.csv."},
		{killTarget{name: "full jsonl", source: "csv", writer: "{type: jsonl, path: out/payments.jsonl}", outputs: []string{"out/payments.jsonl"}},
			"out", outgrow, "out/.payments.jsonl."},
		{killTarget{name: "full json", source: "csv", writer: "{type: json, path: out/payments.json}", outputs: []string{"out/payments.json"}},
			"out", outgrow, "out/.payments.json."},
		{killTarget{name: "full sqlite", source: "csv", database: "sqlite", writer: "{type: sql, connection: shop, table: payments, create: true}"},
			"out", outgrow, "out/shop.db"},
		{killTarget{name: "full letters", source: "csv", writer: rejected, outputs: []string{"out/payments.csv"}},
			"dead", outgrow, "dead/.letters.jsonl."},
		{killTarget{name: "full metadata", source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
			"meta", metadataSizes(), "meta/batchctl.db"},
	}
	for i := range all {
		all[i].target.records = fullRecords
	}
	return all
}

// metadataSizes go from no room for the file at all to room for the whole run, a few pages at a time.
func metadataSizes() (sizes []string) {
	for kib := 4; kib <= 420; kib += 8 {
		sizes = append(sizes, fmt.Sprintf("%dk", kib))
	}
	return sizes
}

func TestFullDiskIsNamedAndTheLoadGoesOnExactly(t *testing.T) {
	t.Parallel()
	if !mayMount(t) {
		return
	}
	for _, disk := range fullDisks() {
		t.Run(strings.ReplaceAll(disk.target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			sizes := disk.sizes
			if os.Getenv("BATCHCTL_SOAK") == "" {
				sizes = []string{sizes[len(sizes)*2/3]}
				if disk.folder == "meta" {
					sizes = append(sizes, disk.sizes[0])
				}
			}
			failed, worked := 0, 0
			for _, size := range sizes {
				switch fillDisk(t, disk, size) {
				case 3:
					failed++
				case 1:
					failed, worked = failed+1, worked+1
				}
			}
			t.Logf("%d of %d disks were too small, for %d of them after something was committed", failed, len(sizes), worked)
			if failed == 0 {
				t.Error("no disk was too small: this shows nothing")
			}
		})
	}
}

// fillDisk runs a load on a disk of a size, then on a larger one, and returns the first exit code.
func fillDisk(t *testing.T, disk fullDisk, size string) int {
	t.Helper()
	p := &place{target: disk.target, folder: t.TempDir(), dsn: "out/shop.db"}
	p.writeQuickly(t)
	if disk.folder == "dead" {
		definition := strings.Replace(p.target.definition(p.dsn), "filter: id % 10 != 3", "validate: [{rule: id % 10 != 3, message: not this one}]", 1)
		p.write(t, "job.yaml", definition)
	}
	grow := mountSmall(t, filepath.Join(p.folder, disk.folder), size)
	code, _, output := p.run(t, time.Minute, "run", "job.yaml", "--no-progress")
	where := filepath.Join(p.folder, disk.says)
	full := strings.Contains(output, "no space left on device") || strings.Contains(output, "SQLITE_FULL") || strings.Contains(output, "SQLITE_IOERR_SHMSIZE")
	switch {
	case code == 0 && disk.folder == "meta":
		return code // there was room
	case code != 1 && code != 3:
		t.Errorf("%s: exit %d, want 1 or 3\n%s", size, code, output)
	case !strings.Contains(output, where) || !full || !strings.Contains(output, "make room on"):
		t.Errorf("%s: the error does not say that %s is full and what to do\n%s", size, where, output)
	case strings.Contains(output, "\nCOMPLETED"):
		t.Errorf("%s: it says COMPLETED with exit %d\n%s", size, code, output)
	}
	if listed, _, text := p.run(t, time.Minute, "list"); listed != 0 && disk.folder != "meta" {
		t.Errorf("%s: list: exit %d\n%s", size, listed, text)
	}
	grow()
	if again, _, text := p.run(t, time.Minute, "run", "job.yaml", "--no-progress"); again != 0 {
		t.Errorf("%s: exit %d\n%s\nwith more room: exit %d\n%s", size, code, output, again, text)
		return code
	}
	p.check(t, 0)
	if disk.folder == "dead" {
		p.checkLetters(t)
	}
	return code
}

// ofThisRun is what letters of two runs differ in.
var ofThisRun = regexp.MustCompile(`"(repository_id|job_instance_id|job_execution_id|created_at)":("[^"]*"|\d+),?`)

// checkLetters looks whether there is one letter for each record that was left out, in their order.
func (p *place) checkLetters(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, "dead/letters.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	letters := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if want := p.target.records / 10; len(letters) != want {
		t.Fatalf("%d letters, want %d", len(letters), want)
	}
	for i, letter := range letters {
		if want := fmt.Sprintf(`"ordinal":%d,`, 10*i+4); !strings.Contains(letter, want) {
			t.Fatalf("letter %d is not that of %s: %s", i, want, ofThisRun.ReplaceAllString(letter, ""))
		}
	}
}

// mayMount reports whether a file system may be mounted here. Where only a namespace of its own may, the test runs there,
// in another process, and is over here.
func mayMount(t *testing.T) bool {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err == nil {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Fatal(err)
		}
		return true
	}
	const inside = "BATCHCTL_TEST_UNSHARED"
	if os.Getenv(inside) != "" || exec.Command("unshare", "-Urm", "true").Run() != nil {
		t.Skip("NOT TESTED: nothing may be mounted here, and there are no user namespaces")
	}
	c := exec.Command("unshare", "-Urm", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inside+"=1")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "NOT TESTED") {
		t.Errorf("in a namespace of its own: %v\n%s", err, out)
	}
	return false
}

// mountSmall mounts a small disk at a new folder. The function that it returns makes the disk large.
func mountSmall(t *testing.T, folder, size string) (grow func()) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=777,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func() {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
			t.Fatal(err)
		}
	}
}
