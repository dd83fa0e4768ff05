package plan

import (
	"encoding/json"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
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
