package main_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

const (
	hugeFile       = 1 << 30   // bytes
	hugeMemory     = 128 << 20 // bytes of resident memory at the peak, of 8 partitions at a time
	hugePartitions = 8
)

// writeHuge writes a CSV file of a size, an eighth of its records with line ends in quotes, and returns how many records it has.
func writeHuge(t *testing.T, path string, size int) (records int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	written, err := w.WriteString("id,seller_id,amount,memo\n")
	for ; written < size && err == nil; records++ {
		memo := "a memo without quotes that fills the line up a little"
		switch records % 8 {
		case 3:
			memo = "\"line one\nline \"\"two\"\",\n\n999999999,1,2.00,\"\"a record?\"\"\nthe end\""
		case 5:
			memo = "\"quoted, with a comma\""
		}
		var n int
		n, err = fmt.Fprintf(w, "%d,%d,%d.%02d,%s\n", records, records%10007, records%100000, records%100, memo)
		written += n
	}
	if err == nil {
		err = w.Flush()
	}
	if closed := file.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return records
}

// A file of 1 GiB is divided at borders between records, killed in the middle, and restarted: every record is written once,
// in bounded memory.
func TestGibibyteInEightPartitionsHasEveryRecordOnce(t *testing.T) {
	soak(t)
	folder := t.TempDir()
	records := writeHuge(t, filepath.Join(folder, "huge.csv"), hugeFile)
	writeFile(t, folder, "job.yaml", fmt.Sprintf(`job: huge
steps:
  - name: load
    partition: {by: range, count: %d, max_parallel: %d}
    reader: {type: csv, path: huge.csv, columns: {id: int}}
    writer: {type: csv, path: "out/${partition.name}.csv"}
    check: [counters.read_count == %d]
`, hugePartitions, hugePartitions, records))
	first := command(t, folder, "run", "job.yaml", "--no-progress", "--log-format", "json")
	log, err := first.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	checkMemory := startMeasured(t, first, hugeMemory)
	lines := bufio.NewScanner(log)
	for lines.Scan() && !strings.Contains(lines.Text(), `"msg":"step started"`) {
	}
	took := time.Since(begin)
	t.Logf("divided after %s, the start of the process included: %.1f GB/s", took.Round(time.Millisecond), hugeFile/took.Seconds()/1e9)
	time.Sleep(2 * time.Second) // anywhere in the middle
	if err := first.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("the load ended before it could be killed: %v", err)
	}
	_, _ = io.Copy(io.Discard, log)
	_ = first.Wait()
	checkMemory()

	second := command(t, folder, "restart", "--quiet")
	var said strings.Builder
	second.Stdout, second.Stderr = &said, &said
	begin = time.Now()
	checkMemory = startMeasured(t, second, hugeMemory)
	if err := second.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	t.Logf("%d records, restarted for %s", records, time.Since(begin).Round(time.Millisecond))
	checkMemory()
	onceEach(t, folder, records)
}

// onceEach reads the files of all partitions with the standard library.
func onceEach(t *testing.T, folder string, records int) {
	t.Helper()
	seen := make([]bool, records)
	total := 0
	for i := range hugePartitions {
		text, err := os.ReadFile(filepath.Join(folder, "out", fmt.Sprintf("partition%d.csv", i)))
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.ReuseRecord = true
		mine := 0
		for {
			record, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if record[0] == "id" {
				continue
			}
			id, err := strconv.Atoi(record[0])
			if err != nil || id < 0 || id >= records || seen[id] || record[2] != fmt.Sprintf("%d.%02d", id%100000, id%100) {
				t.Fatalf("partition %d has %q, which is no record or was there before: %v", i, record, err)
			}
			seen[id] = true
			mine++
		}
		if mine < records/hugePartitions/2 {
			t.Errorf("partition %d has %d of %d records", i, mine, records)
		}
		total += mine
	}
	if total != records {
		t.Errorf("%d records, want %d", total, records)
	}
}

// computing does so much in k goroutines at a time, and nothing but.
func computing(k int) time.Duration {
	begin := time.Now()
	var all sync.WaitGroup
	var sum atomic.Uint64
	for range k {
		all.Go(func() {
			x := uint64(1)
			for range 2_000_000_000 / k {
				x = x*6364136223846793005 + 1
			}
			sum.Add(x)
		})
	}
	all.Wait()
	return time.Since(begin)
}

// Four partitions against one, the same job in turn: the best of each counts, since others use the machine, too. Where it is
// so busy that computing alone does not gain the double from two cores, as much less is asked for.
func TestPartitionsAreFasterThanOne(t *testing.T) {
	soak(t)
	folder := t.TempDir()
	writeHuge(t, filepath.Join(folder, "in.csv"), 48<<20)
	for _, c := range []struct {
		name, processors, writer, connections string
		want                                  float64
	}{
		{"processors", `
      - set:
          a: round(amount * 1.1 / 3 + id % 7, 4)
          b: round(a * a / 7 + amount, 6)
          c: upper(memo) + lower(memo)
          d: round(b / 3 + a / 7, 8)
      - filter: d > -1 and b >= a - 100000000
      - set:
          e: round(d * d / 11, 6)
          f: replace(c, "line", "LINE")`, "{type: discard}", "", 1.7},
		{"csv to postgres", " []", "{type: sql, connection: shop, table: payments, create: true}", "connections: {shop: {driver: postgres, dsn: %q}}", 1.3},
	} {
		t.Run(c.name, func(t *testing.T) {
			connections := c.connections
			if connections != "" {
				dsn := sqltest.Postgres(t)
				connections = fmt.Sprintf(connections, dsn)
			}
			for _, count := range []int{1, 4} {
				writeFile(t, folder, fmt.Sprintf("job%d.yaml", count), fmt.Sprintf(`job: speed%d
%s
steps:
  - name: load
    partition: {by: range, count: %d}
    reader: {type: csv, path: in.csv, columns: {id: int, seller_id: int, amount: decimal}}
    processors:%s
    writer: %s
`, count, connections, count, c.processors, strings.ReplaceAll(c.writer, "payments", fmt.Sprintf("payments%d", count))))
			}
			best, alone := map[int]time.Duration{}, map[int]time.Duration{}
			ratio, want := 0.0, c.want
			for try := 0; try < 10 && ratio < c.want; try++ {
				for _, count := range []int{1, 4} {
					begin := time.Now()
					if out, err := command(t, folder, "run", fmt.Sprintf("job%d.yaml", count), "--quiet").CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					if took := time.Since(begin); best[count] == 0 || took < best[count] {
						best[count] = took
					}
					if took := computing(count); alone[count] == 0 || took < alone[count] {
						alone[count] = took
					}
				}
				ratio = best[1].Seconds() / best[4].Seconds()
			}
			possible := alone[1].Seconds() / alone[4].Seconds()
			want *= min(1, possible/2)
			t.Logf("one %s, four %s: %.2f times as fast; computing alone %.2f times", best[1].Round(time.Millisecond), best[4].Round(time.Millisecond), ratio, possible)
			if ratio < want {
				t.Errorf("four partitions are %.2f times as fast as one, want %.2f", ratio, want)
			}
		})
	}
}
