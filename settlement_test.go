package main_test

import (
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"batchctl/pkg/sqldb/sqltest"
)

// The amounts are such that rounding each fee, and rounding their sum, are not the same. Some records have no amount, which
// the job leaves out; the table refuses one seller besides.
const settlementRows = `
insert into transactions
select i, i * 7919 %% %[2]d, case when i %% %[4]d = 17 then 0 else (i * 31 %% 100000 + 1) / 100.0 end,
  case when i %% 9 = 0 then 'OPEN' when i %% 11 = 0 then 'REFUNDED' else 'PAID' end,
  date '2026-11-20' + (i %% %[3]d)::int
from generate_series(1::bigint, %[1]d) as i`

const refusedSeller = `alter table settlements add constraint nobody check (seller_id <> 313)`

// settled is what one statement makes of the same rows: round in PostgreSQL goes half away from zero, too.
const settled = `
select seller_id, sum(amount - round(amount * 0.03, 2)), sum(round(amount * 0.03, 2)), count(*)
from transactions where booked_on = $1 and status = 'PAID' and amount > 0 and seller_id <> 313 group by seller_id order by seller_id`

// refused is what the job has to leave out, with the reason.
const refused = `
select id, seller_id, case when amount > 0 then 'constraint' else 'validation' end from transactions
where booked_on = $1 and status = 'PAID' and (amount <= 0 or seller_id = 313) order by id`

// settlement is the job on a server with transactions.
type settlement struct {
	*testing.T
	folder, dsn string
	db          *sql.DB
	sellers     int
}

// newSettlement makes the tables, and so many transactions of so many sellers, spread over days from 2026-11-20 on. Where
// workers are asked for, the job has them instead of partitions.
func newSettlement(t *testing.T, transactions, sellers, days int, workers string) *settlement {
	t.Helper()
	s := &settlement{T: t, folder: jobFolder(t), dsn: sqltest.Postgres(t), sellers: sellers}
	s.db = open(t, "postgres", s.dsn)
	for _, statement := range []string{settlementTables, fmt.Sprintf(settlementRows, transactions, sellers, days, max(500, transactions/200)), refusedSeller, "analyze"} {
		if _, err := s.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if workers != "" {
		text := readText(t, "jobs/settlement.yaml")
		const partition = `partition: {by: modulo, column: seller_id, count: "${params.partitions}", max_parallel: 4}`
		if !strings.Contains(text, partition) {
			t.Fatalf("jobs/settlement.yaml does not say %s", partition)
		}
		writeFile(t, s.folder, "jobs/settlement.yaml", strings.Replace(text, partition, workers, 1))
	}
	return s
}

func (s *settlement) command(args ...string) *exec.Cmd {
	c := command(s.T, s.folder, args...)
	c.Env = append(c.Env, "LEDGER_DSN="+s.dsn)
	return c
}

// underKills settles a day, is killed at random moments over the whole of it, and returns how often it was.
func (s *settlement) underKills(day string, kills int, seed uint64) int {
	s.Helper()
	var payments int
	if err := s.db.QueryRow("select count(*) from transactions where booked_on = $1 and status = 'PAID'", day).Scan(&payments); err != nil {
		s.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 11))
	moments := make([]int, kills)
	for i := range moments {
		moments[i] = random.IntN(payments)
	}
	slices.Sort(moments)
	killed := 0
	args := []string{"run", "jobs/settlement.yaml", "-p", "date=" + day}
	for _, moment := range moments {
		done, died := s.killAt(day, moment, time.Duration(random.IntN(20))*time.Millisecond, args)
		if died {
			killed++
		}
		if done {
			return killed
		}
	}
	if out, err := s.command(args...).CombinedOutput(); err != nil {
		s.Fatalf("batchctl %v: %v\n%s", args, err, out)
	}
	return killed
}

// killAt runs the job until so many payments are settled, and a little longer, and kills it. done says that it ended
// before that.
func (s *settlement) killAt(day string, payments int, longer time.Duration, args []string) (done, died bool) {
	s.Helper()
	c := s.command(args...)
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				s.Fatalf("batchctl %v: %v\n%s", args, err, out.String())
			}
			return true, false
		case <-time.After(3 * time.Millisecond):
		}
		var n int
		if err := s.db.QueryRow("select coalesce(sum(payments), 0) from settlements where booked_on = $1", day).Scan(&n); err != nil {
			s.Fatal(err)
		}
		if n >= payments {
			break
		}
	}
	time.Sleep(longer)
	_ = c.Process.Kill()
	err := <-ended
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signal() == syscall.SIGKILL {
		return false, true
	}
	if err != nil {
		s.Fatalf("batchctl %v: %v\n%s", args, err, out.String())
	}
	return true, false
}

