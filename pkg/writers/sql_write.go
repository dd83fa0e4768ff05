package writers

import (
	"context"
	"errors"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// Write writes the rows in tx. After an error nothing of the call is to be kept: on SQLite it is undone already, on
// PostgreSQL the transaction may be aborted. A single bad row is named by a RowError.
func (w *sqlTable) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if len(rows) == 0 {
		return nil
	}
	target, err := sqlTransaction(tx)
	if err != nil {
		return err
	}
	defer func() { w.plan.rows = nil }() // they are the caller's
	err = w.prepare(ctx, target, rows)
	if err == nil {
		err = w.attempt(ctx, target)
	}
	if err != nil {
		w.forget(err)
		return err
	}
	w.wrote = true
	return nil
}

// WriteLast implements batch.LastWriter for COPY.
func (w *sqlTable) WriteLast(ctx context.Context, tx batch.Tx, rows []record.Record, ahead batch.Ahead, next func() batch.Ahead, ended func()) error {
	w.ended, w.next = ended, next
	w.ahead, _ = ahead.(*sqlAhead)
	defer func() { w.ended, w.next, w.ahead = nil, nil, nil }()
	return w.Write(ctx, tx, rows)
}

// sqlTransaction returns the database's transaction that the runner hands over.
func sqlTransaction(tx batch.Tx) (*sqldb.Tx, error) {
	if target, ok := tx.(*sqldb.Tx); ok && target != nil {
		return target, nil
	}
	return nil, fault.New(fault.Internal, "the sql writer was called without a transaction of its database")
}

// forget drops what may not hold any more once the attempt is rolled back: a table that was made in it, or that it may have
// failed because of.
func (w *sqlTable) forget(err error) {
	w.bound = nil
	if w.made || !fault.ClassOf(err).Data() {
		w.columns, w.made = nil, false
	}
}

// prepare binds the schema, makes the table where it is missing, and plans the rows.
func (w *sqlTable) prepare(ctx context.Context, tx *sqldb.Tx, rows []record.Record) error {
	if w.made {
		if err := w.lookAgain(ctx, tx); err != nil {
			return err
		}
	}
	if schema := rows[0].Schema; w.bound == nil || w.bound.schema != schema {
		if w.columns == nil {
			if err := w.create(ctx, tx, schema); err != nil {
				return err
			}
		}
		bound, err := w.bind(tx.Dialect(), schema)
		if err != nil {
			return err
		}
		w.bound = bound
	}
	w.plan.format.Location = w.location()
	return w.plan.fill(w.bound, rows)
}

// apply writes the planned rows from lo to hi.
func (w *sqlTable) apply(ctx context.Context, tx *sqldb.Tx, lo, hi int) error {
	switch {
	case w.single():
		return w.runEach(ctx, tx, lo, hi)
	case w.bulk.Copy:
		return w.load(ctx, tx, lo, hi)
	}
	return w.runBatches(ctx, tx, lo, hi)
}

// single reports whether rows have to be written one by one: a statement for many says only how many it affected in all.
func (w *sqlTable) single() bool {
	mode := w.bound.write.Mode
	return w.conf.ExpectRows > 0 && !w.unique && (mode == sqldb.Update || mode == sqldb.Delete)
}

// load sends the rows with COPY.
func (w *sqlTable) load(ctx context.Context, tx *sqldb.Tx, lo, hi int) error {
	var bad *batch.RowError
	before := 0 // rows that the server does not count
	feed := func(to *sqldb.CopyWriter) error {
		err := w.feed(to, lo, hi)
		errors.As(err, &bad)
		before = int(to.Before())
		return err
	}
	blame := func(err error) error { return w.blameLine(err, bad, lo+before, hi) }
	if w.bound.write.Mode != sqldb.Insert {
		n, err := tx.Merge(ctx, w.bound.write, feed)
		if err = blame(err); err != nil {
			return err
		}
		return w.checkCount(n, lo, hi)
	}
	if !w.texts && !tx.TakesBinary() {
		w.asTexts()
	}
	load := w.bound.load
	load.Rows = hi - lo
	if w.ahead.holds(w.bound) && hi-lo == len(w.plan.rows) {
		load.First = &w.ahead.rows
	}
	if w.ended != nil && w.conf.ExpectRows == 0 {
		w.proven.Store(w.bound)
		ended, next, bound := w.ended, w.next, w.bound
		load.Next = func() *sqldb.EncodedRows {
			if ahead, _ := next().(*sqlAhead); ahead.holds(bound) {
				return &ahead.rows
			}
			return nil
		}
		return tx.CopyLast(ctx, load, feed, func(err error) error {
			ended()
			if err = blame(err); err != nil {
				w.forget(err)
			}
			return err
		})
	}
	n, err := tx.CopyIn(ctx, load, feed)
	if err = blame(err); err != nil {
		return err
	}
	return w.checkCount(n, lo, hi)
}

