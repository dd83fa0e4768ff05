package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// diary is a job repository in memory, and what the tasklets of a flow did.
type diary struct {
	mu      sync.Mutex
	steps   []batch.StepExecution
	job     batch.JobExecution
	did     []string         // the names of the steps that ran, in order
	answers map[string][]any // what a step does each time it runs: an error, or an exit status; nothing is COMPLETED
	exports map[string]string
	stop    chan struct{} // closed: somebody asks for a stop
}

func (d *diary) StartStep(_ context.Context, s *batch.StepExecution) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.ID = int64(len(d.steps) + 1)
	d.steps = append(d.steps, *s)
	return nil
}

func (d *diary) SaveStep(_ context.Context, s *batch.StepExecution) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := *s
	kept.Context = copied(s.Context)
	d.steps[s.ID-1] = kept
	return nil
}

func (d *diary) SaveJob(_ context.Context, j *batch.JobExecution) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.job = *j
	d.job.Context = copied(j.Context)
	return nil
}

func copied(c batch.Context) batch.Context {
	all := batch.Context{}
	for name, value := range c {
		all[name] = value
	}
	return all
}

func (d *diary) StepHistory(context.Context, int64) ([]*batch.StepExecution, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*batch.StepExecution
	for _, s := range d.steps {
		s.Context = copied(s.Context)
		all = append(all, &s)
	}
	return all, nil
}

func (d *diary) StopRequested(context.Context, int64) (bool, error) { return false, nil }

// note is a tasklet that writes its name into the diary and does what it is told.
type note struct {
	d    *diary
	name string
}

func (n note) Run(ctx context.Context, c *batch.Contribution) error {
	n.d.mu.Lock()
	n.d.did = append(n.d.did, n.name)
	var answer any
	if all := n.d.answers[n.name]; len(all) > 0 {
		answer, n.d.answers[n.name] = all[0], all[1:]
	}
	if value, ok := n.d.exports[n.name]; ok {
		c.Context = batch.Context{value: json.RawMessage(fmt.Sprint(len(n.d.did)))}
	}
	n.d.mu.Unlock()
	switch answer := answer.(type) {
	case error:
		return answer
	case string:
		c.Exit = answer
	case func(context.Context) error:
		return answer(ctx)
	case badly:
		c.Exit = string(answer)
		return errBad
	}
	return nil
}

func (d *diary) step(name string, edit ...func(*Step)) *Step {
	step := &Step{Name: name, Tasklet: func(context.Context, *batch.StepExecution) (batch.Tasklet, error) { return note{d, name}, nil }}
	for _, e := range edit {
		e(step)
	}
	return step
}

func (d *diary) run(t *testing.T, flow Flow) (*batch.JobExecution, error) {
	t.Helper()
	execution := &batch.JobExecution{ID: d.job.ID + 1, Status: batch.Starting, Context: copied(d.job.Context)}
	stop := d.stop
	if stop == nil {
		stop = make(chan struct{})
	}
	r := &Runner{Repository: d, Observer: &events{}, Now: time.Now, After: time.After, Stop: stop}
	d.did = nil
	err := r.Run(t.Context(), &Job{Flow: flow}, execution)
	return execution, err
}

func to(state string) Target { return Target{Move: GoTo, State: state} }

func on(pattern string, target Target) Transition {
	return Transition{On: batch.Pattern(pattern), To: target}
}

func rerun(s *Step) { s.AllowRerun = true }

var errBad = fault.New(fault.Validation, "bad")

// badly is the answer of a step that fails, with an exit status of its own.
type badly string

