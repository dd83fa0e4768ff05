package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// Flow is the states that a job, or a branch of one, goes through. The first is the start. Names are unique in the job.
type Flow struct {
	States []State
}

// Sequence returns the flow of steps that follow each other.
func Sequence(steps ...Step) Flow {
	var flow Flow
	for i := range steps {
		state := State{Name: steps[i].Name, Step: &steps[i]}
		if i+1 < len(steps) {
			state.Then = Target{Move: GoTo, State: steps[i+1].Name}
		}
		flow.States = append(flow.States, state)
	}
	return flow
}

// State is one stage of a flow. One of Step, Decide and Split is set.
type State struct {
	Name   string
	Step   *Step
	Decide func() (Target, error) // chooses where to go on; it is asked again when the flow is replayed
	Split  []*Flow                // run side by side; all are run to their end, and the worst result is the state's
	// Next says where to go on, by the exit status; the most specific pattern counts. An exit status that none matches fails
	// the flow. Without patterns a completed state goes to Then, whatever its exit status, and any other fails the flow.
	Next []Transition
	Then Target
}

// Transition is where an exit status leads.
type Transition struct {
	On batch.Pattern
	To Target
}

// Target is where a flow goes from a state.
type Target struct {
	Move  Move
	State string // GoTo: the next state; Stop: the state at which a restart goes on, "" for the one behind
	Code  string // of the flow's exit status; "" for that of Move, and of the last state for a plain End
}

// Move is what a target means.
type Move int

// The moves of a flow. The zero Target ends it as completed.
const (
	End  Move = iota // completed: the instance is complete, whatever its steps are
	GoTo             // on to another state
	Fail             // failed: what failed is run again by a restart
	Stop             // stopped: a restart goes on behind this state, or at State
)

// result is how a state, or a flow, ended.
type result struct {
	status batch.Status
	code   string
	err    error                  // why it did not complete
	final  bool                   // no transition can be taken: it was stopped, or cannot go on at all
	ran    bool                   // something was run, not only taken over from an earlier execution
	failed []*batch.StepExecution // steps that failed, and that no flow has gone on from
}

// resultOf returns the result of something that ended with err.
func resultOf(err error) result {
	status := outcome(err)
	return result{status: status, code: string(status), err: err, final: err != nil}
}

// thread is a flow that is being run.
type thread struct {
	*progress
	flow    *Flow
	entered map[string]int
	ran     bool
}

// maxEntered is how often a flow may enter a state of which the definition says nothing: what goes on for longer has no
// end.
const maxEntered = 10_000

func (t *thread) run(ctx context.Context) result {
	t.entered = map[string]int{}
	at := 0
	for {
		state := &t.flow.States[at]
		res, to, leads := t.enter(ctx, state)
		t.ran = t.ran || res.ran
		if !leads {
			res.ran = t.ran
			return res
		}
		next, ended := t.follow(ctx, state, res, to)
		if ended != nil {
			ended.ran = t.ran
			return *ended
		}
		if at = t.index(next); at < 0 {
			return resultOf(fault.New(fault.Internal, "flow: no state is called %q", next))
		}
	}
}

// enter runs a state and says where it leads; leads is false where the flow ends with the result.
func (t *thread) enter(ctx context.Context, state *State) (res result, to Target, leads bool) {
	if err := t.mayEnter(ctx, state); err != nil {
		return resultOf(err), to, false
	}
	switch {
	case state.Decide != nil:
		to, err := state.Decide()
		if err != nil {
			return resultOf(&StepError{Step: state.Name, Err: err}), to, false
		}
		return result{status: batch.Completed, code: string(batch.Completed)}, to, true
	case state.Split != nil:
		res = t.split(ctx, state)
	default:
		res = t.step(ctx, state.Step)
	}
	if res.final {
		return res, to, false
	}
	to, leads = state.target(res.code, res.status)
	if !leads && res.err == nil {
		res.status, res.code, res.err = batch.Failed, string(batch.Failed), state.noMatch(res.code)
	}
	return res, to, leads
}

func (t *thread) mayEnter(ctx context.Context, state *State) error {
	if err := t.runner.mayGoOn(ctx, t.job.ID); err != nil {
		return err
	}
	t.entered[state.Name]++
	limited := state.Step != nil && state.Step.StartLimit > 0
	if t.entered[state.Name] > maxEntered && !limited {
		return fault.New(fault.Definition, "the flow has come to %s %d times", state.Name, maxEntered).WithCode("endless_flow").
			WithHint("does it ever end? start_limit on a step of the loop says how often it may run")
	}
	return nil
}

// target returns where a result leads.
func (s *State) target(code string, status batch.Status) (Target, bool) {
	if s.Next == nil {
		return s.Then, status == batch.Completed
	}
	var matching []Transition
	for _, transition := range s.Next {
		if transition.On.Match(code) {
			matching = append(matching, transition)
		}
	}
	if len(matching) == 0 {
		return Target{}, false
	}
	return slices.MinFunc(matching, func(a, b Transition) int { return a.On.Compare(b.On) }).To, true
}

