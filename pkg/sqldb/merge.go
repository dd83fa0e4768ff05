package sqldb

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
)

// Merge writes rows as a set: COPY into a temporary table of the connection, then one statement. That is as fast as a
// statement over unnest'ed arrays, needs less work here, and names the row that cannot be converted (CopyLine). It needs
// the right to make temporary tables; errors are as those of CopyIn. With Insert it is CopyIn. It returns the number of
// rows affected. PostgreSQL only.
func (tx *Tx) Merge(ctx context.Context, w Write, feed func(*CopyWriter) error) (int64, error) {
	if w.Mode == Insert {
		return tx.CopyIn(ctx, Load{Table: w.Table, Columns: w.Names()}, feed)
	}
	stage, err := tx.stage(ctx, w)
	if err != nil {
		return 0, err
	}
	if _, err := tx.CopyIn(ctx, Load{Table: stage, Columns: w.Names()}, feed); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, w.merge(tx.Dialect(), quote(stage)))
}

// merge returns the statement that writes all rows of a staging table.
func (w Write) merge(d Dialect, stage string) string {
	if w.Mode == Update || w.Mode == Delete {
		return w.change(d, stage+" as s")
	}
	columns := quoteColumns(w.Names())
	return "insert into " + quote(w.Table) + " as t (" + columns + ") select " + columns + " from " + stage + w.onConflict(d)
}

// stage returns the name of an empty temporary table with the columns of w. It is made once for a session, and empties
// itself at the end of a transaction; within one it is emptied before it is used again. One that was made behind a
// savepoint may have gone with it, so it is known for good only after a commit.
func (tx *Tx) stage(ctx context.Context, w Write) (string, error) {
	c := tx.conn
	columns := make([]string, len(w.Columns))
	for i, column := range w.Columns {
		columns[i] = quoteColumn(column.Name) + " " + column.Type
	}
	definition := strings.Join(columns, ", ")
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(definition))
	name := fmt.Sprintf("pg_temp.batchctl_stage_%x", hash.Sum64())
	if !c.stages[name] {
		_, err := tx.Exec(ctx, "create temp table if not exists "+quote(strings.TrimPrefix(name, "pg_temp."))+
			" ("+definition+") on commit delete rows; delete from "+quote(name))
		if err != nil {
			return "", err
		}
	} else if tx.staged[name] {
		if _, err := tx.Exec(ctx, "delete from "+quote(name)); err != nil {
			return "", err
		}
	}
	if tx.staged == nil {
		tx.staged = map[string]bool{}
	}
	tx.staged[name] = true
	return name, nil
}

// forgetStages forgets the tables that were made in this transaction: a rollback may have taken them.
func (tx *Tx) forgetStages() {
	for name := range tx.staged {
		if !tx.conn.stages[name] {
			delete(tx.staged, name)
		}
	}
}

// keepStages remembers, after a commit, the tables that were made.
func (tx *Tx) keepStages() {
	for name := range tx.staged {
		tx.conn.stages[name] = true
	}
}