// flows are run again and again; each run is described by the steps that ran and how the job ended.
var flows = []struct {
	name    string
	answers map[string][]any
	exports map[string]string
	flow    func(d *diary) Flow
	runs    []string
}{
	{
		name: "steps in a row, one of which fails", answers: map[string][]any{"b": {errBad}},
		flow: func(d *diary) Flow { return Sequence(*d.step("a"), *d.step("b"), *d.step("c")) },
		runs: []string{"a b: FAILED FAILED", "b c: COMPLETED COMPLETED"},
	},
	{
		name: "a custom exit status goes on where there are no patterns", answers: map[string][]any{"a": {"ODD"}},
		flow: func(d *diary) Flow { return Sequence(*d.step("a"), *d.step("b")) },
		runs: []string{"a b: COMPLETED COMPLETED"},
	},
	{
		name: "the exit status of the job is that of its last step", answers: map[string][]any{"b": {"ODD"}},
		flow: func(d *diary) Flow { return Sequence(*d.step("a"), *d.step("b")) },
		runs: []string{"a b: COMPLETED ODD"},
	},
	{
		name: "D5.47 the most specific pattern counts", answers: map[string][]any{"a": {"COMPLETED WITH SKIPS"}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("*", to("c")), on("COMPLETED*", to("b")), on("COMPLETED", to("c"))}},
				{Name: "b", Step: d.step("b"), Next: []Transition{on("COMPLETED", Target{})}},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a b: COMPLETED COMPLETED"},
	},
	{
		name: "an exit status that nothing matches fails the job", answers: map[string][]any{"a": {"ODD"}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{{Name: "a", Step: d.step("a"), Next: []Transition{on("COMPLETED", Target{})}}}}
		},
		runs: []string{"a: FAILED FAILED"},
	},
	{
		name: "a failed step is handled by another, and not run again by a restart", answers: map[string][]any{"a": {errBad}, "repair": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("FAILED", to("repair")), on("COMPLETED", to("c"))}},
				{Name: "repair", Step: d.step("repair"), Then: to("c")},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a repair: FAILED FAILED", "repair c: COMPLETED COMPLETED"},
	},
	{
		name: "D5.49 end with a code of its own", answers: nil,
		flow: func(d *diary) Flow {
			return Flow{States: []State{{Name: "a", Step: d.step("a"), Next: []Transition{on("*", Target{Move: End, Code: "FOO"})}}}}
		},
		runs: []string{"a: COMPLETED FOO"},
	},
	{
		name: "D5.49 stop, and go on behind it",
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("COMPLETED", Target{Move: Stop})}},
				{Name: "b", Step: d.step("b")},
			}}
		},
		runs: []string{"a: STOPPED STOPPED", "b: COMPLETED COMPLETED"},
	},
	{
		name: "a stop behind the last step", answers: nil,
		flow: func(d *diary) Flow {
			return Flow{States: []State{{Name: "a", Step: d.step("a"), Next: []Transition{on("*", Target{Move: Stop, Code: "WAIT"})}}}}
		},
		runs: []string{"a: STOPPED WAIT", ": COMPLETED COMPLETED"},
	},
	{
		name: "D5.50 a failed step, stop, and restart at another", answers: map[string][]any{"a": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("FAILED", Target{Move: Stop, State: "b"}), on("COMPLETED", Target{})}},
				{Name: "b", Step: d.step("b")},
			}}
		},
		runs: []string{"a: STOPPED STOPPED", "b: COMPLETED COMPLETED"},
	},
	{
		name: "D5.52 steps before it that may be run again are", answers: map[string][]any{"s1": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "s0", Step: d.step("s0", rerun), Then: to("s1")},
				{Name: "s1", Step: d.step("s1"), Next: []Transition{on("FAILED", Target{Move: Stop, State: "s2"})}},
				{Name: "s2", Step: d.step("s2")},
			}}
		},
		runs: []string{"s0 s1: STOPPED STOPPED", "s0 s2: COMPLETED COMPLETED"},
	},
	{
		name: "a failed step, and a stop to be restarted at the same step", answers: map[string][]any{"a": {errBad, errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("FAILED", Target{Move: Stop, State: "a"}), on("COMPLETED", to("b"))}},
				{Name: "b", Step: d.step("b")},
			}}
		},
		runs: []string{"a: STOPPED STOPPED", "a: STOPPED STOPPED", "a b: COMPLETED COMPLETED"},
	},
	{
		name: "D5.53 end on a failed step completes the instance", answers: map[string][]any{"a": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("FAILED", Target{Move: End, Code: "EARLY TERMINATION"})}},
			}}
		},
		runs: []string{"a: COMPLETED EARLY TERMINATION"},
	},
	{
		name: "D5.53 fail: only the failed step runs again", answers: map[string][]any{"b": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Then: to("b")},
				{Name: "b", Step: d.step("b"), Next: []Transition{on("FAILED", Target{Move: Fail, Code: "SAD"}), on("*", Target{})}},
			}}
		},
		runs: []string{"a b: FAILED SAD", "b: COMPLETED COMPLETED"},
	},
	{
		name: "a completed step behind which the flow fails", answers: map[string][]any{"a": {"ODD"}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{{Name: "a", Step: d.step("a"), Next: []Transition{on("ODD", Target{Move: Fail})}}}}
		},
		runs: []string{"a: FAILED FAILED", ": FAILED FAILED"},
	},
	{
		name: "D5.48 a loop, replayed visit by visit", answers: map[string][]any{"a": {nil, nil, errBad}, "b": {errBad}}, exports: map[string]string{"a": "n"},
		flow: func(d *diary) Flow {
			visits := 0
			return Flow{States: []State{
				{Name: "a", Step: d.step("a"), Then: to("more")},
				{Name: "more", Decide: func() (Target, error) {
					if visits++; visits < 4 {
						return to("a"), nil
					}
					return to("b"), nil
				}},
				{Name: "b", Step: d.step("b")},
			}}
		},
		runs: []string{"a a a: FAILED FAILED", "a a b: FAILED FAILED", "b: COMPLETED COMPLETED"},
	},
	{
		name: "a step that fails in one branch lets the others come to their end", answers: map[string][]any{"a": {errBad}},
		flow: func(d *diary) Flow {
			left, right := Sequence(*d.step("a"), *d.step("b")), Sequence(*d.step("x"), *d.step("y"))
			return Flow{States: []State{
				{Name: "both", Split: []*Flow{&left, &right}, Then: to("c")},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a x y: FAILED FAILED", "a b c: COMPLETED COMPLETED"},
	},
	{
		name: "a failed split, a stop, and its failed branch once more", answers: map[string][]any{"a": {errBad}},
		flow: func(d *diary) Flow {
			left, right := Sequence(*d.step("a")), Sequence(*d.step("x"))
			return Flow{States: []State{
				{Name: "both", Split: []*Flow{&left, &right}, Next: []Transition{on("FAILED", Target{Move: Stop, State: "both"}), on("COMPLETED", to("c"))}},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a x: STOPPED STOPPED", "a c: COMPLETED COMPLETED"},
	},
	{
		name: "a failed split from which the flow goes on", answers: map[string][]any{"a": {errBad}, "c": {errBad}},
		flow: func(d *diary) Flow {
			left, right := Sequence(*d.step("a")), Sequence(*d.step("x"))
			return Flow{States: []State{
				{Name: "both", Split: []*Flow{&left, &right}, Next: []Transition{on("*", to("c"))}},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a x c: FAILED FAILED", "c: COMPLETED COMPLETED"},
	},
	{
		name: "D5.57 splits within splits", answers: nil,
		flow: func(d *diary) Flow {
			a, b, c := Sequence(*d.step("a")), Sequence(*d.step("b")), Sequence(*d.step("c"))
			inner := Flow{States: []State{{Name: "inner", Split: []*Flow{&a, &b}}}}
			return Flow{States: []State{{Name: "outer", Split: []*Flow{&inner, &c}}}}
		},
		runs: []string{"a b c: COMPLETED COMPLETED"},
	},
	{
		name: "a stop in one branch stops the flow, and the restart goes on behind it", answers: nil,
		flow: func(d *diary) Flow {
			left := Flow{States: []State{
				{Name: "a", Step: d.step("a"), Next: []Transition{on("*", Target{Move: Stop})}},
				{Name: "b", Step: d.step("b")},
			}}
			right := Sequence(*d.step("x"))
			return Flow{States: []State{
				{Name: "both", Split: []*Flow{&left, &right}, Next: []Transition{on("*", to("c"))}},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a x: STOPPED STOPPED", "b c: COMPLETED COMPLETED"},
	},
	{
		name: "a failed step that may be run again is, when its loop comes back to it", answers: map[string][]any{"a": {errBad, errBad}, "b": {errBad}},
		flow: func(d *diary) Flow {
			return Flow{States: []State{
				{Name: "a", Step: d.step("a", rerun), Next: []Transition{on("FAILED", to("repair")), on("COMPLETED", to("b"))}},
				{Name: "repair", Step: d.step("repair", rerun), Then: to("a")},
				{Name: "b", Step: d.step("b")},
			}}
		},
		runs: []string{"a repair a repair a b: FAILED FAILED", "a b: COMPLETED COMPLETED"},
	},
	{
		name: "a failed branch from which the flow goes on leads there again", answers: map[string][]any{"a": {badly("ODD")}, "c": {errBad}},
		flow: func(d *diary) Flow {
			left, right := Sequence(*d.step("a")), Sequence(*d.step("x"))
			return Flow{States: []State{
				{Name: "both", Split: []*Flow{&left, &right}, Next: []Transition{on("ODD", to("c")), on("*", Target{Move: Fail})}},
				{Name: "c", Step: d.step("c")},
			}}
		},
		runs: []string{"a x c: FAILED FAILED", "c: COMPLETED COMPLETED"},
	},
	{
		name: "D5.55 a decision that fails",
		flow: func(*diary) Flow {
			return Flow{States: []State{{Name: "which", Decide: func() (Target, error) { return Target{}, errBad }}}}
		},
		runs: []string{": FAILED FAILED"},
	},
	{
		name: "a step may be started so often and no more", answers: map[string][]any{"a": {errBad, errBad, errBad}},
		flow: func(d *diary) Flow { return Sequence(*d.step("a", func(s *Step) { s.StartLimit = 2 })) },
		runs: []string{"a: FAILED FAILED", "a: FAILED FAILED", ": FAILED FAILED"},
	},
}

func TestFlows(t *testing.T) {
	t.Parallel()
	for _, c := range flows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := &diary{answers: maps.Clone(c.answers), exports: c.exports}
			for i, want := range c.runs {
				execution, err := d.run(t, c.flow(d))
				slices.SortStableFunc(d.did, splitOrder(c.name))
				got := fmt.Sprintf("%s: %s %s", strings.Join(d.did, " "), execution.Status, execution.Exit.Code)
				if got != want {
					t.Fatalf("run %d: got %s (%v)\nwant %s", i+1, got, err, want)
				}
				if (err == nil) != (execution.Status == batch.Completed) {
					t.Errorf("run %d: status %s with error %v", i+1, execution.Status, err)
				}
				if execution.Status == batch.Stopped && !errors.Is(err, batch.ErrStopped) {
					t.Errorf("run %d: a stop is not told by its error: %v", i+1, err)
				}
			}
		})
	}
}

// splitOrder sorts what branches did by name, where the flow has branches: they run side by side.
func splitOrder(name string) func(a, b string) int {
	if !strings.Contains(name, "split") && !strings.Contains(name, "branch") {
		return func(string, string) int { return 0 }
	}
	return func(a, b string) int { return strings.Compare(last(a), last(b)) }
}

// last sorts c, which stands behind the split in these flows, behind all others.
func last(name string) string { return strings.ReplaceAll(name, "c", "~") }

func TestFlowGoesOnFromAFailedStepThatIsAbandoned(t *testing.T) {
	t.Parallel()
	d := &diary{answers: map[string][]any{"a": {errBad}}}
	_, err := d.run(t, Flow{States: []State{
		{Name: "a", Step: d.step("a"), Next: []Transition{on("FAILED", to("b"))}},
		{Name: "b", Step: d.step("b")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s := d.steps[0]; s.Status != batch.Abandoned || s.Exit.Code != "FAILED" {
		t.Errorf("got %s with exit status %s, want ABANDONED with FAILED", s.Status, s.Exit.Code)
	}
}

func TestReplayedStepsPutTheirValuesIntoTheContextAgain(t *testing.T) {
	t.Parallel()
	d := &diary{answers: map[string][]any{"b": {errBad}}, exports: map[string]string{"a": "total"}}
	flow := func() Flow { return Sequence(*d.step("a"), *d.step("b")) }
	if _, err := d.run(t, flow()); err == nil {
		t.Fatal("want an error")
	}
	d.job.Context = batch.Context{"total": json.RawMessage("99"), "gone": json.RawMessage("1")}
	execution, err := d.run(t, flow())
	if got := string(execution.Context["total"]); err != nil || got != "1" || len(execution.Context) != 1 {
		t.Errorf("got %v, %v, want total 1 alone", execution.Context, err)
	}
}

func TestLoopWithoutAnEndIsFound(t *testing.T) {
	t.Parallel()
	d := &diary{}
	_, err := d.run(t, Flow{States: []State{
		{Name: "a", Decide: func() (Target, error) { return to("b"), nil }},
		{Name: "b", Decide: func() (Target, error) { return to("a"), nil }},
	}})
	if fault.CodeOf(err) != "endless_flow" {
		t.Errorf("got %v, want endless_flow", err)
	}
}

// cut is a repository whose caller is ended, by a second signal, when a step has just been recorded.
type cut struct {
	*diary
	end func()
}

func (c cut) StartStep(ctx context.Context, s *batch.StepExecution) error {
	defer c.end()
	return c.diary.StartStep(ctx, s)
}

func (c cut) SaveStep(ctx context.Context, s *batch.StepExecution) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.diary.SaveStep(ctx, s)
}

func TestStepThatIsCutShortWhenItBeginsIsNotLeftBegun(t *testing.T) {
	t.Parallel()
	d := &diary{}
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &Runner{Repository: cut{d, func() { cancel(batch.ErrStopped) }}, Observer: &events{}, Now: time.Now, After: time.After, Stop: make(chan struct{})}
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	d.answers = map[string][]any{"a": {wait}}
	err := r.Run(ctx, &Job{Flow: Sequence(*d.step("a"))}, &batch.JobExecution{ID: 1, Status: batch.Starting})
	if !errors.Is(err, batch.ErrStopped) || d.job.Status != batch.Stopped || len(d.steps) != 1 || d.steps[0].Status != batch.Stopped {
		t.Errorf("got %v, job %s, steps %v", err, d.job.Status, d.steps)
	}
}

func TestStopReachesTaskletsOfAllBranches(t *testing.T) {
	t.Parallel()
	d := &diary{stop: make(chan struct{})}
	var waiting sync.WaitGroup
	waiting.Add(2)
	wait := func(ctx context.Context) error {
		waiting.Done()
		<-ctx.Done()
		return context.Cause(ctx)
	}
	d.answers = map[string][]any{"a": {wait}, "x": {wait}}
	go func() {
		waiting.Wait()
		close(d.stop)
	}()
	left, right := Sequence(*d.step("a"), *d.step("b")), Sequence(*d.step("x"))
	flow := Flow{States: []State{{Name: "both", Split: []*Flow{&left, &right}, Next: []Transition{on("*", to("c"))}}, {Name: "c", Step: d.step("c")}}}
	execution, err := d.run(t, flow)
	if execution.Status != batch.Stopped || !errors.Is(err, batch.ErrStopped) {
		t.Errorf("got %s, %v", execution.Status, err)
	}
	for _, s := range d.steps {
		if s.Status != batch.Stopped {
			t.Errorf("step %s is %s", s.Name, s.Status)
		}
	}
	d.stop = nil
	if execution, err = d.run(t, flow); err != nil || len(d.did) != 4 {
		t.Errorf("restart: %s, %v, ran %v", execution.Status, err, d.did)
	}
}

func TestTaskletIsTriedAgain(t *testing.T) {
	t.Parallel()
	lost := fault.New(fault.Transient, "lost")
	d := &diary{answers: map[string][]any{"a": {lost, lost}}}
	execution, err := d.run(t, Sequence(*d.step("a", func(s *Step) {
		s.Tolerance.Retry = Retry{Max: 2, On: func(err error) bool { return fault.ClassOf(err) == fault.Transient }}
	})))
	if err != nil || len(d.did) != 3 || execution.Steps[0].Counters.Retry != 2 {
		t.Errorf("got %v, ran %v, %+v", err, d.did, execution.Steps[0].Counters)
	}
}

// The text of an error stands in lines of the log, of the job repository and of mails.
func TestErrorsOfBranchesAreOneLine(t *testing.T) {
	t.Parallel()
	d := &diary{answers: map[string][]any{"a": {errBad}, "b": {errBad}}}
	left, right := Sequence(*d.step("a")), Sequence(*d.step("b"))
	execution, err := d.run(t, Flow{States: []State{{Name: "both", Split: []*Flow{&left, &right}}}})
	const want = "step a failed: bad; step b failed: bad"
	if err == nil || err.Error() != want || execution.Exit.Description != want || fault.ClassOf(err) != fault.Validation {
		t.Errorf("got %q (%s), recorded as %q, want %q", err, fault.ClassOf(err), execution.Exit.Description, want)
	}
}
