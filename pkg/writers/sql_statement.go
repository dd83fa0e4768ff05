package writers

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlStatement runs a statement for each record, its binds taken from the record's fields, or else from the job.
type sqlStatement struct {
	conf *sqlConf
	env  *catalog.Env

	statement *sqldb.Statement
	schema    *record.Schema
	fields    map[string]int // binds that are fields of schema
	constants map[string]any // the others
}

// Connection returns the name of the database that the writer writes into.
func (w *sqlStatement) Connection() string { return w.conf.Connection }

// Open parses the statement, whose binds look different in every database.
func (w *sqlStatement) Open(context.Context, batch.State) error {
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return err
	}
	w.schema = nil
	w.statement, err = sqldb.ParseStatement(db.Dialect(), w.conf.Statement.Text)
	if err != nil {
		return w.wrong(err)
	}
	return nil
}

// wrong gives an error of the statement its place in the definition.
func (w *sqlStatement) wrong(err error) error {
	if fault.PositionOf(err).Line > 0 {
		return err
	}
	return w.conf.Statement.Node.Wrap(err, "writer sql")
}

// bind finds a field or another value for every bind of the statement.
func (w *sqlStatement) bind(d sqldb.Dialect, schema *record.Schema) error {
	w.fields, w.constants = map[string]int{}, map[string]any{}
	for _, name := range w.statement.Names() {
		if i, ok := schema.Index(name); ok {
			w.fields[name] = i
			continue
		}
		v, available := w.env.Bind(name)
		if available == config.NoSuchName {
			return w.conf.Statement.Node.Errorf("writer sql: nothing is called :%s", name).WithCode("unknown_bind").
				WithHint("%s", fault.DidYouMean(name, append(schema.Names(), w.env.BindNames()...)))
		}
		w.constants[name] = d.Argument(v)
	}
	w.schema = schema
	return nil
}

// Write runs the statement for each row, in their order.
func (w *sqlStatement) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	if len(rows) == 0 {
		return nil
	}
	target, err := sqlTransaction(tx)
	if err != nil {
		return err
	}
	if w.schema != rows[0].Schema {
		if err := w.bind(target.Dialect(), rows[0].Schema); err != nil {
			return err
		}
	}
	stmt, err := target.Prepare(ctx, w.statement.SQL())
	if err != nil {
		return w.wrong(err)
	}
	for i, row := range rows {
		if err := w.run(ctx, target.Dialect(), stmt, row); err != nil {
			if fault.ClassOf(err).Data() {
				return &batch.RowError{Row: i, Err: err}
			}
			return err
		}
	}
	return nil
}

func (w *sqlStatement) run(ctx context.Context, d sqldb.Dialect, stmt *sqldb.Stmt, row record.Record) error {
	args, err := w.statement.Args(func(name string) (any, error) {
		if i, ok := w.fields[name]; ok {
			return d.Argument(row.At(i)), nil
		}
		return w.constants[name], nil
	})
	if err != nil {
		return err
	}
	n, err := stmt.Exec(ctx, args...)
	if err != nil || w.conf.ExpectRows == 0 || n == w.conf.ExpectRows {
		return err
	}
	return fault.New(fault.Validation, "the statement affected %d rows, expect_rows is %d", n, w.conf.ExpectRows).WithCode("unexpected_rows")
}

// State is always the beginning: what was written is the transaction's.
func (w *sqlStatement) State() (batch.State, error) { return nil, nil }

// Flush does nothing: rows become durable with their transaction.
func (w *sqlStatement) Flush(context.Context, batch.Tx) error { return nil }

// Close does nothing: the transaction is the runner's, the connection the plan's.
func (w *sqlStatement) Close() error { return nil }

// Check reports what is wrong before anything runs: a connection, a bind that is neither a field nor a parameter.
func (w *sqlStatement) Check(ctx context.Context, in *record.Schema) error {
	if err := w.Open(ctx, nil); err != nil || in == nil {
		return err
	}
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return err
	}
	return w.bind(db.Dialect(), in)
}
