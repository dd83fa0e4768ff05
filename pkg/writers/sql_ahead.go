package writers

import (
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlAhead is the first rows of a chunk, encoded while the chunk before it is loaded.
type sqlAhead struct {
	writer  *sqlTable
	binding *sqlBinding // that they were encoded by; nil where there are none
	plan    sqlPlan
	rows    sqldb.EncodedRows
}

// NewAhead implements batch.LastWriter.
func (w *sqlTable) NewAhead() batch.Ahead { return &sqlAhead{writer: w} }

// Prepare implements batch.Ahead. How rows are encoded is known when the first chunk is loaded.
func (a *sqlAhead) Prepare(rows []record.Record) {
	a.binding = a.writer.proven.Load()
	if a.binding == nil || len(rows) == 0 || rows[0].Schema != a.binding.schema {
		a.binding = nil
		return
	}
	a.plan.rows, a.plan.format.Location = rows, a.writer.location()
	a.plan.arena.Reset()
	e := sqlEntry{sums: -1}
	a.rows.Fill(len(rows), a.binding.load.Binary, func(row int, to *sqldb.CopyWriter) error {
		e.row = row
		return a.plan.copyRow(a.binding, &e, to)
	})
	a.plan.rows = nil // they are the caller's
}

// holds reports whether a has rows that are encoded as by a binding. Writers of several lanes have one each.
func (a *sqlAhead) holds(by *sqlBinding) bool {
	if a == nil || a.binding == nil {
		return false
	}
	b := a.binding
	return b == by || b.schema == by.schema && b.write.Table == by.write.Table && slices.Equal(b.fields, by.fields) && slices.Equal(b.write.Columns, by.write.Columns)
}
