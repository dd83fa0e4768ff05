package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/record"
)

// load is a job of one step from in.csv to table t; more stands below the step.
func load(chunk int, processors, more string) string {
	return fmt.Sprintf("steps:\n  - name: load\n    chunk: %d\n    reader: @reader\n    processors: %s\n    writer: @table\n%s", chunk, processors, more)
}

func TestSpringScenariosOfLaunchAndRestart(t *testing.T) {
	t.Parallel()
	onScene(t, "D1.1 parameters that do not identify make no second instance", func(s *scene) {
		s.input("1")
		s.table("")
		s.job("params: {name: {identifying: false, required: true}}\n" + load(1, "[]", ""))
		s.completes(s.run("name=foo"))
		if _, err := s.run("name=bar"); !errors.Is(err, batch.ErrComplete) {
			s.Errorf("got %v, want that the instance is complete", err)
		}
		s.rows("1")
	})
	onScene(t, "D1.2 an instance that runs is refused, and of two at once exactly one runs", oneOfTwoRuns)
	onScene(t, "D1.3 a step that failed once completes in a second execution of the same instance", func(s *scene) {
		s.input("1")
		s.table("")
		s.job(load(1, "[fault: {at: 1, runs: 1}]", ""))
		first := s.fails("planned failure")(s.run())
		second := s.completes(s.restart())
		if first.Execution.Instance.ID != second.Execution.Instance.ID || second.Continues != first.Execution.ID {
			s.Errorf("got instances %d and %d, continued %d", first.Execution.Instance.ID, second.Execution.Instance.ID, second.Continues)
		}
		s.executions("COMPLETED FAILED")
	})
	eachScene(t, "D1.4 a failure at the fourth record leaves two, and the restart adds the other three", func(s *scene) {
		s.input("1 2 3 4 5")
		s.table("")
		s.job(load(2, "[fault: {at: 4, runs: 1, class: internal, message: planned}]", ""))
		o := s.fails("in.csv:5: planned")(s.run())
		s.counts(o, "r2 w2 c1 rb1")
		s.rows("1 2")
		s.counts(s.completes(s.restart()), "r3 w3 c2")
		s.rows("1 2 3 4 5")
	})
	eachScene(t, "D1.5 a failed write is repeated with its whole chunk, and nothing of it is lost", func(s *scene) {
		s.input("1 2 3 4 5 6")
		s.table("")
		s.job(strings.Replace(load(3, "[]", ""), "@table", "{type: fault, at: 5, runs: 1, class: internal, writer: @table}", 1))
		s.counts(s.fails("planned failure")(s.run()), "r3 w3 c1 rb1")
		s.rows("1 2 3")
		s.counts(s.completes(s.restart()), "r3 w3 c1")
		s.rows("1 2 3 4 5 6")
	})
	eachScene(t, "D1.5 a fatal record behind good and bad ones in isolation loses nothing", func(s *scene) {
		s.input("1 2 3 4 5 6 7 8")
		s.table("2")
		s.job(strings.Replace(load(8, "[]", "    skip: {limit: 5}\n    dead_letter: @letters\n"), "@table",
			"{type: fault, at: 7, runs: 1, class: internal, writer: @table}", 1))
		s.counts(s.fails("planned failure")(s.run()), "rb2")
		s.rows("")
		s.counts(s.completes(s.restart()), "r8 w7 c1 rb1 ws1")
		s.rows("1 3 4 5 6 7 8")
		s.letters("2:write")
	})
	onScene(t, "D1.6 what was abandoned is not started again", func(s *scene) {
		s.input("1 2")
		s.table("")
		s.job(load(1, "[fault: {at: 2, runs: 1}]", ""))
		failed := s.fails("planned failure")(s.run())
		s.store(func(store *meta.Store) {
			if err := store.Abandon(context.Background(), failed.Execution.ID); err != nil {
				s.Error(err)
			}
		})
		for range 2 {
			if o, err := s.run(); o != nil || !errors.Is(err, batch.ErrNotRestartable) {
				s.Errorf("got %v, %v, want not restartable", o, err)
			}
		}
		s.executions("ABANDONED")
	})
	onScene(t, "D1.6 a job that is not restartable is started once", func(s *scene) {
		s.input("1")
		s.table("")
		s.job("restartable: false\n" + load(1, "[fault: {at: 1, runs: 1}]", ""))
		s.fails("planned failure")(s.run())
		if o, err := s.run(); o != nil || !errors.Is(err, batch.ErrNotRestartable) {
			s.Errorf("got %v, %v, want not restartable", o, err)
		}
		s.executions("FAILED")
	})
	onScene(t, "D1.7 executions and steps of an instance are listed newest first", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(1, "[fault: {at: [2, 3], runs: 2}]", ""))
		s.fails("")(s.run())
		s.fails("")(s.restart())
		last := s.completes(s.restart())
		s.executions("COMPLETED FAILED FAILED")
		s.store(func(store *meta.Store) {
			steps, err := store.StepHistory(context.Background(), last.Execution.Instance.ID)
			if err != nil || len(steps) != 3 || steps[2].JobID != last.Execution.ID || steps[0].JobID >= steps[1].JobID {
				s.Errorf("got %d steps, %v, want three, oldest first", len(steps), err)
			}
		})
	})
	onScene(t, "D1.8 the context of the job survives a failure of a later step", contextSurvives)
	onScene(t, "D1.9 a completed step is not run again, and a step past its start limit fails the job", func(s *scene) {
		s.input("1 2")
		s.table("")
		s.job("steps:\n  - name: first\n    reader: @reader\n    writer: {type: discard}\n" +
			"  - name: load\n    reader: @reader\n    processors: [fault: {at: 1}]\n    writer: @table\n    start_limit: 2\n")
		s.fails("planned failure")(s.run())
		second := s.fails("planned failure")(s.restart())
		for _, step := range second.Execution.Steps {
			if step.Name == "first" && step.JobID == second.Execution.ID {
				s.Error("the step first ran again")
			}
		}
		if _, err := s.restart(); err == nil || !strings.Contains(err.Error(), "start_limit") && !strings.Contains(err.Error(), "start limit") {
			s.Errorf("got %v, want the start limit", err)
		}
	})
	onScene(t, "D1.9 a step that may be run again is, from the beginning", func(s *scene) {
		s.input("1 2")
		s.table("")
		s.job("steps:\n  - name: load\n    reader: @reader\n    writer: {type: discard}\n    allow_rerun: true\n" +
			"  - name: second\n    reader: @reader\n    processors: [fault: {at: 1, runs: 1}]\n    writer: @table\n")
		s.counts(s.fails("planned failure")(s.run()), "r2 w2 c1")
		s.counts(s.completes(s.restart()), "r2 w2 c1")
	})
	onScene(t, "D1.10 a job without identifying parameters is a new instance each time, and a failed one is continued", func(s *scene) {
		s.input("1 2")
		s.table("")
		s.write("job.yaml", strings.Replace(fmt.Sprintf(sceneHead, s.driver, s.dsn), "instance: params", "instance: each_run", 1)+
			strings.NewReplacer("@reader", sceneReader).Replace("steps:\n  - name: load\n    reader: @reader\n    processors: [fault: {at: 2, runs: 1}]\n    writer: {type: discard}\n"))
		failed := s.fails("planned failure")(s.run())
		continued := s.completes(s.run())
		fresh := s.fails("planned failure")(s.run())
		if failed.Execution.Instance.ID != continued.Execution.Instance.ID || fresh.Execution.Instance.ID == failed.Execution.Instance.ID {
			s.Errorf("got instances %d, %d, %d", failed.Execution.Instance.ID, continued.Execution.Instance.ID, fresh.Execution.Instance.ID)
		}
	})
}

