package job

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Next says where a job goes behind a step.
type Next struct {
	Step     string       // the step behind a completed one, whatever its exit status; "" where Patterns decide or nothing is said
	Patterns []Transition // on the exit status; one that none matches fails the job
	Node     config.Node  // zero where nothing is said: on to the next in the list
}

// Transition is where an exit status leads.
type Transition struct {
	On batch.Pattern
	To Target
	At config.Node // where On stands
}

// Target is where the flow goes: on to Step, or one of the others is set.
type Target struct {
	Step      string
	End       bool   // the job is complete
	Fail      bool   // the job has failed
	Stop      bool   // the job stops, to be restarted
	Code      string // of the job's exit status; "" for that of the status
	RestartAt string // of Stop: where a restart goes on; "" behind the step
	Node      config.Node
}

const nextHint = "write the name of a step, or exit statuses: {COMPLETED: report, FAILED: {stop: {restart_at: repair}}, \"*\": {fail: ODD}}"

// DecodeYAML reads the name of a step, or a mapping of exit statuses to targets.
func (x *Next) DecodeYAML(d *config.Decoder, n config.Node) error {
	x.Node = n
	switch n.Kind() {
	case config.Scalar:
		return d.For("next").Decode(n, &x.Step)
	case config.Mapping:
	default:
		return n.Errorf("next: expected the name of a step or a mapping, got %s", n.Words()).WithCode("wrong_type").WithHint("%s", nextHint)
	}
	var wrong fault.List
	for _, p := range n.Pairs() {
		transition := Transition{On: batch.Pattern(p.Name), At: p.Key}
		wrong.Add(transition.To.DecodeYAML(d, p.Value))
		x.Patterns = append(x.Patterns, transition)
	}
	if len(x.Patterns) == 0 {
		wrong.Add(n.Errorf("next: an empty mapping").WithCode("no_value").WithHint("%s", nextHint))
	}
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (Next) YAMLType() string { return "the name of a step, or a mapping of exit statuses to targets" }

// DecodeYAML reads the name of a step, or a mapping with one of end, fail and stop.
func (t *Target) DecodeYAML(d *config.Decoder, n config.Node) error {
	t.Node = n
	if n.Kind() == config.Scalar && !n.IsNull() {
		return d.For("next").Decode(n, &t.Step)
	}
	const hint = "write the name of a step, {end: CODE}, {fail: CODE}, {stop: CODE} or {stop: {restart_at: STEP}}"
	pairs := n.Pairs()
	if len(pairs) != 1 {
		return n.Errorf("next: expected a step, or a mapping with one of end, fail and stop, got %s", n.Words()).WithCode("wrong_type").WithHint(hint)
	}
	value := pairs[0].Value
	switch pairs[0].Name {
	case "end":
		t.End = true
	case "fail":
		t.Fail = true
	case "stop":
		t.Stop = true
	default:
		return config.UnknownKey(pairs[0].Key, "a target of next", []string{"end", "fail", "stop"})
	}
	if t.Stop && value.Kind() == config.Mapping {
		return t.decodeStop(d, value)
	}
	if value.IsNull() {
		return nil
	}
	return t.decodeCode(d.For(pairs[0].Name), value)
}

// decodeStop reads the long form of a stop.
func (t *Target) decodeStop(d *config.Decoder, n config.Node) error {
	var stop struct {
		RestartAt  string      `yaml:"restart_at" help:"the step at which a restart goes on"`
		ExitStatus config.Node `yaml:"exit_status" help:"of the stopped job"`
	}
	if err := d.For("stop").Decode(n, &stop); err != nil {
		return err
	}
	t.RestartAt = stop.RestartAt
	if stop.ExitStatus.IsZero() {
		return nil
	}
	return t.decodeCode(d.For("exit_status"), stop.ExitStatus)
}

func (t *Target) decodeCode(d *config.Decoder, n config.Node) error {
	if err := d.Decode(n, &t.Code); err != nil {
		return err
	}
	if t.Code == "" || len(t.Code) > MaxExitCode {
		return n.Errorf("%s: expected an exit status of 1 to %d bytes, got %q", d.What, MaxExitCode, t.Code)
	}
	return nil
}

// MaxExitCode is how many bytes an exit status may have: EXIT_CODE holds them (Spring Batch: varchar(2500), on some
// databases 100).
const MaxExitCode = 100

// Choice is one line of a decision.
type Choice struct {
	When config.Expression `yaml:"when" help:"a condition; the first that holds counts. The last choice needs none"`
	Next *Target           `yaml:"next,required" help:"where the job goes on"`
}

// Choices are the lines of a decision, the first that holds counts.
type Choices []Choice

// DecodeYAML reads the list, whose last line alone may be without a condition.
func (c *Choices) DecodeYAML(d *config.Decoder, n config.Node) error {
	var all []Choice
	var wrong fault.List
	wrong.Add(d.For("decide").Decode(n, &all))
	items := n.Items()
	if n.Kind() == config.List && len(items) == 0 {
		wrong.Add(n.Errorf("decide: an empty list").WithCode("no_value").WithHint("write - {when: steps.load.write_count > 0, next: report}"))
	}
	for i, item := range items {
		if _, conditional := item.Get("when"); !conditional && i+1 < len(items) && item.Kind() == config.Mapping {
			wrong.Add(item.Errorf("decide: what stands behind a choice without a condition is never reached").WithCode("unreachable").
				WithHint("add when: ..., or let it be the last"))
		}
	}
	*c = all
	return wrong.Err()
}

// YAMLType implements config.Worded.
func (Choices) YAMLType() string { return "a list of choices" }
