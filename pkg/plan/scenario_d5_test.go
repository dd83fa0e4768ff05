package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/meta"
)

// one is a step with one record. more are further keys of it, as lines of their own.
func one(name string, more ...string) string {
	text := fmt.Sprintf("  - name: %s\n    reader: {type: inline, records: [{id: 1}]}\n    writer: {type: discard}\n", name)
	for _, line := range more {
		text += "    " + line + "\n"
	}
	return text
}

// failsOnce makes a step fail in the first execution, failsTwice in the first two.
const (
	failsOnce  = "processors: [fault: {at: 1, runs: 1, message: planned}]"
	failsTwice = "processors: [fault: {at: 1, runs: 2, message: planned}]"
)

// went compares how an execution ended, and the steps that it ran itself, those of branches by name.
func (s *scene) went(o *Outcome, want string) {
	s.Helper()
	if o == nil {
		s.Fatalf("there is no execution, want %s", want)
	}
	var steps []string
	for _, step := range o.Execution.Steps {
		if step.JobID == o.Execution.ID {
			steps = append(steps, step.Name+":"+step.Exit.Code)
		}
	}
	got := fmt.Sprintf("%s %s [%s]", o.Execution.Status, o.Execution.Exit.Code, strings.Join(steps, " "))
	if got != want {
		s.Errorf("got  %s\nwant %s", got, want)
	}
}

func (s *scene) isComplete() {
	s.Helper()
	if _, err := s.run(); !errors.Is(err, batch.ErrComplete) {
		s.Errorf("one more run: got %v, want that the instance is complete", err)
	}
}

