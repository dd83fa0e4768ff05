package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
)

// liveCounters is a step's scope while the step runs: counters.* are what the instance's step has counted by now.
// Footers and exports are evaluated in it at the end.
type liveCounters struct {
	config.Scope
	step *batch.StepExecution
}

func (l liveCounters) Lookup(name string) (record.Value, config.Availability) {
	if counter, ok := strings.CutPrefix(name, "counters."); ok {
		if n, known := l.step.Total.Named()[counter]; known {
			return record.OfInt(n), config.Now
		}
	}
	return l.Scope.Lookup(name)
}

// Explain implements config.Explainer by asking the scope below.
func (l liveCounters) Explain(name string) error {
	if e, ok := l.Scope.(config.Explainer); ok {
		return e.Explain(name)
	}
	return nil
}

// liveInput is a step's scope that also knows what stands before the records of its input.
type liveInput struct {
	config.Scope
	reader batch.Headed
}

const inputHeader = "input.header"

func (l liveInput) Lookup(name string) (record.Value, config.Availability) {
	if name != inputHeader {
		return l.Scope.Lookup(name)
	}
	text, known := l.reader.Header()
	if !known {
		return record.Value{}, config.Later
	}
	return record.OfText(text), config.Now
}

// Explain implements config.Explainer by asking the scope below.
func (l liveInput) Explain(name string) error {
	if e, ok := l.Scope.(config.Explainer); ok {
		return e.Explain(name)
	}
	return nil
}

// checkHeader refuses outputs that are to have the header of an input that has none.
func checkHeader(s *job.Step) error {
	if _, record := s.Reader.Body.Get("header_record"); record || slices.Contains([]string{"csv", "fixed", "lines"}, s.Reader.Type) {
		return nil
	}
	asking := asksForHeader(s.Writer.Node)
	if s.DeadLetter != nil && asking.IsZero() {
		asking = asksForHeader(s.DeadLetter.Node)
	}
	if asking.IsZero() {
		return nil
	}
	return asking.Errorf("${%s}: the input of reader %s has no header", inputHeader, s.Reader.Type).WithCode("unknown_name").
		WithHint("only csv, fixed and lines, and files with a header_record, have one; write the text out")
}

// asksForHeader returns the text in a component's definition that the input's header stands in, the zero Node where there is
// none.
func asksForHeader(n config.Node) config.Node {
	if n.Kind() == config.Scalar && strings.Contains(n.Text(), "${"+inputHeader+"}") {
		return n
	}
	for _, pair := range n.Pairs() {
		if found := asksForHeader(pair.Value); !found.IsZero() {
			return found
		}
	}
	for _, item := range n.Items() {
		if found := asksForHeader(item); !found.IsZero() {
			return found
		}
	}
	return config.Node{}
}

// leave gives names what a step that ended leaves behind for later ones.
func leave(names *config.Names, step *batch.StepExecution) {
	if step.IsPartition() {
		return
	}
	prefix := "steps." + step.Name + "."
	for counter, n := range step.Total.Named() {
		names.SetInt(prefix+counter, n)
	}
	names.SetText(prefix+"status", string(step.Status)).SetText(prefix+"exit_status", step.Exit.Code)
	for name, raw := range step.Context.Exported() {
		names.Set("context."+name, contextValue(raw))
	}
}

// contextValue is a JSON scalar of an execution context as a value: numbers exact, anything but scalars as JSON.
func contextValue(raw json.RawMessage) record.Value {
	text := string(raw)
	var s string
	switch {
	case text == "" || text == "null":
		return record.NullValue
	case text == "true" || text == "false":
		return record.OfBool(text == "true")
	case json.Unmarshal(raw, &s) == nil:
		return record.OfText(s)
	}
	format := &record.Format{}
	for _, kind := range []record.Kind{record.Int, record.Decimal, record.Float} {
		if v, err := format.Parse(kind, text); err == nil {
			return v
		}
	}
	return record.OfJSON(text)
}