// feed writes the rows from lo to hi.
func (w *sqlTable) feed(to *sqldb.CopyWriter, lo, hi int) error {
	for i := lo + to.First(); i < hi; i++ {
		err := w.plan.copyRow(w.bound, &w.plan.order[i], to)
		if err == sqldb.ErrAgain {
			w.asTexts()
			err = w.plan.copyRow(w.bound, &w.plan.order[i], to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// asTexts has the rows sent as text from here on: where one has a value that is not sent in binary, others will, and other
// transactions are like this one.
func (w *sqlTable) asTexts() {
	bound := *w.bound // others may look at it
	bound.load.Binary = nil
	w.bound, w.texts = &bound, true
}

// blameLine finds the row that COPY has failed with, of those from lo to hi; bad is one that was not sent.
func (w *sqlTable) blameLine(err error, bad *batch.RowError, lo, hi int) error {
	switch line, ok := sqldb.CopyLine(err); {
	case bad != nil:
		return bad
	case ok && line >= 1 && line <= hi-lo:
		return &batch.RowError{Row: w.plan.order[lo+line-1].row, Err: err}
	}
	return explainSQL(err)
}

// sqlBatches are the sizes of multi-row statements. Few different ones, so that all stay prepared.
var sqlBatches = [...]int{50, 10, 1}

// runBatches writes rows with prepared statements of several rows each.
func (w *sqlTable) runBatches(ctx context.Context, tx *sqldb.Tx, lo, hi int) error {
	total := int64(0)
	for at := lo; at < hi; {
		size := 1
		for _, s := range sqlBatches {
			if s <= hi-at && s*len(w.bound.fields) <= w.bound.dialect.MaxBinds() {
				size = s
				break
			}
		}
		n, err := w.run(ctx, tx, at, at+size)
		if err != nil {
			return err
		}
		total += n
		at += size
	}
	return w.checkCount(total, lo, hi)
}

func (w *sqlTable) runEach(ctx context.Context, tx *sqldb.Tx, lo, hi int) error {
	for i := lo; i < hi; i++ {
		n, err := w.run(ctx, tx, i, i+1)
		if err == nil {
			err = w.checkCount(n, i, i+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run executes the prepared statement for the rows from lo to hi.
func (w *sqlTable) run(ctx context.Context, tx *sqldb.Tx, lo, hi int) (int64, error) {
	b := w.bound
	text, ok := b.texts[hi-lo]
	if !ok {
		text = b.write.SQL(b.dialect, hi-lo)
		b.texts[hi-lo] = text
	}
	stmt, err := tx.Prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	err = stmt.Fill(func() error {
		for i := lo; i < hi; i++ {
			if err := w.plan.bindRow(b, &w.plan.order[i], stmt); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	n, err := stmt.Run(ctx)
	if err != nil && hi-lo == 1 && fault.ClassOf(err).Data() {
		return 0, &batch.RowError{Row: w.plan.order[lo].row, Err: w.withValues(&w.plan.order[lo], err)}
	}
	return n, explainSQL(err)
}

// checkCount compares the rows affected with expect_rows. Which row is to blame is known where there is only one.
func (w *sqlTable) checkCount(n int64, lo, hi int) error {
	want := w.conf.ExpectRows * int64(hi-lo)
	if want == 0 || n == want {
		return nil
	}
	err := fault.New(fault.Validation, "%s of table %s affected %d rows, expect_rows is %d", w.bound.write.Mode, w.conf.Table, n, want).
		WithCode("unexpected_rows")
	if hi-lo > 1 {
		return err
	}
	e := &w.plan.order[lo]
	if key := w.keyText(e); key != "" {
		err.Message += ": " + key
	}
	return &batch.RowError{Row: e.row, Err: err}
}

// keyText names a row by its key: id=7, day=2026-11-20.
func (w *sqlTable) keyText(e *sqlEntry) string {
	text := ""
	for i, c := range w.bound.key {
		if i > 0 {
			text += ", "
		}
		text += w.bound.write.Columns[c].Name + "=" + w.plan.rows[e.row].At(w.bound.fields[c]).String()
	}
	return text
}

// explainSQL adds what to do about errors whose cause is in how keys compare.
func explainSQL(err error) error {
	const touchedTwice = "21000" // cardinality_violation
	if fault.CodeOf(err) != touchedTwice {
		return err
	}
	return fault.Wrap(fault.ClassOf(err), err, "two keys of a chunk differ as texts but are equal to the database").
		WithCode(touchedTwice).WithHint("give the key field the type of its column, or one spelling, before it is written")
}
