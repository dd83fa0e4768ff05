package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/files"
	"batchctl/pkg/meta"
)

// fused puts a fuse around the next run that fails one operation.
func (s *scene) fused(name string, n int) *batchtest.Fuse {
	fuse := batchtest.NewFuseAt(batchtest.Point{Name: name, N: n}, batchtest.Fail)
	s.tune = func(e *Engine) {
		e.instruments.reader, e.instruments.writer = fuse.Reader, fuse.Writer
		e.instruments.ledger, e.instruments.repository = fuse.Ledger, fuse.Repository
		e.instruments.disk = files.Hooked(fuse.File)
		s.tune = nil
	}
	return fuse
}

func TestSpringScenariosOfCommitAndRepository(t *testing.T) {
	t.Parallel()
	for name, point := range map[string]string{
		"D3.37 a commit that fails leaves the step where it was":                        "ledger.commit.before",
		"D3.37 a commit that nobody answered is asked for, and not repeated":            "ledger.commit.after",
		"D3.38 a repository that fails in the middle is an error, and nothing is lost":  "repository.save_step.before",
		"D3.38 a repository that fails at the end is an error, and nothing is repeated": "repository.save_job.before",
	} {
		eachScene(t, name, func(s *scene) {
			s.input("1 2 3 4 5")
			s.table("")
			s.job(load(2, "[]", "    export: {total: counters.write_count}\n"))
			s.fused(point, 2)
			o, err := s.run()
			if !errors.Is(err, batchtest.ErrFailed) || o.Execution.Status == batch.Completed && point != "repository.save_job.before" {
				s.Fatalf("got %v, %v, want the failure", o.Execution.Status, err)
			}
			if total, saved := o.Execution.Context["total"]; saved && !strings.HasPrefix(point, "repository") {
				s.Errorf("the failed step has exported total %s", total)
			}
			s.completes(s.restart())
			s.rows("1 2 3 4 5")
		})
	}
	eachScene(t, "D3.38 the reason why a step failed and the failure to record it are both told", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(3, "[fault: {at: 2, runs: 1, message: the planned reason}]", ""))
		s.fused("repository.save_step.before", 2)
		_, err := s.run()
		if !errors.Is(err, batchtest.ErrFailed) || !strings.Contains(err.Error(), "the planned reason") {
			s.Errorf("got %v, want both reasons", err)
		}
		s.completes(s.restart())
		s.rows("1 2 3")
	})
	eachScene(t, "D3.39 a reader or writer that cannot be opened fails the step before any work", func(s *scene) {
		s.table("")
		s.job(load(1, "[]", ""))
		s.counts(s.fails("in.csv")(s.run()), "")
		s.input("1 2")
		s.exec("drop table t")
		s.counts(s.fails(`"t"`)(s.restart()), "")
		s.table("")
		s.counts(s.completes(s.restart()), "r2 w2 c2")
	})
	onScene(t, "D3.39 an error in closing joins the reason of the failure, which stays FAILED", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(3, "[fault: {at: 2, runs: 1}]", ""))
		s.tune = func(e *Engine) {
			e.instruments.writer = func(w batch.Writer) batch.Writer { return &unclosable{w, w.(batch.Target)} }
			s.tune = nil
		}
		o := s.fails("planned failure")(s.run())
		if description := o.Execution.Exit.Description; !strings.Contains(description, errClose.Error()) {
			s.Errorf("got %q, want the error in closing too", description)
		}
		s.completes(s.restart())
	})
	onScene(t, "D3.40 a stopped step is STOPPED, and its exit status is its own when it has completed", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(1, "[]", "    exit_status: '\"LOADED\"'\n"))
		stopped := s.stopInside()
		if step := s.step(stopped, "load"); step.Status != batch.Stopped || step.Exit.Code != "STOPPED" || stopped.Execution.Exit.Code != "STOPPED" {
			s.Errorf("got %s, %+v, %+v", step.Status, step.Exit, stopped.Execution.Exit)
		}
		done := s.completes(s.restart())
		if step := s.step(done, "load"); step.Exit.Code != "LOADED" {
			s.Errorf("got %+v", step.Exit)
		}
		s.rows("1 2 3")
	})
}

var errClose = errors.New("the door is jammed")

type unclosable struct {
	batch.Writer
	batch.Target
}

func (w *unclosable) Close() error { return errors.Join(w.Writer.Close(), errClose) }

// stopInside runs the job, and has its own process asked to stop while the first chunk is written.
func (s *scene) stopInside() *Outcome {
	s.Helper()
	stop := make(chan struct{})
	return s.stopped(run, stop, func() { close(stop) })
}

