package writers

import (
	"context"
	"slices"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// create makes the table in the transaction of the first rows, under a lock, unless somebody else has made it meanwhile.
func (w *sqlTable) create(ctx context.Context, tx *sqldb.Tx, schema *record.Schema) error {
	if err := w.checkFields(schema); err != nil {
		return err
	}
	if err := sqldb.Lock(ctx, tx, "create table "+w.conf.Table); err != nil {
		return err
	}
	if err := w.look(ctx, tx); err != nil || w.columns != nil {
		return err
	}
	statement, err := w.createStatement(tx.Dialect(), schema)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fault.Wrap(fault.ClassOf(err), err, "create table %s", w.conf.Table)
	}
	w.made = true
	return w.look(ctx, tx)
}

// createStatement returns the create table of a schema: columns by the kinds of the fields, the key as primary key.
// Fields of any kind become text, adding ones decimals.
func (w *sqlTable) createStatement(d sqldb.Dialect, schema *record.Schema) (string, error) {
	var parts, names []string
	for _, field := range schema.Fields() {
		name := w.conf.Columns.column(field.Name)
		if name == "" {
			continue
		}
		kind := field.Kind
		if slices.Contains(w.conf.Add, name) && !kind.Numeric() {
			kind = record.Decimal
		}
		part := quoteSQLName(name) + " " + d.ColumnType(kind)
		if slices.Contains(w.conf.Key, name) {
			part += " not null"
		}
		parts, names = append(parts, part), append(names, name)
	}
	for _, key := range w.conf.Key {
		if !slices.Contains(names, key) {
			return "", fault.New(fault.Definition, "table %s cannot be made: no field of the records goes into its key column %q", w.conf.Table, key).
				WithHint("%s", fault.DidYouMean(key, names))
		}
	}
	if len(w.conf.Key) > 0 {
		var quoted []string
		for _, key := range w.conf.Key {
			quoted = append(quoted, quoteSQLName(key))
		}
		parts = append(parts, "primary key ("+strings.Join(quoted, ", ")+")")
	}
	return "create table " + d.Quote(w.conf.Table) + " (" + strings.Join(parts, ", ") + ")", nil
}

// quoteSQLName quotes the name of a column, in which a point is a character like any other.
func quoteSQLName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
