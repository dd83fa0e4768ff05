package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/batch"
)

// shared is a job with a table src of 8 rows, divided by whether their ids are even.
const shared = `
params: {n: {type: int, default: 2, identifying: false}}
steps:
  - name: load
    chunk: 2
    partition: {by: modulo, column: id, count: "${params.n}"}
    reader: {type: sql, connection: shop, query: "select id from src", keyset: [id]}
    writer: {type: sql, connection: shop, table: t}
`

// newTable puts a table t in the place of the one before: it holds these ids, and refuses those.
func (s *scene) newTable(ids, refused string) {
	s.Helper()
	s.exec("drop table t")
	s.table(refused)
	for _, id := range strings.Fields(ids) {
		s.exec("insert into t (id) values (" + id + ")")
	}
}

func (s *scene) source() {
	s.Helper()
	s.exec("create table src (id integer primary key)")
	s.exec("insert into src values (1), (2), (3), (4), (5), (6), (7), (8)")
}

// parts are the step executions that an execution had of its own, as NAME:STATUS, by name.
func (s *scene) parts(o *Outcome) string {
	var all []string
	for _, step := range o.Execution.Steps {
		if step.JobID == o.Execution.ID {
			all = append(all, fmt.Sprintf("%s:%s", step.Name, step.Status))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (s *scene) hasParts(o *Outcome, want string) {
	s.Helper()
	if got := s.parts(o); got != want {
		s.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSpringScenariosOfPartitions(t *testing.T) {
	t.Parallel()
	eachScene(t, "D6.59 a restart runs the partition that failed, and that alone", func(s *scene) {
		s.source()
		s.table("2")
		s.job(shared)
		o := s.fails("")(s.run())
		s.hasParts(o, "load:FAILED load:partition0:FAILED load:partition1:COMPLETED")
		s.rows("1 3 5 7")
		s.newTable("1 3 5 7", "")
		o = s.completes(s.run())
		s.hasParts(o, "load:COMPLETED load:partition0:COMPLETED")
		s.rows("1 2 3 4 5 6 7 8")
		if load := s.step(o, "load"); counted(load.Counters) != "r4 w4 c2" || load.Total.Read != 8 {
			s.Errorf("the step counts %s, in all %s", counted(load.Counters), counted(load.Total))
		}
	})
	eachScene(t, "D6.60 a restart keeps the number of partitions", func(s *scene) {
		s.source()
		s.table("2")
		s.job(shared)
		s.fails("")(s.run())
		s.newTable("1 3 5 7", "")
		s.hasParts(s.completes(s.run("n=3")), "load:COMPLETED load:partition0:COMPLETED")
		s.rows("1 2 3 4 5 6 7 8")
	})
	onScene(t, "D6.60 a partition that the ledger does not call complete is not taken for it", func(s *scene) {
		s.source()
		s.table("2")
		s.job(shared)
		s.fails("")(s.run())
		s.newTable("", "")
		s.exec("delete from batchctl_checkpoint where step = 'load:partition1'")
		o, err := s.run()
		if err == nil || !strings.Contains(err.Error(), "checkpoint stands at record 0") {
			s.Errorf("got %v", err)
		}
		s.hasParts(o, "load:FAILED load:partition0:COMPLETED")
	})
	eachScene(t, "D6.61 each partition goes on behind its own checkpoint", func(s *scene) {
		s.source()
		s.table("7 8")
		s.job(shared)
		o := s.fails("")(s.run())
		s.hasParts(o, "load:FAILED load:partition0:FAILED load:partition1:FAILED")
		s.rows("1 2 3 4")
		s.newTable("1 2 3 4", "")
		o = s.completes(s.restart())
		for _, name := range []string{"load:partition0", "load:partition1"} {
			if got := counted(s.step(o, name).Counters); got != "r2 w2 c1" {
				s.Errorf("%s: %s", name, got)
			}
		}
		s.rows("1 2 3 4 5 6 7 8")
	})
	eachScene(t, "D6.61 a stop reaches the partitions, and the step is STOPPED", func(s *scene) {
		s.source()
		s.table("")
		s.job(strings.Replace(shared, "chunk: 2", "chunk: 1", 1))
		o := s.stopInside()
		if o.Execution.Status != batch.Stopped || s.step(o, "load").Status != batch.Stopped {
			s.Errorf("got %s: %s", o.Execution.Status, s.parts(o))
		}
		s.completes(s.restart())
		s.rows("1 2 3 4 5 6 7 8")
	})
	eachScene(t, "D6.62 the counters of the step are the sums of its partitions", func(s *scene) {
		s.source()
		s.table("3 6")
		s.job(strings.Replace(shared, "    writer:", "    processors: [filter: id != 5]\n    skip: {limit: 2}\n    writer:", 1))
		o := s.completes(s.run())
		var sum batch.Counters
		for _, step := range o.Execution.Steps {
			if step.IsPartition() {
				sum = sum.Add(step.Counters)
			}
		}
		if load := s.step(o, "load"); load.Counters != sum || load.Total.Read != 8 || load.Total.Write != 5 || load.Total.WriteSkip != 2 || load.Total.Filter != 1 {
			s.Errorf("the step has %s, its partitions %s", counted(load.Counters), counted(sum))
		}
		s.rows("1 2 4 7 8")
	})
}
