package runner

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
)

// errExcluded means that a file's writer refused a record: the attempt begins again without it.
var errExcluded = errors.New("a record was left out")

// isolate writes the chunk's rows so that the bad ones stand alone: into the database under savepoints, dividing the inputs
// that fail, and what survives into the files beside it.
func (a *attempt) isolate(ctx context.Context, tx batch.Tx) error {
	target, beside := parts(a.components.Writer)
	if target != nil {
		a.keep()
		if err := a.isolateRows(ctx, tx, target); err != nil {
			return err
		}
	}
	a.keep()
	for _, w := range beside {
		if err := a.writeRows(ctx, tx, w, &a.kept); err != nil {
			return a.excludeFrom(err)
		}
	}
	return nil
}

// keep collects the rows of the inputs that are not left out.
func (a *attempt) keep() {
	a.kept.rows, a.kept.from = a.kept.rows[:0], a.kept.from[:0]
	for i, row := range a.out.rows {
		if a.excluded[a.out.from[i]] == nil {
			a.kept.rows, a.kept.from = append(a.kept.rows, row), append(a.kept.from, a.out.from[i])
		}
	}
}

// excludeFrom leaves the record out that a file's writer refuses. Files have no savepoints: the attempt begins again.
func (a *attempt) excludeFrom(err error) error {
	var row *batch.RowError
	if !errors.As(err, &row) || row.Row >= len(a.kept.from) || !a.tolerance.Skip.allows(err) {
		return err
	}
	a.excluded[a.kept.from[row.Row]] = err
	return errExcluded
}

// isolateRows writes the rows of all inputs but the bad ones, piece by piece.
func (a *attempt) isolateRows(ctx context.Context, tx batch.Tx, target batch.Writer) error {
	if err := tx.CheckDeferred(ctx); err != nil { // before the first row, so that the rows answer for what they did themselves
		return err
	}
	d := divide(a.work.chunk.In.Len())
	if a.known { // the attempt before has failed with all of them
		d.fails, d.suspect, a.known = d.end, a.suspect, false
	}
	for d.more() {
		lo, hi := d.at, d.next()
		suspect, bad, err := a.tryPiece(ctx, tx, target, lo, hi)
		switch {
		case err != nil:
			return err
		case bad == nil:
			d.held(hi)
		case d.failed(hi, suspect):
			a.excluded[lo] = located(bad, a.components.Reader, a.work.chunk, lo)
		}
	}
	return nil
}

// tryPiece writes the rows of the inputs lo to hi, hi excluded, under a savepoint. Where that fails because of a record
// that may be skipped it is undone, and bad says why; suspect is the input that the writer blames, -1 where it blames none.
// Any other failure is err.
func (a *attempt) tryPiece(ctx context.Context, tx batch.Tx, target batch.Writer, lo, hi int) (suspect int, bad, err error) {
	rows, first := a.kept.span(lo, hi)
	if len(rows) == 0 {
		return -1, nil, nil
	}
	if err := tx.Savepoint(ctx); err != nil {
		return -1, nil, err
	}
	bad = target.Write(ctx, tx, rows)
	if bad == nil {
		bad = tx.CheckDeferred(ctx) // these constraints would else show at COMMIT only
	}
	if bad == nil {
		return -1, nil, tx.Release(ctx)
	}
	if !a.tolerance.Skip.allows(bad) || a.tolerance.Retry.allows(bad, a.retries) {
		return -1, nil, a.locatedAt(bad, first)
	}
	if undone := tx.RollbackTo(ctx); undone != nil {
		return -1, nil, undone // the record is found again when the chunk is
	}
	return a.kept.blamed(bad, first), bad, tx.Release(ctx)
}

// locatedAt says which record an error is about where the writer blames one, first being the index of the first row it was
// given.
func (a *attempt) locatedAt(err error, first int) error {
	if input := a.kept.blamed(err, first); input >= 0 {
		return located(err, a.components.Reader, a.work.chunk, input)
	}
	return err
}

// blamed returns the input whose row a writer blames, first being the index of the first row it was given; -1 where it
// blames none.
func (o *output) blamed(err error, first int) int {
	var row *batch.RowError
	if !errors.As(err, &row) || row.Row < 0 || first+row.Row >= len(o.from) {
		return -1
	}
	return o.from[first+row.Row]
}

// parts takes a writer apart: the one that writes into the step's database, nil where there is none, and the others.
func parts(w batch.Writer) (target batch.Writer, beside []batch.Writer) {
	fanout, ok := w.(batch.Fanout)
	if !ok {
		if connection(w) != "" {
			return w, nil
		}
		return nil, []batch.Writer{w}
	}
	for _, part := range fanout.Parts() {
		t, b := parts(part)
		if t != nil {
			target = t
		}
		beside = append(beside, b...)
	}
	return target, beside
}

// connection returns the connection that a writer writes into, "" where it writes files or there is no writer.
func connection(w batch.Writer) string {
	if target, ok := w.(batch.Target); ok {
		return target.Connection()
	}
	return ""
}
