package plan

import (
	"strings"
	"testing"

	"batchctl/pkg/batch"
)

// Four steps in nested branches, one of them in partitions, one in workers; each writes a table of its own.
const branching = `steps:
  - name: outer
    parallel:
      - - name: inner
          parallel:
            - - {name: a, chunk: 1, reader: @reader, writer: {type: sql, connection: shop, table: a, create: true}}
            - - {name: b, chunk: 1, workers: 2, reader: @reader, writer: {type: sql, connection: shop, table: b, create: true}}
        - {name: behind, chunk: 1, reader: @reader, writer: {type: sql, connection: shop, table: e, create: true}}
      - - {name: c, chunk: 1, reader: @reader, writer: {type: sql, connection: shop, table: c, create: true}}
      - - name: d
          chunk: 1
          partition: {by: modulo, column: id, count: 2}
          reader: @reader
          writer: {type: sql, connection: shop, table: d, create: true}
`

func TestStopReachesEveryBranchAndTheRestartGoesOnInEach(t *testing.T) {
	t.Parallel()
	eachScene(t, "nested branches", func(s *scene) {
		s.input("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20")
		s.job(branching)
		o := s.stopInside()
		for _, step := range o.Execution.Steps {
			if step.Status != batch.Stopped {
				s.Errorf("step %s is %s", step.Name, step.Status)
			}
			if step.Total.Read == 20 {
				s.Errorf("step %s came to its end", step.Name)
			}
		}
		// Which branches have come to their step when the first chunk is written is a matter of chance.
		if parts := s.parts(o); strings.Contains(parts, "behind") || !strings.Contains(parts, ":STOPPED") {
			s.Errorf("got %s", parts)
		}
		s.completes(s.restart())
		for _, table := range []string{"a", "b", "c", "d", "e"} {
			s.holds("select count(*) from "+table, "20")
			s.holds("select sum(id) from "+table, "210")
		}
	})
}