func (s *State) noMatch(code string) error {
	var patterns []string
	for _, transition := range s.Next {
		patterns = append(patterns, string(transition.On))
	}
	return fault.New(fault.Definition, "%s ended with exit status %s, which nothing in its next matches", s.Name, code).
		WithCode("no_transition").WithHint("next has %s; add %s, or a pattern", strings.Join(patterns, ", "), code)
}

// follow takes a transition: it returns the next state, or how the flow ended.
func (t *thread) follow(ctx context.Context, state *State, res result, to Target) (next string, ended *result) {
	if state.Decide != nil || state.Next != nil {
		t.runner.observe(batch.FlowMoved{From: state.Name, Exit: res.code, To: to.text(), Decision: state.Decide != nil})
	}
	switch to.Move {
	case GoTo:
		if err := t.abandon(ctx, res.failed); err != nil {
			return "", ptr(resultOf(err))
		}
		return to.State, nil
	case Fail:
		err := res.err
		if err == nil {
			err = fault.New(fault.Internal, "the flow fails behind %s, which ended with exit status %s", state.Name, res.code).WithCode("flow_failed")
		}
		return "", &result{status: batch.Failed, code: or(to.Code, batch.Failed), err: err, failed: res.failed}
	case Stop:
		return t.stop(ctx, state, res, to)
	}
	code := res.code
	if to.Code != "" || res.status != batch.Completed {
		code = or(to.Code, batch.Completed)
	}
	return "", &result{status: batch.Completed, code: code}
}

// stop ends the flow as stopped, or goes on where an earlier execution of the instance was stopped here.
func (t *thread) stop(ctx context.Context, state *State, res result, to Target) (next string, ended *result) {
	resume := to.State
	if resume == "" && res.status == batch.Completed {
		resume = t.behind(state)
	}
	again := fmt.Sprintf("%s#%d", state.Name, t.entered[state.Name])
	if !res.ran && t.stoppedAt(again) {
		if resume == "" {
			return "", &result{status: batch.Completed, code: string(batch.Completed)}
		}
		return resume, nil
	}
	if resume != "" && resume != state.Name {
		if err := t.abandon(ctx, res.failed); err != nil {
			return "", ptr(resultOf(err))
		}
	}
	if err := t.rememberStop(ctx, again); err != nil {
		return "", ptr(resultOf(err))
	}
	err := &flowStop{fmt.Sprintf("the flow stops behind %s, which ended with exit status %s", state.Name, res.code)}
	if res.err != nil {
		err.text += ": " + res.err.Error()
	}
	return "", &result{status: batch.Stopped, code: or(to.Code, batch.Stopped), err: err, final: true}
}

// flowStop is a stop that the definition asks for, and nobody else.
type flowStop struct{ text string }

func (e *flowStop) Error() string { return e.text }

// Unwrap makes it one of the ways to stop.
func (e *flowStop) Unwrap() error { return batch.ErrStopped }

// behind returns the state that stands behind another one, "" where it is the last.
func (t *thread) behind(state *State) string {
	if i := t.index(state.Name) + 1; i < len(t.flow.States) {
		return t.flow.States[i].Name
	}
	return ""
}

func (t *thread) index(name string) int {
	return slices.IndexFunc(t.flow.States, func(s State) bool { return s.Name == name })
}

// split runs branches side by side. All are run to their end, and the worst result is that of the split.
func (t *thread) split(ctx context.Context, state *State) result {
	results := make([]result, len(state.Split))
	done := make(chan struct{})
	for i, branch := range state.Split {
		go func() {
			defer func() { done <- struct{}{} }()
			err := guarded(func() error {
				results[i] = (&thread{progress: t.progress, flow: branch}).run(ctx)
				return nil
			})
			if err != nil {
				results[i] = resultOf(err)
			}
		}()
	}
	for range state.Split {
		<-done
	}
	return worst(results)
}

// worst joins the results of branches. Where one was stopped, or cannot go on, the flow takes no transition.
func worst(results []result) result {
	all := result{status: batch.Completed, code: string(batch.Completed)}
	var errs []error
	for _, res := range results {
		if status := batch.Worse(all.status, res.status); status != all.status {
			all.status, all.code = status, res.code
		}
		all.ran = all.ran || res.ran
		all.failed = append(all.failed, res.failed...)
		errs = append(errs, res.err)
		all.final = all.final || res.final
	}
	all.err = joinWorst(errs)
	return all
}

func (to Target) text() string {
	switch to.Move {
	case GoTo:
		return to.State
	case Fail:
		return "fail"
	case Stop:
		return "stop"
	}
	return "end"
}

func or(code string, status batch.Status) string {
	if code != "" {
		return code
	}
	return string(status)
}

func ptr[T any](v T) *T { return &v }