func TestSpringScenariosOfFlow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, job string
		wants     []string
		complete  bool // the instance is, and cannot be run again
	}{
		{
			name: "D5.47 an exact pattern beats one with *", complete: true,
			job:   one("a", `exit_status: '"COMPLETED WITH SKIPS"'`, `next: {"*": c, "COMPLETED*": c, COMPLETED WITH SKIPS: b}`) + one("b", "next: {COMPLETED: {end: RIGHT}}") + one("c"),
			wants: []string{"COMPLETED RIGHT [a:COMPLETED WITH SKIPS b:COMPLETED]"},
		},
		{
			name:  "D5.47 the longer one with * beats the shorter",
			job:   one("a", `exit_status: '"COMPLETED WITH SKIPS"'`, `next: {"*": c, "COMPLETED*": b}`) + one("b", "next: {COMPLETED: {end: RIGHT}}") + one("c"),
			wants: []string{"COMPLETED RIGHT [a:COMPLETED WITH SKIPS b:COMPLETED]"},
		},
		{
			name:  "D5.47 ? beats *",
			job:   one("a", `exit_status: '"S"'`, `next: {"*": c, "?": b, FAILED: {fail: FAILED}}`) + one("b", "next: {COMPLETED: {end: RIGHT}}") + one("c"),
			wants: []string{"COMPLETED RIGHT [a:S b:COMPLETED]"},
		},
		{
			name:  "D5.47 ** beats *",
			job:   one("a", `exit_status: '"S"'`, `next: {"*": c, "**": b, FAILED: {fail: FAILED}}`) + one("b", "next: {COMPLETED: {end: RIGHT}}") + one("c"),
			wants: []string{"COMPLETED RIGHT [a:S b:COMPLETED]"},
		},
		{
			name: "D5.49 an end with a code of its own", complete: true,
			job: one("a", "next: {COMPLETED: {end: FOO}}"), wants: []string{"COMPLETED FOO [a:COMPLETED]"},
		},
		{
			name: "D5.49 a stop", job: one("a", "next: {COMPLETED: {stop: }}") + one("b"),
			wants: []string{"STOPPED STOPPED [a:COMPLETED]"},
		},
		{
			name: "D5.50 a failed step, a stop, and a restart at another", complete: true,
			job:   one("a", failsTwice, "next: {FAILED: {stop: {restart_at: b}}, COMPLETED: {end: WRONG}}") + one("b"),
			wants: []string{"STOPPED STOPPED [a:FAILED]", "COMPLETED COMPLETED [b:COMPLETED]"},
		},
		{
			name: "D5.51 a stop behind a completed step", complete: true,
			job:   one("a", "next: {COMPLETED: {stop: {restart_at: b}}}") + one("b"),
			wants: []string{"STOPPED STOPPED [a:COMPLETED]", "COMPLETED COMPLETED [b:COMPLETED]"},
		},
		{
			name: "D5.51 a stop with a code of its own", complete: true,
			job:   one("a", "next: {COMPLETED: {stop: {restart_at: b, exit_status: CUSTOM}}}") + one("b"),
			wants: []string{"STOPPED CUSTOM [a:COMPLETED]", "COMPLETED COMPLETED [b:COMPLETED]"},
		},
		{
			name: "D5.52 the failed step is abandoned, and one before it that may be run again is", complete: true,
			job: one("s0", "allow_rerun: true") + one("s1", failsTwice, "next: {FAILED: {stop: {restart_at: s2}}, COMPLETED: {end: WRONG}}") + one("s2"),
			wants: []string{"STOPPED STOPPED [s0:COMPLETED s1:FAILED]",
				"COMPLETED COMPLETED [s0:COMPLETED s2:COMPLETED]"},
		},
		{
			name: "D5.53 an end on a failed step completes the instance", complete: true,
			job:   one("a", failsOnce, "next: {FAILED: {end: EARLY TERMINATION}, COMPLETED: b}") + one("b"),
			wants: []string{"COMPLETED EARLY TERMINATION [a:FAILED]"},
		},
		{
			name: "D5.53 fail: a restart runs the failed step alone", complete: true,
			job:   one("a") + one("b", failsOnce, "next: {FAILED: {fail: BAD}, COMPLETED: c}") + one("c"),
			wants: []string{"FAILED BAD [a:COMPLETED b:FAILED]", "COMPLETED COMPLETED [b:COMPLETED c:COMPLETED]"},
		},
		{
			name: "D5.54 a stop to be restarted at the same step", complete: true,
			job:   one("a", failsTwice, "next: {FAILED: {stop: {restart_at: a}}, COMPLETED: {end: DONE}}"),
			wants: []string{"STOPPED STOPPED [a:FAILED]", "STOPPED STOPPED [a:FAILED]", "COMPLETED DONE [a:COMPLETED]"},
		},
		{
			name:  "D5.55 a decision that fails fails the job, and the next step is not run",
			job:   one("a") + "  - {name: which, decide: [{when: 1 / (steps.a.write_count - 1) > 0, next: b}, {next: b}]}\n" + one("b"),
			wants: []string{"FAILED FAILED [a:COMPLETED]", "FAILED FAILED []"},
		},
		{
			name:  "D5.55 an exit status that nothing matches fails the job",
			job:   one("a", `exit_status: '"ODD"'`, "next: {COMPLETED: b}") + one("b"),
			wants: []string{"FAILED FAILED [a:ODD]"},
		},
		{
			name: "D5.56 the first branch fails, the other comes to its end", complete: true,
			job:   split("both", one("a", failsOnce), one("b")+one("c")),
			wants: []string{"FAILED FAILED [a:FAILED b:COMPLETED c:COMPLETED]", "COMPLETED COMPLETED [a:COMPLETED]"},
		},
		{
			name: "D5.56 the second branch fails, the other comes to its end", complete: true,
			job:   split("both", one("a")+one("b"), one("c", failsOnce)) + one("d"),
			wants: []string{"FAILED FAILED [a:COMPLETED b:COMPLETED c:FAILED]", "COMPLETED COMPLETED [c:COMPLETED d:COMPLETED]"},
		},
		{
			name: "D5.57 splits within splits", complete: true,
			job:   split("outer", split("inner", one("a"), one("b")), one("c")) + one("d"),
			wants: []string{"COMPLETED COMPLETED [a:COMPLETED b:COMPLETED c:COMPLETED d:COMPLETED]"},
		},
	} {
		onScene(t, c.name, func(s *scene) {
			s.job("steps:\n" + c.job)
			s.runsSorted(strings.Contains(c.job, "parallel"), c.wants)
			if c.complete {
				s.isComplete()
			}
		})
	}
}

// runsSorted runs the job once for each want, and compares the executions; sorted is for branches, whose steps may come in
// any order.
func (s *scene) runsSorted(sorted bool, wants []string) {
	s.Helper()
	for i, want := range wants {
		o, err := s.run()
		if o == nil {
			s.Fatalf("run %d: %v", i+1, err)
		}
		if sorted {
			slices.SortFunc(o.Execution.Steps, func(a, b *batch.StepExecution) int { return strings.Compare(a.Name, b.Name) })
		}
		s.went(o, want)
	}
}

func split(name string, branches ...string) string {
	text := "  - name: " + name + "\n    parallel:\n"
	for _, branch := range branches {
		lines := strings.Split(strings.TrimSuffix(branch, "\n"), "\n")
		text += "      - " + strings.TrimPrefix(lines[0], "  ") + "\n"
		for _, line := range lines[1:] {
			text += "      " + line + "\n"
		}
	}
	return text
}