// executions compares the statuses of all executions, the newest first.
func (s *scene) executions(want string) {
	s.Helper()
	s.store(func(store *meta.Store) {
		found, err := store.Executions(context.Background(), meta.Filter{})
		var got []string
		for _, e := range found {
			got = append(got, string(e.Execution.Status))
		}
		if text := strings.Join(got, " "); err != nil || text != want {
			s.Errorf("got executions %s (%v), want %s", text, err, want)
		}
	})
}

// gate holds a writer until it is opened, and tells when somebody has come to it.
type gate struct {
	reached, open chan struct{}
	once          sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass() {
	g.once.Do(func() { close(g.reached) })
	<-g.open
}

func (g *gate) writer(w batch.Writer) batch.Writer { return &gated{w, g, w.(batch.Target)} }

type gated struct {
	batch.Writer
	gate *gate
	batch.Target
}

func (w *gated) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	w.gate.pass()
	return w.Writer.Write(ctx, tx, rows)
}

func oneOfTwoRuns(s *scene) {
	s.input("1 2 3")
	s.table("")
	s.job(load(2, "[]", ""))
	held := newGate()
	s.tune = func(e *Engine) { e.instruments.writer = held.writer }
	type result struct {
		o   *Outcome
		err error
	}
	results := make(chan result, 2)
	engines := []*Engine{s.engine(), s.engine()}
	for _, e := range engines {
		go func() {
			o, err := e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
			results <- result{o, err}
		}()
	}
	loser := <-results // the winner waits at the gate
	if loser.o != nil || !errors.Is(loser.err, batch.ErrRunning) || fault.HintOf(loser.err) == "" {
		s.Errorf("got %v, %v, want that the instance is running, and a hint", loser.o, loser.err)
	}
	<-held.reached
	if o, err := s.run(); o != nil || !errors.Is(err, batch.ErrRunning) {
		s.Errorf("a third one: got %v, %v", o, err)
	}
	close(held.open)
	winner := <-results
	s.completes(winner.o, winner.err)
	s.rows("1 2 3")
	s.executions("COMPLETED")
}

func contextSurvives(s *scene) {
	s.input("1 2 3")
	s.table("")
	s.job("steps:\n  - name: first\n    reader: @reader\n    writer: {type: discard}\n    export: {total: counters.write_count * 2}\n" +
		"  - name: load\n    chunk: 1\n    reader: @reader\n    processors:\n      - fault: {at: 2, runs: 1}\n      - set:\n          name: text(context.total)\n    writer: @table\n")
	s.fails("planned failure")(s.run())
	o := s.completes(s.restart())
	s.holds("select name from t order by id", "6 6 6")
	if got := string(o.Execution.Context["total"]); got != "6" {
		s.Errorf("got total %s, want 6", got)
	}
}
