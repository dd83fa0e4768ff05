package job

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Listener is something to do when something has happened, on a job or on one of its steps.
type Listener struct {
	On     Events `yaml:"on,required" help:"what it hears of: events, as job.failed"`
	Expect Expect `yaml:"expect" help:"of job.slow: how long the job should take, 20m, or 3x: so many times the median of the last ten completed executions"`

	Type string      // what to do
	Do   Component   // the same with its keys, for the catalog
	Node config.Node // the mapping
}

// The events that listeners hear of.
const (
	JobStarted    = "job.started"
	JobCompleted  = "job.completed"
	JobFailed     = "job.failed"
	JobStopped    = "job.stopped"
	JobSlow       = "job.slow"
	StepStarted   = "step.started"
	StepCompleted = "step.completed"
	StepFailed    = "step.failed"
	StepStopped   = "step.stopped"
	ChunkFailed   = "chunk.failed"
	ChunkRetried  = "chunk.retried"
	RecordSkipped = "record.skipped"
)

// EventNames lists the events in the order they are explained.
var EventNames = []string{JobStarted, JobCompleted, JobFailed, JobStopped, JobSlow, StepStarted, StepCompleted, StepFailed,
	StepStopped, ChunkFailed, ChunkRetried, RecordSkipped}

// DecodeYAML takes the mapping apart: what the listener hears of, and what it does.
func (l *Listener) DecodeYAML(d *config.Decoder, n config.Node) error {
	d = d.For("listener")
	if n.Kind() != config.Mapping {
		return n.Errorf("listener: expected a mapping, got %s", n.Words()).WithCode("wrong_type").
			WithHint(`write - {on: [job.failed], type: slack, url: "${env.SLACK_URL:-}"}`)
	}
	var own struct {
		On     Events `yaml:"on,required" help:"what happens: [job.failed]"`
		Expect Expect `yaml:"expect" help:"how long the job should take"`
	}
	var wrong fault.List
	wrong.Add(d.Decode(only(n, "on", "expect"), &own))
	l.Node, l.On, l.Expect = n, own.On, own.Expect
	wrong.Add(l.Do.DecodeYAML(d, n.Without("on", "expect")))
	l.Type = l.Do.Type
	if len(wrong) == 0 {
		wrong.Add(l.checkExpect(n))
	}
	return wrong.Err()
}

// only returns a mapping with just these of its keys.
func only(n config.Node, keys ...string) config.Node {
	var others []string
	for _, p := range n.Pairs() {
		if !slices.Contains(keys, p.Name) {
			others = append(others, p.Name)
		}
	}
	return n.Without(others...)
}

func (l *Listener) checkExpect(n config.Node) error {
	expect, there := n.Get("expect")
	slow := slices.Contains(l.On, JobSlow)
	switch {
	case slow && !there:
		return n.Errorf("listener: job.slow does not say how long the job should take").WithCode("missing_key").
			WithHint("add expect: 20m, or expect: 3x for three times the median of the last ten")
	case there && !slow:
		return expect.Errorf("listener: expect belongs to job.slow, which is not among its events").WithCode("key_does_not_fit").
			WithHint("add job.slow to on, or remove the key")
	}
	return nil
}

// Events is a list of names of events, or one.
type Events []string

// DecodeYAML reads the list, or a single event.
func (e *Events) DecodeYAML(d *config.Decoder, n config.Node) error {
	items := n.OneOrMore()
	var wrong fault.List
	*e = make(Events, 0, len(items))
	for _, item := range items {
		if item.Kind() != config.Scalar || !slices.Contains(EventNames, item.Text()) {
			wrong.Add(item.Errorf("listener: unknown event %s", item.Words()).WithCode("unknown_event").
				WithHint("%s", fault.DidYouMean(strings.ToLower(item.Text()), EventNames)))
			continue
		}
		*e = append(*e, item.Text())
	}
	if len(items) == 0 {
		wrong.Add(n.Errorf("listener: on is an empty list").WithCode("no_value").WithHint("known: %s", strings.Join(EventNames, ", ")))
	}
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (Events) YAMLType() string { return "a list of events" }

// Expect is how long a job should take: a duration, or a multiple of what it usually takes. One of both is 0.
type Expect struct {
	Duration time.Duration
	Times    float64
}

var times = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)x$`)

// DecodeYAML reads 20m or 3x.
func (e *Expect) DecodeYAML(d *config.Decoder, n config.Node) error {
	if m := times.FindStringSubmatch(n.Text()); m != nil {
		factor, err := strconv.ParseFloat(m[1], 64)
		if err != nil || factor < 1 {
			return n.Errorf("expect: expected 1x or more, got %s", n.Words())
		}
		*e = Expect{Times: factor}
		return nil
	}
	var duration config.Duration
	if err := d.For("expect").Decode(n, &duration); err != nil {
		return n.Errorf("expect: expected a duration or a multiple, got %s", n.Words()).WithCode("wrong_type").
			WithHint("write 20m, or 3x for three times the median of the last ten completed executions")
	}
	if duration <= 0 && written(n) {
		return n.Errorf("expect: expected a duration above 0")
	}
	*e = Expect{Duration: time.Duration(duration)}
	return nil
}

// YAMLType implements config.Worded.
func (Expect) YAMLType() string { return "a duration, or a multiple as 3x" }

// Listeners is what a job, or a step, does when something happens.
type Listeners []Listener

// YAMLType implements config.Worded.
func (Listeners) YAMLType() string { return "a list of listeners" }

// checkOfStep refuses events that a step does not know.
func (l Listeners) checkOfStep() error {
	var wrong fault.List
	for _, listener := range l {
		for _, event := range listener.On {
			if strings.HasPrefix(event, "job.") {
				wrong.Add(at(listener.Node, "on").Errorf("listener of a step: %s is an event of the job", event).WithCode("unknown_event").
					WithHint("put this listener below listeners of the job"))
			}
		}
	}
	return wrong.Err()
}

// listenerNodes returns the mappings of all listeners of a definition, those of steps too, from a tree that may be wrong in
// other places.
func listenerNodes(root config.Node) []config.Node {
	list, _ := root.Get("listeners")
	found := list.Items()
	steps, _ := root.Get("steps")
	for _, step := range stepNodes(steps) {
		list, _ := step.Get("listeners")
		found = append(found, list.Items()...)
	}
	return found
}