func TestSpringScenariosOfLoops(t *testing.T) {
	t.Parallel()
	eachScene(t, "D5.48 a loop until a decision ends it", func(s *scene) {
		s.table("")
		s.job(`
steps:
  - name: more
    tasklet: {type: sql, connection: shop, statements: ["insert into t select count(*), 'n' from t"]}
  - name: look
    reader: {type: sql, connection: shop, query: "select id from t", keyset: [id]}
    writer: {type: discard}
  - name: enough
    decide:
      - {when: steps.look.write_count < 10, next: more}
      - {next: done}
  - {name: done, tasklet: {type: set, context: {rows: "${steps.look.write_count}"}}}
`)
		o := s.completes(s.run())
		s.holds("select count(*) from t", "10")
		visits := map[string]int{}
		for _, step := range o.Execution.Steps {
			visits[step.Name]++
		}
		if visits["more"] != 10 || visits["look"] != 10 || visits["done"] != 1 || string(o.Execution.Context["rows"]) != "10" {
			s.Errorf("steps %v, context %s", visits, o.Execution.Context["rows"])
		}
	})
	onScene(t, "D5.52 the step that the flow went on from is ABANDONED, with its exit status", func(s *scene) {
		s.job("steps:\n" + one("a", failsTwice, "next: {FAILED: {stop: {restart_at: b}}, COMPLETED: {end: WRONG}}") + one("b"))
		o, err := s.run()
		if err == nil || !strings.Contains(err.Error(), "the flow stops behind a, which ended with exit status FAILED: step a failed: ") || !strings.Contains(err.Error(), "planned") {
			s.Errorf("the reason of the stop is not told: %v", err)
		}
		s.store(func(store *meta.Store) {
			details, err := store.Execution(s.Context(), o.Execution.ID)
			if err != nil || details.Execution.Steps[0].Status != batch.Abandoned || details.Execution.Steps[0].Exit.Code != "FAILED" {
				s.Errorf("%v, %+v", err, details.Execution.Steps[0])
			}
		})
	})
	onScene(t, "D5.55 the reason of a failed decision is told", func(s *scene) {
		s.job("steps:\n" + one("a") + "  - {name: which, decide: [{when: 1 / (steps.a.write_count - 1) > 0, next: b}, {next: b}]}\n" + one("b"))
		s.fails("division by zero")(s.run())
	})
}

func TestSpringScenariosOfJobSteps(t *testing.T) {
	t.Parallel()
	const child = `
job: child
params: {n: {type: int, required: true}}
steps:
  - name: work
    reader: {type: inline, records: [{id: 1}]}
    processors: [fault: {at: %d, runs: 1, message: planned}]
    writer: {type: discard}
    exit_status: '"CUSTOM"'
`
	parent := "steps:\n" + `  - {name: first, allow_rerun: true, reader: @reader, writer: {type: discard}}
  - name: within
    job: {path: child.yaml, params: {n: "${steps.first.write_count}"}}
`
	onScene(t, "D5.58 a restart goes on with the same child and its parameters, whatever the parent has by then", func(s *scene) {
		s.write("child.yaml", fmt.Sprintf(child, 1))
		s.input("1 2 3")
		s.job(parent)
		o, _ := s.run()
		s.went(o, "FAILED FAILED [first:COMPLETED within:FAILED]")
		s.input("1 2 3 4 5")
		o, err := s.run()
		s.completes(o, err)
		s.went(o, "COMPLETED CUSTOM [first:COMPLETED within:CUSTOM]")
		s.store(func(store *meta.Store) {
			children, err := store.Executions(s.Context(), meta.Filter{Job: "child"})
			if err != nil || len(children) != 2 || children[0].Execution.Instance.ID != children[1].Execution.Instance.ID {
				s.Fatalf("%v, %d executions of the child", err, len(children))
			}
			for _, c := range children {
				if p := c.Execution.Parameters[0]; p.Name != "n" || p.Value != "3" {
					s.Errorf("a child has %s=%s, want n=3", p.Name, p.Value)
				}
			}
		})
	})
	onScene(t, "D5.58 the exit status of the child is that of the step", func(s *scene) {
		s.write("child.yaml", fmt.Sprintf(child, 9))
		s.input("1")
		s.job(parent + "    next: {CUSTOM: {end: RIGHT}}\n")
		o, _ := s.run()
		s.went(o, "COMPLETED RIGHT [first:COMPLETED within:CUSTOM]")
	})
}
