package writers

import (
	"context"
	"encoding/json"
	"iter"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Reread implements batch.Rereader by the first of the writers that can.
func (w *all) Reread(ctx context.Context, at batch.State, of map[string]record.Value) iter.Seq2[record.Record, error] {
	var states []batch.State
	if at != nil {
		if err := json.Unmarshal(at, &states); err != nil || len(states) != len(w.children) {
			return failing(fault.New(fault.Internal, "%s is not the state of %d writers", at, len(w.children)))
		}
	}
	for i, child := range w.children {
		r, ok := child.(batch.Rereader)
		if !ok {
			continue
		}
		var state batch.State
		if at != nil && string(states[i]) != "null" {
			state = states[i]
		}
		return r.Reread(ctx, state, of)
	}
	return failing(fault.New(fault.Definition, "none of the writers keeps its rows where they can be read back").
		WithHint("write them into a table or a file too"))
}

func failing(err error) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) { yield(record.Record{}, err) }
}
