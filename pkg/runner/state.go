package runner

import (
	"cmp"
	"context"
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// keptState is how a checkpoint keeps the state of a component, beside a writer's that of the dead letters. A changed
// definition may have another kind of reader or writer where the step stands, which might take such a state for the
// beginning, or for the end.
type keptState struct {
	Kind        string      `json:"kind"`
	State       batch.State `json:"state,omitempty"`        // missing: nil
	Letters     batch.State `json:"letters,omitempty"`      // of the writer of dead letters
	LettersKind string      `json:"letters_kind,omitempty"` // of that one
	Done        spans       `json:"done,omitempty"`         // of a reader: what its lane has committed behind State
}

// ofKind returns the state of a component as a checkpoint keeps it.
func ofKind(kind string, state batch.State) (batch.State, error) {
	return keptState{Kind: kind, State: state}.text()
}

// text returns s as JSON. It is made of every chunk, and what its parts are is JSON already, which encoding/json would read
// through once more.
func (s keptState) text() (batch.State, error) {
	dst := make([]byte, 0, 64+len(s.Kind)+len(s.State)+len(s.Letters))
	dst = record.AppendJSONString(append(dst, `{"kind":`...), s.Kind)
	if len(s.State) > 0 {
		dst = append(append(dst, `,"state":`...), s.State...)
	}
	if len(s.Letters) > 0 {
		dst = append(append(dst, `,"letters":`...), s.Letters...)
		dst = record.AppendJSONString(append(dst, `,"letters_kind":`...), s.LettersKind)
	}
	if len(s.Done) > 0 {
		done, err := json.Marshal(s.Done)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"done":`...), done...)
	}
	return append(dst, '}'), nil
}

// state covers every row and every letter that was written.
func (s *stream) state() (batch.State, error) {
	kept := keptState{Kind: s.components.WriterKind, LettersKind: s.components.LettersKind}
	var err error
	if kept.State, err = s.components.Writer.State(); err != nil {
		return nil, err
	}
	if s.components.Letters != nil {
		if kept.Letters, err = s.components.Letters.State(); err != nil {
			return nil, err
		}
	}
	return kept.text()
}

// stateFor takes a state out of a checkpoint. It must be of a component of the kind that is there now.
func stateFor(what, kind string, kept batch.State) (keptState, error) {
	s := keptState{Kind: kind}
	if kept == nil {
		return s, nil
	}
	if err := json.Unmarshal(kept, &s); err != nil {
		return s, fault.New(fault.Internal, "%s is not the state of a %s", kept, what)
	}
	if s.Kind != kind {
		return s, kindChanged(what, s.Kind, kind)
	}
	return s, nil
}

func kindChanged(what, was, now string) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the step came this far with %s %s, and now has %s",
		what, was, cmp.Or(now, "none")).WithCode("kind_changed").
		WithHint("put the %s back, or begin again with --fresh, which leaves rows that are in a table", what)
}

// lettersState takes the state of the writer of dead letters out of a checkpoint. Another kind of writer is refused where
// there are letters, and begins where there are none.
func (s *stream) lettersState(at keptState) (batch.State, error) {
	switch {
	case at.Letters == nil || at.LettersKind == s.components.LettersKind:
		return at.Letters, nil
	case s.at.Counters.Skip() > 0:
		return nil, kindChanged("dead_letter", at.LettersKind, s.components.LettersKind)
	}
	return nil, nil
}

// openWriters opens the writer, and that of dead letters, where a checkpoint has them.
func (s *stream) openWriters(ctx context.Context, kept batch.State) error {
	at, err := stateFor("writer", s.components.WriterKind, kept)
	if err != nil {
		return err
	}
	letters, err := s.lettersState(at)
	if err != nil {
		return err
	}
	begin := s.meter.begin()
	defer func() { s.meter.add(&s.meter.write, begin, 0) }()
	if err := s.components.Writer.Open(ctx, at.State); err != nil || s.components.Letters == nil {
		return err
	}
	return s.components.Letters.Open(ctx, letters)
}

// ReaderState takes the state of a step's reader out of a checkpoint, with the reader's kind; nil where it has none.
func ReaderState(at batch.Checkpoint) (kind string, state batch.State, err error) {
	kept, err := anyState(at.Reader)
	return kept.Kind, kept.State, err
}

// LettersState takes the state of the writer of a step's dead letters out of a checkpoint; nil where it has none.
func LettersState(at batch.Checkpoint) (batch.State, error) {
	kept, err := anyState(at.Writer)
	return kept.Letters, err
}

func anyState(kept batch.State) (s keptState, err error) {
	if kept != nil && json.Unmarshal(kept, &s) != nil {
		err = fault.New(fault.Internal, "%s is not a state in a checkpoint", kept)
	}
	return s, err
}
