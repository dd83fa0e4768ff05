package runner

import (
	"context"
	"encoding/json"
	"errors"

	"batchctl/pkg/batch"
)

// writerStates is the writer's part of a checkpoint where a step has dead letters.
type writerStates struct {
	Writer  batch.State `json:"writer"`
	Letters batch.State `json:"letters"`
}

// state covers every row and every letter that was written.
func (s *stream) state() (batch.State, error) {
	state, err := s.components.Writer.State()
	if err != nil || s.components.Letters == nil {
		return state, err
	}
	letters, err := s.components.Letters.State()
	if err != nil {
		return nil, err
	}
	return json.Marshal(writerStates{state, letters})
}

// openWriters opens the writer, and that of dead letters, at a state of both.
func (s *stream) openWriters(ctx context.Context, state batch.State) error {
	if s.components.Letters == nil {
		return s.components.Writer.Open(ctx, state)
	}
	var states writerStates
	if state != nil {
		if err := json.Unmarshal(state, &states); err != nil {
			return err
		}
	}
	if err := s.components.Writer.Open(ctx, present(states.Writer)); err != nil {
		return err
	}
	return s.components.Letters.Open(ctx, present(states.Letters))
}

// present is a state as it went through JSON: null is none.
func present(state batch.State) batch.State {
	if string(state) == "null" {
		return nil
	}
	return state
}

func (s *stream) flush(ctx context.Context, tx batch.Tx) error {
	if err := s.components.Writer.Flush(ctx, tx); err != nil || s.components.Letters == nil {
		return err
	}
	return s.components.Letters.Flush(ctx, tx)
}

// publishers are the writers whose output appears at the end.
func (c *Components) publishers() []batch.Publisher {
	var all []batch.Publisher
	for _, w := range []batch.Writer{c.Writer, c.Letters} {
		if p, ok := w.(batch.Publisher); ok {
			all = append(all, p)
		}
	}
	return all
}

// writeLetters writes a dead letter for each record that was left out.
func (s *stream) writeLetters(ctx context.Context, tx batch.Tx, w *work, skips []skipped) error {
	if s.components.Letters == nil || len(skips) == 0 {
		return nil
	}
	s.letters.Reset()
	s.letters.SetSchema(batch.LetterSchema())
	for _, skip := range skips {
		letter := s.letter(w, skip)
		letter.AppendTo(&s.letters)
	}
	return s.components.Letters.Write(ctx, tx, s.letters.AppendRows(nil))
}

func (s *stream) letter(w *work, skip skipped) *batch.Letter {
	l := &batch.Letter{
		Step: s.lane.StepKey, Lane: s.lane.Lane, Instance: s.instance, Execution: s.execution.JobID,
		Ordinal: skip.ordinal, Phase: skip.phase, Err: reason(skip.err), Origin: skip.origin, Created: s.runner.Now(),
	}
	if skip.input >= 0 {
		input := w.chunk.In.Row(skip.input)
		l.Input, l.Origin = &input, w.chunk.Origins[skip.input]
	}
	return l
}

// reason is an error without the wrapping that says how far the attempt came.
func reason(err error) error {
	var bad *batch.BadRecord
	if errors.As(err, &bad) {
		return bad.Err
	}
	return err
}
