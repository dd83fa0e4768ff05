package sqldb

import (
	"context"
	"fmt"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// postgresRows is the rows of a result as record values.
type postgresRows struct {
	rows interface {
		Next() bool
		// Fill returns the row as it was sent, or nil with the values that the driver has made of it. Bytes are valid until
		// Next; strings are the row's own and need no copy.
		Fill(values []any) (sent []byte, err error)
		Err() error
		Close() error
	}
	columns    []Column
	values     []any
	binaryInts bool // lib/pq asks for whole numbers in binary where a query has arguments
}

func queryPostgres(ctx context.Context, q Querier, columns []Column, query string, args []any) (*postgresRows, error) {
	r := &postgresRows{columns: columns, values: make([]any, len(columns)), binaryInts: len(args) > 0}
	query = textQuery(query, columns)
	if conn, plain := holder(q), plainArguments(args); conn != nil && len(plain) == len(args) {
		raw, err := conn.rawQuery(ctx, query, plain)
		r.rows = raw
		return r, err
	}
	rows, err := q.Query(ctx, query, args...)
	r.rows = &scannedRows{Rows: rows}
	return r, err
}

// textQuery wraps a query so that its columns come as text where the driver would read more into them: times, floats,
// blanks at the end.
func textQuery(query string, columns []Column) string {
	names, outputs := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i] = fmt.Sprintf("c%d", i+1)
		outputs[i] = "q." + names[i]
		if !comesAsItIs(c.Type) {
			outputs[i] += "::text"
		}
	}
	return "select " + strings.Join(outputs, ", ") + " from (" + query + "\n) q(" + strings.Join(names, ", ") + ")"
}

// comesAsItIs reports whether lib/pq hands out a column of this type as PostgreSQL sends it, or as what it stands for:
// whole numbers and booleans, texts, and the bytes of types that it does not know.
func comesAsItIs(databaseType string) bool {
	switch databaseType {
	case "INT2", "INT4", "INT8", "BOOL", "TEXT", "VARCHAR", "NUMERIC", "JSON", "JSONB":
		return true
	}
	return false
}

func (r *postgresRows) next() (bool, error) {
	if r.rows.Next() {
		return true, nil
	}
	return false, r.rows.Err()
}

func (r *postgresRows) scan(into []record.Value, arena *record.Arena) error {
	row, err := r.rows.Fill(r.values)
	if err != nil {
		return Classify(err)
	}
	fields := sentFields{rest: row, binaryInts: r.binaryInts}
	if row != nil {
		if err := fields.begin(len(r.columns), arena); err != nil {
			return err
		}
	}
	var wrong error
	for i := range r.columns {
		var err error
		if row != nil {
			err = fields.next(&into[i], r.columns[i].Kind, arena)
		} else {
			err = given(&into[i], r.values[i], r.columns[i].Kind, arena)
		}
		if err != nil {
			into[i] = record.Value{}
			if wrong == nil {
				wrong = fault.Wrap(fault.Validation, err, "column %s", r.columns[i].Name)
			}
		}
	}
	return wrong
}

func (r *postgresRows) close() error { return r.rows.Close() }

// scannedRows are rows of database/sql.
type scannedRows struct {
	*Rows
	targets []any // pointers to the elements of values
}

// Fill copies the row's values.
func (r *scannedRows) Fill(values []any) (sent []byte, err error) {
	if r.targets == nil {
		for i := range values {
			r.targets = append(r.targets, &values[i])
		}
	}
	return nil, r.Scan(r.targets...)
}