// check compares what is there of a day with what two statements say.
func (s *settlement) check(day string) {
	s.Helper()
	want := rowsText(s.T, s.db, settled, day)
	sellers := strings.Count(want, "\n") + 1
	if sellers < s.sellers*9/10 {
		s.Fatalf("%s: only %d sellers", day, sellers)
	}
	got := rowsText(s.T, s.db, "select seller_id, net, fee, payments from settlements where booked_on = $1 order by seller_id", day)
	if got != want {
		s.Errorf("%s: the settlement differs from one statement's:\n%s", day, firstDifference(got, want))
	}
	file := readText(s.T, filepath.Join(s.folder, "out/settlement-"+day+".csv"))
	lines := "seller_id,net,fee,payments\n" + strings.ReplaceAll(want, "|", ",") + fmt.Sprintf("\nTOTAL,%d\n", sellers)
	if file != lines {
		s.Errorf("%s: the export differs:\n%s", day, firstDifference(file, lines))
	}
	s.checkRejects(day)
}

func (s *settlement) checkRejects(day string) {
	s.Helper()
	want := rowsText(s.T, s.db, refused, day)
	got := rowsText(s.T, s.db, `select (record::json->>'id')::bigint, (record::json->>'seller_id')::bigint, class from settlement_rejects
		where (record::json->>'id')::bigint in (select id from transactions where booked_on = $1) order by 1`, day)
	if got != want || strings.Count(want, "\n") < 10 {
		s.Errorf("%s: the rejects differ:\n%s", day, firstDifference(got, want))
	}
	rows, err := csv.NewReader(strings.NewReader(readText(s.T, filepath.Join(s.folder, "out/rejects-"+day+".csv")))).ReadAll()
	if err != nil || len(rows) != strings.Count(want, "\n")+2 || !slices.Contains(rows[0], "message") {
		s.Errorf("%s: the report of the rejects has %d lines, want a header and %d; %v", day, len(rows), strings.Count(want, "\n")+1, err)
	}
}

func TestSettlementIsThatOfOneStatement(t *testing.T) {
	t.Parallel()
	for name, workers := range map[string]string{"partitions": "", "workers": "workers: 4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettlement(t, 20_000, 397, 2, workers)
			killed := s.underKills("2026-11-20", 4, 1)
			if killed == 0 {
				t.Error("it was never killed")
			}
			out, err := s.command("run", "jobs/settlement.yaml", "-p", "date=2026-11-21", "-p", "partitions=3").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "COMPLETED WITH SKIPS") {
				t.Fatalf("the other day: %v\n%s", err, out)
			}
			for _, day := range []string{"2026-11-20", "2026-11-21"} {
				s.check(day)
			}
			var exit *exec.ExitError
			if err := s.command("run", "jobs/settlement.yaml", "-p", "date=2026-11-20").Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
				t.Errorf("a second settlement of a day: %v, want exit code 7", err)
			}
		})
	}
}

func TestSettlementWithoutRejectsGoesStraightToTheExport(t *testing.T) {
	t.Parallel()
	s := newSettlement(t, 900, 390, 1, "")
	if _, err := s.db.Exec("delete from transactions where amount <= 0 or seller_id = 313"); err != nil {
		t.Fatal(err)
	}
	out, err := s.command("run", "jobs/settlement.yaml", "-p", "date=2026-11-20").CombinedOutput()
	if err != nil || strings.Contains(string(out), "step=report_rejects") || !strings.Contains(string(out), "COMPLETED in") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A million transactions, killed at 50 random moments, come to the same totals.
func TestBigSettlementSurvivesFiftyKills(t *testing.T) {
	soak(t)
	for name, workers := range map[string]string{"partitions": "", "workers": "workers: 4"} {
		t.Run(name, func(t *testing.T) {
			s := newSettlement(t, 1_000_000, 10_007, 1, workers)
			killed := s.underKills("2026-11-20", 50, 2)
			s.check("2026-11-20")
			if killed < 40 {
				t.Errorf("it was killed %d times only", killed)
			}
			t.Logf("%s: %d kills, %d sellers to the cent", name, killed, s.sellers)
		})
	}
}
