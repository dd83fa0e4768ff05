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

// computed is a chain that takes some twenty times as long as reading its records, as money has it: numbers of a few digits
// behind the point, cases, and a little text.
const computed = `      - set:
          fee: round(amount * 0.029 + 0.30, 2)
          net: amount - round(amount * 0.029 + 0.30, 2)
          rate: round(amount / 7 + id % 11, 6)
          kind: 'amount < 100 ? "small" : amount < 10000 ? "middle" : "large"'
      - filter: net > -100 and not starts_with(memo, "void") and id % 1000 != 1001
      - set:
          tax: round(net * 0.19, 2)
          gross: round(net * 1.19, 2)
          month: round((net * 1.19 + rate) / 12, 4)
          share: round(net / (1 + seller_id % 9), 4)
          rest: round(net - 3 * round(net / 3, 2), 2)
      - set:
          bonus: 'kind == "large" and tax > 100 ? round(gross / 100, 2) : kind == "middle" ? round(gross / 1000, 2) : 0.00'
          level: round((month + share + rest) / (2 + id % 5), 3)
          points: floor(gross / 10) + ceil(net / 13) + round(rate / 17, 0)
          score: round((fee * 3 + tax * 2 + gross) / 6 + rate % 3, 4)
      - set:
          early: round(net * 0.98 + rest / 6, 2)
          late: round(gross * 1.015 + month % 5, 2)
          cash: 'score > 100 and level > 10 ? round((early + late) / 2, 2) : round((early * 3 + late) / 4, 2)'
          owed: round(max(gross - cash, 0) / 24 + min(tax, 100) / 12, 4)
          paid: round(abs(cash - fee) / (1 + id % 13), 3)
          note: 'memo contains "7" ? "seven" : starts_with(memo, "memo 1") ? "one" : "other"'
          left: round((owed * 7 + paid * 11 + points) / 19, 5)
      - filter: left > -1000000 and paid >= 0
      - set:
          plan: round((left + owed + paid) / 3 + round(gross / 36, 2) * 2, 3)
          last: round((plan * 12 - cash) / (3 + seller_id % 4), 2)
      - filter: score > -1000000 and level > -1000000 and points > -1000000`

// Four partitions against one, the same job in turn: the best of each counts, since others use the machine, too. Where it is
// so busy that computing alone does not gain the double from two cores, as much less is asked for. Into PostgreSQL chunks are
// small, so that one partition has commits to wait for: with a thousand rows in each it keeps client and server so busy that
// two cores have no room for more (docs/partitions.md).
func TestPartitionsAreFasterThanOne(t *testing.T) {
	soak(t)
	folder := t.TempDir()
	writeHuge(t, filepath.Join(folder, "in.csv"), 48<<20)
	for _, c := range []struct {
		name, processors, writer, connections string
		chunk                                 int
		want                                  float64
	}{
		{"processors", "\n" + computed, "{type: discard}", "", 1000, 1.7},
		{"csv to postgres", " []", "{type: sql, connection: shop, table: payments, create: true}", "connections: {shop: {driver: postgres, dsn: %q}}", 200, 1.3},
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
    chunk: %d
    partition: {by: range, count: %d}
    reader: {type: csv, path: in.csv, columns: {id: int, seller_id: int, amount: decimal}}
    processors:%s
    writer: %s
`, count, connections, c.chunk, count, c.processors, strings.ReplaceAll(c.writer, "payments", fmt.Sprintf("payments%d", count))))
			}
			best, alone := map[int]time.Duration{}, map[int]time.Duration{}
			ratio, want := 0.0, c.want
			for try := 0; try < 3 || try < 10 && ratio < c.want; try++ {
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
