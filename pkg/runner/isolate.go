package runner

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// errExcluded means that a file's writer refused a record: the attempt begins again without it.
var errExcluded = errors.New("a record was left out")

// isolate writes the chunk's rows so that the bad ones stand alone: into the database under savepoints, halving the
// inputs that fail, and what survives into the files beside it.
func (a *attempt) isolate(ctx context.Context, tx batch.Tx) error {
	target, beside := parts(a.components.Writer)
	if target != nil {
		a.keep()
		if err := a.isolateRange(ctx, tx, target, 0, a.work.chunk.In.Len()); err != nil {
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

// isolateRange writes the rows of the inputs lo to hi, hi excluded, under a savepoint. Where that fails it is undone, and
// the inputs are divided: at the one that is to blame where the writer knows it, else in the middle.
func (a *attempt) isolateRange(ctx context.Context, tx batch.Tx, target batch.Writer, lo, hi int) error {
	rows, first := a.kept.span(lo, hi)
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Savepoint(ctx); err != nil {
		return err
	}
	err := a.writeRange(ctx, tx, target, rows, first)
	if err == nil {
		return tx.Release(ctx)
	}
	if !a.tolerance.Skip.allows(err) || a.tolerance.Retry.allows(err, a.retries) {
		return err
	}
	if undone := tx.RollbackTo(ctx); undone != nil {
		return errors.Join(err, undone)
	}
	if undone := tx.Release(ctx); undone != nil {
		return errors.Join(err, undone)
	}
	if hi-lo == 1 {
		a.excluded[lo] = located(err, a.components.Reader, a.work.chunk, lo)
		return nil
	}
	if bad, known := a.blamed(err, first); known {
		a.excluded[bad] = err
		return errors.Join(a.isolateRange(ctx, tx, target, lo, bad), a.isolateRange(ctx, tx, target, bad+1, hi))
	}
	middle := lo + (hi-lo)/2
	if err := a.isolateRange(ctx, tx, target, lo, middle); err != nil {
		return err
	}
	return a.isolateRange(ctx, tx, target, middle, hi)
}

// writeRange writes rows and has the constraints checked that would else show at COMMIT only.
func (a *attempt) writeRange(ctx context.Context, tx batch.Tx, target batch.Writer, rows []record.Record, first int) error {
	err := target.Write(ctx, tx, rows)
	if err == nil {
		err = tx.CheckDeferred(ctx)
	}
	if err == nil {
		return nil
	}
	if input, known := a.blamed(err, first); known {
		return located(err, a.components.Reader, a.work.chunk, input)
	}
	return err
}

// blamed returns the input whose row a writer blames, first being the index of the first row it was given.
func (a *attempt) blamed(err error, first int) (input int, known bool) {
	var row *batch.RowError
	if !errors.As(err, &row) || row.Row < 0 || first+row.Row >= len(a.kept.from) {
		return 0, false
	}
	return a.kept.from[first+row.Row], true
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
