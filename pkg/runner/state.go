package runner

import (
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// kindState is how a checkpoint keeps the state of a component. A changed definition may have another kind of reader or
// writer where the step stands, which might take such a state for the beginning, or for the end.
type kindState struct {
	Kind  string      `json:"kind"`
	State batch.State `json:"state,omitempty"` // missing: nil
}

// ofKind returns the state of a component as a checkpoint keeps it.
func ofKind(kind string, state batch.State) (batch.State, error) {
	if kind == "" {
		return state, nil
	}
	return json.Marshal(kindState{kind, state})
}

// states returns the states of reader and writer at the checkpoint, which must be of components of their kinds.
func (s *stream) states() (reader, writer batch.State, err error) {
	if reader, err = stateFor("reader", s.components.ReaderKind, s.at.Reader); err == nil {
		writer, err = stateFor("writer", s.components.WriterKind, s.at.Writer)
	}
	return reader, writer, err
}

func stateFor(what, kind string, kept batch.State) (batch.State, error) {
	if kind == "" || kept == nil {
		return kept, nil
	}
	var s kindState
	if err := json.Unmarshal(kept, &s); err != nil {
		return nil, fault.New(fault.Internal, "%s is not the state of a %s", kept, what)
	}
	if s.Kind != kind {
		return nil, fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the step came this far with %s %s, and now has %s %s",
			what, s.Kind, what, kind).WithCode("kind_changed").
			WithHint("put the %s back, or begin again with --fresh, which leaves rows that are in a table", what)
	}
	return s.State, nil
}
