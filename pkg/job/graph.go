package job

import (
	"fmt"
	"slices"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// All returns the steps of the job in the order of the file, those of branches behind the step that they belong to.
func (j *Job) All() []*Step { return all(j.Steps) }

func all(steps []Step) []*Step {
	var found []*Step
	for i := range steps {
		found = append(found, &steps[i])
		for _, branch := range steps[i].Parallel {
			found = append(found, all(branch)...)
		}
	}
	return found
}

// Targets returns all targets that the step may go to, as far as they are written: those of next, or of a decision.
func (s *Step) Targets() []Target {
	var targets []Target
	for _, choice := range s.Decide {
		if choice.Next != nil {
			targets = append(targets, *choice.Next)
		}
	}
	for _, transition := range s.Next.Patterns {
		targets = append(targets, transition.To)
	}
	if s.Next.Step != "" {
		targets = append(targets, Target{Step: s.Next.Step, Node: s.Next.Node})
	}
	return targets
}

// checkFlow looks at where the steps of a list lead: unknown targets, steps that are never reached, flows without an end.
func checkFlow(steps []Step) error {
	var wrong fault.List
	for i := range steps {
		for _, branch := range steps[i].Parallel {
			wrong.Add(checkFlow(branch))
		}
		wrong.Add(checkTargets(steps, &steps[i]))
	}
	if len(wrong) > 0 || len(steps) == 0 {
		return wrong.Err()
	}
	edges := edgesOf(steps)
	reached := reachable(edges, 0)
	for i := range steps {
		if !reached[i] {
			wrong.Add(at(steps[i].Node, "name").Errorf("step %s is never reached", steps[i].Name).WithCode("unreachable").
				WithHint("no next leads to it, and step %s before it goes elsewhere", steps[i-1].Name))
		}
	}
	for i := range steps {
		if reached[i] && !reachable(edges, i)[len(steps)] {
			wrong.Add(at(steps[i].Node, "name").Errorf("behind step %s the flow has no end", steps[i].Name).WithCode("endless_flow").
				WithHint("let one of the steps of the loop lead on: by a pattern of its next, or by a decision"))
			break
		}
	}
	return wrong.Err()
}

func at(n config.Node, key string) config.Node {
	if value, ok := n.Get(key); ok {
		return value
	}
	return n
}

func checkTargets(steps []Step, s *Step) error {
	names := make([]string, len(steps))
	for i := range steps {
		names[i] = steps[i].Name
	}
	var wrong fault.List
	for _, target := range s.Targets() {
		for _, name := range []string{target.Step, target.RestartAt} {
			if name != "" && !slices.Contains(names, name) {
				wrong.Add(unknownTarget(target.Node, name, names))
			}
		}
	}
	return wrong.Err()
}

func unknownTarget(n config.Node, name string, names []string) error {
	e := n.Errorf("no step of this list is called %q", name).WithCode("unknown_step")
	if slices.Contains([]string{"end", "fail", "stop"}, name) {
		return e.WithHint("to %s the job write {%s: CODE}", name, name)
	}
	return e.WithHint("%s", fault.DidYouMean(name, names))
}

// edgesOf returns where each step may lead: the indices of steps, len(steps) for an end of the flow.
func edgesOf(steps []Step) [][]int {
	end := len(steps)
	index := func(name string) int { return slices.IndexFunc(steps, func(s Step) bool { return s.Name == name }) }
	edges := make([][]int, end)
	for i := range steps {
		s := &steps[i]
		behind := i + 1
		if s.Kind() != DecideStep && s.Next.Node.IsZero() {
			edges[i] = append(edges[i], behind)
		}
		if s.Kind() == DecideStep && conditional(s.Decide) {
			edges[i] = append(edges[i], end) // where no condition holds the job fails
		}
		for _, target := range s.Targets() {
			switch {
			case target.Step != "":
				edges[i] = append(edges[i], index(target.Step))
			case target.RestartAt != "":
				edges[i] = append(edges[i], index(target.RestartAt), end)
			case target.Stop:
				edges[i] = append(edges[i], behind, end)
			default:
				edges[i] = append(edges[i], end)
			}
		}
	}
	return edges
}

// conditional reports whether a decision may come to no choice.
func conditional(choices Choices) bool {
	return len(choices) == 0 || choices[len(choices)-1].When.Source != ""
}

// reachable returns which nodes can be reached from one; the last is the end.
func reachable(edges [][]int, from int) []bool {
	reached := make([]bool, len(edges)+1)
	open := []int{from}
	for len(open) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		if reached[i] {
			continue
		}
		reached[i] = true
		if i < len(edges) {
			open = append(open, edges[i]...)
		}
	}
	return reached
}

// Warnings are what is allowed in a flow, and yet hardly meant.
func (j *Job) Warnings() []string {
	var warnings []string
	for _, s := range j.All() {
		if pattern := failedBy(s); pattern != nil {
			warnings = append(warnings, fmt.Sprintf("%s: step %s goes on when it FAILED, because %q matches that too: "+
				"write FAILED with its own target, if that is meant", pattern.At.Position(), s.Name, pattern.On))
		}
	}
	return warnings
}

// failedBy returns the transition with a wildcard that a failed step would take to another step or to a good end, nil
// where there is none.
func failedBy(s *Step) *Transition {
	var best *Transition
	for i, t := range s.Next.Patterns {
		if t.On.Match("FAILED") && (best == nil || t.On.Compare(best.On) < 0) {
			best = &s.Next.Patterns[i]
		}
	}
	if best == nil || !best.On.Wild() || best.To.Fail || best.To.Stop {
		return nil
	}
	return best
}
