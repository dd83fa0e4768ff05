package sqldb

import (
	"context"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sqliteRows is the result of a query that SQLite hands over directly: texts are copied once, into an arena.
type sqliteRows struct {
	conn    *Conn
	own     bool // conn is the result's and is closed with it
	stmt    *sqliteStmt
	columns []Column
	stop    func() // watching the context
	code    int32  // of the last step
	waiting bool   // the row that it made has not been asked for
}

// querySQLite runs a query up to its first row.
func querySQLite(ctx context.Context, q Querier, columns []Column, query string, args []any) (_ *sqliteRows, err error) {
	r := &sqliteRows{columns: columns, waiting: true}
	switch q := q.(type) {
	case *Conn:
		r.conn = q
	case *Tx:
		r.conn = q.conn
	case *DB:
		if r.conn, err = q.Conn(ctx); err != nil {
			return nil, err
		}
		r.own = true
	}
	if err := r.begin(ctx, query, args); err != nil {
		err = r.conn.fail(ctx, err)
		_ = r.close()
		return nil, err
	}
	return r, nil
}

func (r *sqliteRows) begin(ctx context.Context, query string, args []any) (err error) {
	r.stop = r.conn.sqlite.interruptWith(ctx)
	return r.conn.db.retryBusy(ctx, func() error {
		if r.stmt == nil {
			if r.stmt, err = r.conn.sqlite.prepare(query); err != nil {
				return err
			}
			if r.stmt == nil {
				return fault.New(fault.Definition, "the query is more than one statement")
			}
			for _, arg := range args {
				r.stmt.bindArgument(arg)
			}
		}
		if r.stmt.err != nil {
			return r.stmt.err
		}
		return r.step()
	})
}

// step makes the next row.
func (r *sqliteRows) step() (err error) {
	c := r.conn.sqlite
	if r.code = lib.Xsqlite3_step(c.tls, r.stmt.stmt); r.code != lib.SQLITE_ROW && r.code != lib.SQLITE_DONE {
		err = c.failed(r.code)
		lib.Xsqlite3_reset(c.tls, r.stmt.stmt)
	}
	return err
}

// next moves to the next row and reports whether there is one.
func (r *sqliteRows) next() (bool, error) {
	if !r.waiting && r.code == lib.SQLITE_ROW {
		if err := r.step(); err != nil {
			return false, err
		}
	}
	r.waiting = false
	return r.code == lib.SQLITE_ROW, nil
}

// scan fills into with the values of the row. The error is of the first value that is not of its column's kind.
func (r *sqliteRows) scan(into []record.Value, arena *record.Arena) (wrong error) {
	c := r.conn.sqlite
	c.lock() // once, not for each value
	defer c.unlock()
	for i := range r.columns {
		var err error
		into[i], err = r.value(lib.Xsqlite3_column_value(c.tls, r.stmt.stmt, int32(i)), r.columns[i].Kind, arena)
		if err != nil && wrong == nil {
			wrong = fault.Wrap(fault.Validation, err, "column %s", r.columns[i].Name)
		}
	}
	return wrong
}

// value returns the value of an sqlite3_value.
func (r *sqliteRows) value(v uintptr, kind record.Kind, arena *record.Arena) (record.Value, error) {
	tls := r.conn.sqlite.tls
	switch lib.Xsqlite3_value_type(tls, v) {
	case lib.SQLITE_INTEGER:
		return storedInt(int64(lib.Xsqlite3_value_int64(tls, v)), kind)
	case lib.SQLITE_FLOAT:
		return storedFloat(float64(lib.Xsqlite3_value_double(tls, v)), kind)
	case lib.SQLITE_TEXT:
		at := lib.Xsqlite3_value_text(tls, v)
		return storedText(arena.Copy(libc.GoBytes(at, int(lib.Xsqlite3_value_bytes(tls, v)))), kind)
	case lib.SQLITE_BLOB:
		at := lib.Xsqlite3_value_blob(tls, v)
		return storedBytes(arena.Copy(libc.GoBytes(at, int(lib.Xsqlite3_value_bytes(tls, v)))), kind)
	}
	return record.NullValue, nil
}

// close ends the query.
func (r *sqliteRows) close() error {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
	if r.stmt != nil {
		r.stmt.close()
		r.stmt = nil
	}
	if !r.own {
		return nil
	}
	r.own = false
	return r.conn.Close()
}
