package runner

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
)

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
	rows := s.letters.AppendRows(nil)
	for i := range rows {
		rows[i].Ordinal = skips[i].ordinal
	}
	return s.components.Letters.Write(ctx, tx, rows)
}

func (s *stream) letter(w *work, skip skipped) *batch.Letter {
	l := &batch.Letter{
		Step: s.lane.StepKey, Lane: s.lane.Lane, Instance: s.instance, Execution: s.execution.JobID,
		Ordinal: skip.ordinal, Phase: skip.phase, Err: reason(skip.err), Origin: skip.origin, Created: s.runner.Now(),
	}
	if s.share != nil {
		l.Step.Step, l.Lane = s.manager, s.share.Index
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
