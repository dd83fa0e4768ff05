package plan

import (
	"fmt"

	"batchctl/pkg/job"
)

// Graph is the way of a job through its steps, for pictures.
type Graph struct {
	Job   string      `json:"job"`
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`
}

// GraphNode is a step, or a place where the flow begins, divides, joins or ends.
type GraphNode struct {
	ID   string `json:"id"`   // fit for any language of pictures
	Kind string `json:"kind"` // start, step, decide, parallel, join, end, fail or stop
	Name string `json:"name"` // of a step, or the exit status of an end
	Does string `json:"does,omitempty"`
}

// GraphEdge leads from one node to another.
type GraphEdge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	On    string `json:"on,omitempty"`    // the exit status, or the condition
	Later bool   `json:"later,omitempty"` // by a restart
}

// Draw returns the graph of the definition at a path. Its parameters need not be known.
func (e *Engine) Draw(path string) (*Graph, error) {
	j, err := e.load(path)
	if err != nil {
		return nil, err
	}
	g := &Graph{Job: j.Name}
	start := g.node("start", j.Name, "")
	end := g.flow(j.Steps, start, "")
	for _, last := range end {
		g.edge(last.From, g.node("end", "COMPLETED", ""), last.On)
	}
	return g, nil
}

func (g *Graph) node(kind, name, does string) string {
	id := fmt.Sprintf("n%d", len(g.Nodes))
	g.Nodes = append(g.Nodes, GraphNode{id, kind, name, does})
	return id
}

func (g *Graph) edge(from, to, on string) {
	g.Edges = append(g.Edges, GraphEdge{From: from, To: to, On: on})
}

// flow draws a list of steps behind a node, and returns the edges that leave it at its end, whose To is open.
func (g *Graph) flow(steps []job.Step, from, on string) (open []GraphEdge) {
	enter, leave := make([]string, len(steps)), make([]string, len(steps))
	for i := range steps {
		enter[i], leave[i] = g.step(&steps[i])
	}
	if len(steps) == 0 {
		return []GraphEdge{{From: from, On: on}}
	}
	g.edge(from, enter[0], on)
	index := func(name string) string {
		for i := range steps {
			if steps[i].Name == name {
				return enter[i]
			}
		}
		return ""
	}
	next := func(i int, on string) {
		if i+1 < len(steps) {
			g.edge(leave[i], enter[i+1], on)
			return
		}
		open = append(open, GraphEdge{From: leave[i], On: on})
	}
	for i := range steps {
		s := &steps[i]
		if s.Kind() != job.DecideStep && s.Next.Node.IsZero() {
			next(i, "")
		}
		if s.Next.Step != "" {
			g.edge(leave[i], index(s.Next.Step), "")
		}
		for _, choice := range s.Decide {
			on := choice.When.Source
			if on == "" {
				on = "else"
			}
			g.target(leave[i], *choice.Next, on, index)
		}
		for _, transition := range s.Next.Patterns {
			g.target(leave[i], transition.To, string(transition.On), index)
		}
	}
	return open
}

// step draws a step, and returns the nodes where it begins and ends.
func (g *Graph) step(s *job.Step) (enter, leave string) {
	switch s.Kind() {
	case job.DecideStep:
		enter = g.node("decide", s.Name, "")
		return enter, enter
	case job.ParallelStep:
		enter = g.node("parallel", s.Name, "")
		leave = g.node("join", s.Name, "")
		for _, branch := range s.Parallel {
			for _, last := range g.flow(branch, enter, "") {
				g.edge(last.From, leave, last.On)
			}
		}
		return enter, leave
	case job.ChunkStep:
		enter = g.node("step", s.Name, s.Reader.Type+" to "+s.Writer.Type)
	default:
		enter = g.node("step", s.Name, describeFlow(s))
	}
	return enter, enter
}

// target draws where an exit status leads.
func (g *Graph) target(from string, t job.Target, on string, index func(string) string) {
	code := func(usual string) string {
		if t.Code != "" {
			return t.Code
		}
		return usual
	}
	switch {
	case t.Step != "":
		g.edge(from, index(t.Step), on)
	case t.End:
		g.edge(from, g.node("end", code("COMPLETED"), ""), on)
	case t.Fail:
		g.edge(from, g.node("fail", code("FAILED"), ""), on)
	default:
		stop := g.node("stop", code("STOPPED"), "")
		g.edge(from, stop, on)
		if t.RestartAt != "" {
			g.Edges = append(g.Edges, GraphEdge{From: stop, To: index(t.RestartAt), On: "restart", Later: true})
		}
	}
}
