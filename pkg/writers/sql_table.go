package writers

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlTable writes records as rows of a table. What it wrote lives in the step's transaction, so there is nothing of its
// own to undo.
type sqlTable struct {
	conf *sqlConf
	env  *catalog.Env

	columns []sqldb.Column // of the table; nil: there is none yet
	made    bool           // the table was made in this transaction
	bulk    sqldb.Bulk     // what COPY may do
	texts   bool           // it met a value that is not sent in binary
	unique  bool           // the key names at most one row
	wrote   bool

	ended func()             // called when the rows are in; not nil where they may be so later than Write returns
	ahead *sqlAhead          // rows of this Write that were made ready; nil where none were
	next  func() batch.Ahead // of WriteLast

	bound  *sqlBinding                // of the last schema; nil where it may not hold any more
	proven atomic.Pointer[sqlBinding] // by which COPY was last given rows, in a transaction of theirs alone
	plan   sqlPlan
}

// sqlState is what a restart has to know: whether the table must be there, and which one it is.
type sqlState struct {
	Wrote bool   `json:"wrote"`
	Table string `json:"table"`
}

// Connection returns the name of the database that the writer writes into.
func (w *sqlTable) Connection() string { return w.conf.Connection }

// Open looks the table up, unless the writer knows it and is opened again because of bad rows. Where rows of this step have
// been committed and the table is gone, a restart would load the rest into a new one; that is refused.
func (w *sqlTable) Open(ctx context.Context, from batch.State) error {
	var state sqlState
	if len(from) > 0 {
		if err := json.Unmarshal(from, &state); err != nil {
			return fault.Wrap(fault.Internal, err, "state of the sql writer")
		}
	}
	if state.Wrote && state.Table != w.conf.Table {
		return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "this step has written rows into table %s, and is to go on in table %s", state.Table, w.conf.Table).
			WithCode("table_changed").WithHint("put table back as it was, or begin again with --fresh, which leaves the rows that are there")
	}
	known := w.columns != nil && !w.conf.Create // a table that was made may be undone
	w.made, w.wrote = false, state.Wrote
	if known {
		return nil
	}
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return err
	}
	if err := w.look(ctx, db); err != nil {
		return err
	}
	if w.columns == nil && w.wrote {
		return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "table %s, which this step has written rows into, is gone", w.conf.Table).
			WithHint("restore the table, or start the job anew")
	}
	return nil
}

// look reads from the catalogue what the table is. A missing one is an error unless it is to be made.
func (w *sqlTable) look(ctx context.Context, q sqldb.Querier) error {
	w.columns, w.bound = nil, nil
	columns, err := sqldb.Columns(ctx, q, w.conf.Table)
	if fault.CodeOf(err) == sqldb.NoSuchTable && w.conf.Create {
		return nil
	}
	if err != nil {
		return err
	}
	if w.bulk, err = sqldb.BulkOf(ctx, q, w.conf.Table); err != nil {
		return err
	}
	w.bulk.Copy = w.bulk.Copy && w.conf.Bulk != "never"
	w.columns = columns
	return w.checkKey(ctx, q)
}

// checkKey finds out whether the key is unique. Upsert and ignore cannot work where it is not: the database would say so
// with the first row.
func (w *sqlTable) checkKey(ctx context.Context, q sqldb.Querier) error {
	if len(w.conf.Key) == 0 {
		return nil
	}
	names := make([]string, len(w.conf.Key))
	for i, name := range w.conf.Key {
		column, ok := findSQLColumn(q.Dialect(), w.columns, name)
		if !ok {
			return unknownSQLColumn(w.conf.Table, name, "key", w.columns)
		}
		names[i] = column.Name
	}
	keys, err := sqldb.UniqueKeys(ctx, q, w.conf.Table)
	if err != nil {
		return err
	}
	w.unique = sqldb.IsUnique(keys, names)
	mode := sqldb.Mode(w.conf.Mode)
	if w.unique || mode != sqldb.Upsert && mode != sqldb.Ignore {
		return nil
	}
	return fault.New(fault.Definition, "mode %s needs a unique index on (%s), which table %s has not", mode, strings.Join(w.conf.Key, ", "), w.conf.Table).
		WithHint("%s", uniqueHint(keys, w.conf))
}

func uniqueHint(keys [][]string, conf *sqlConf) string {
	if len(keys) > 0 {
		return "its unique keys are (" + strings.Join(joinEach(keys), "), (") + ")"
	}
	return "create unique index on " + conf.Table + " (" + strings.Join(conf.Key, ", ") + ")"
}

func joinEach(lists [][]string) []string {
	var joined []string
	for _, list := range lists {
		joined = append(joined, strings.Join(list, ", "))
	}
	return joined
}

// State says that rows were written; the rows themselves are the transaction's.
func (w *sqlTable) State() (batch.State, error) {
	if !w.wrote {
		return nil, nil
	}
	return json.Marshal(sqlState{Wrote: true, Table: w.conf.Table})
}

// Flush looks whether a table that was made is still there; the rows become durable with their transaction.
func (w *sqlTable) Flush(ctx context.Context, tx batch.Tx) error {
	if !w.made {
		return nil
	}
	target, err := sqlTransaction(tx)
	if err != nil {
		return err
	}
	err = w.lookAgain(ctx, target)
	w.made = false // it commits with tx; where that fails the writer is opened again
	return err
}

// lookAgain looks for a table that was made in this transaction: a savepoint may have taken it away, with all its rows.
func (w *sqlTable) lookAgain(ctx context.Context, tx *sqldb.Tx) error {
	if err := w.look(ctx, tx); err != nil || w.columns != nil {
		return err
	}
	w.made, w.wrote = false, false
	return nil
}

// Close does nothing: the transaction is the runner's, the connection the plan's.
func (w *sqlTable) Close() error { return nil }

// Check reports what is wrong before anything runs: a connection, a table, a column, a key that is not there. in is the
// schema of the records, nil where it is not known yet. A table that is to be made is no error.
func (w *sqlTable) Check(ctx context.Context, in *record.Schema) error {
	db, err := w.env.Connect(w.conf.Connection)
	if err != nil {
		return err
	}
	if err := w.look(ctx, db); err != nil || w.columns == nil || in == nil {
		return err
	}
	_, err = w.bind(db.Dialect(), in)
	return err
}