// stopFromOutside starts a run or a restart and has another process ask it to stop while its first chunk is written.
func (s *scene) stopFromOutside(start func(*Engine, Watcher) (*Outcome, error)) *Outcome {
	s.Helper()
	return s.stopped(start, nil, func() {
		s.store(func(store *meta.Store) {
			running, err := store.Executions(context.Background(), meta.Filter{})
			if err != nil || len(running) == 0 || running[0].Execution.Status != batch.Started {
				s.Fatalf("got %v, %v, want a running execution in front", running, err)
			}
			if err := store.RequestStop(context.Background(), running[0].Execution.ID); err != nil {
				s.Error(err)
			}
		})
	})
}

// stopped starts the job, asks it to stop while its first chunk is written, and returns how it ended.
func (s *scene) stopped(start func(*Engine, Watcher) (*Outcome, error), stop <-chan struct{}, ask func()) (o *Outcome) {
	s.Helper()
	held := newGate()
	s.tune = func(e *Engine) { e.instruments.writer = held.writer }
	e := s.engine()
	s.tune = nil
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		o, err = start(e, Watcher{Observer: nobody{}, Stop: stop})
	}()
	select {
	case <-held.reached:
	case <-done:
		s.Fatalf("the run ended before it wrote: %v", err)
	}
	ask()
	close(held.open)
	<-done
	if !errors.Is(err, batch.ErrStopped) || o.Execution.Status != batch.Stopped {
		s.Fatalf("got %+v, %v, want STOPPED", o, err)
	}
	return o
}

func run(e *Engine, w Watcher) (*Outcome, error) {
	return e.Run(context.Background(), RunRequest{Path: "job.yaml"}, w)
}

func restart(e *Engine, w Watcher) (*Outcome, error) {
	return e.Restart(context.Background(), RestartRequest{}, w)
}

func TestSpringScenariosOfStopping(t *testing.T) {
	t.Parallel()
	eachScene(t, "D4.41 an instance that is stopped, restarted and stopped again has its executions newest first", func(s *scene) {
		s.input("1 2 3 4 5 6")
		s.table("")
		s.job(load(2, "[]", ""))
		first := s.stopFromOutside(run)
		s.counts(first, "r2 w2 c1")
		s.executions("STOPPED")
		second := s.stopFromOutside(restart)
		s.counts(second, "r2 w2 c1")
		s.executions("STOPPED STOPPED")
		if first.Execution.Instance.ID != second.Execution.Instance.ID {
			s.Errorf("got instances %d and %d, want one", first.Execution.Instance.ID, second.Execution.Instance.ID)
		}
		s.counts(s.completes(s.restart()), "r2 w2 c1")
		s.rows("1 2 3 4 5 6")
	})
	eachScene(t, "D4.42 a stop from another process stops job and step, and the next start runs the rest", func(s *scene) {
		s.input("1 2 3 4")
		s.table("")
		s.job(load(2, "[]", "  - {name: second, reader: @reader, writer: {type: jsonl, path: out/second.jsonl}}\n"))
		o := s.stopFromOutside(run)
		if len(o.Execution.Steps) != 1 || o.Execution.Steps[0].Status != batch.Stopped {
			s.Errorf("got steps %+v, want load alone, STOPPED", o.Execution.Steps)
		}
		o = s.completes(s.run())
		if s.step(o, "load").Status != batch.Completed || s.step(o, "second").Status != batch.Completed {
			s.Errorf("got %+v", o.Execution.Steps)
		}
		s.rows("1 2 3 4")
	})
	eachScene(t, "D4.43 a chunk in hand is committed, and the instance can be restarted at once", func(s *scene) {
		s.input("1 2 3 4 5")
		s.table("")
		s.job(load(2, "[]", ""))
		o := s.stopInside()
		s.counts(o, "r2 w2 c1")
		s.rows("1 2")
		s.counts(s.completes(s.restart()), "r3 w3 c2")
		s.rows("1 2 3 4 5")
	})
	onScene(t, "D4.43 a stop ends the wait before a retry, with the chunk undone", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(strings.Replace(load(3, "[]", "    retry: {max_retries: 3, backoff: 1h}\n"), "@table", "{type: fault, at: 2, runs: 1, class: transient, writer: @table}", 1))
		s.counts(s.stopInside(), "rb1")
		s.rows("")
		s.counts(s.completes(s.restart()), "r3 w3 c1")
		s.rows("1 2 3")
	})
	onScene(t, "D4.44 a step behind a stopped one does not begin", func(s *scene) {
		s.input("1 2 3")
		s.table("")
		s.job(load(1, "[]", "  - {name: second, reader: @reader, writer: {type: jsonl, path: out/second.jsonl}}\n"))
		if o := s.stopInside(); len(o.Execution.Steps) != 1 {
			s.Errorf("got %d steps, want 1", len(o.Execution.Steps))
		}
		if _, err := os.Stat(filepath.Join(s.folder, "out")); err == nil {
			s.Error("the second step has begun")
		}
		s.completes(s.restart())
		s.file("out/second.jsonl", "{\"id\":1,\"name\":\"n1\"}\n{\"id\":2,\"name\":\"n2\"}\n{\"id\":3,\"name\":\"n3\"}\n")
	})
}
