package sqldb

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"batchctl/pkg/record"
)

// sqliteStmt is a prepared statement that SQLite is handed directly. Values are copied into memory of the statement's own,
// one copy each, and bound where they lie.
type sqliteStmt struct {
	conn  *sqliteConn
	stmt  uintptr // sqlite3_stmt*
	bound int32   // placeholders that have a value
	texts cMemory // of the bound values
	err   error   // of the first value that could not be bound
}

// prepare returns the statement of a text; nil where the text is none, or several, which the driver runs one by one.
func (c *sqliteConn) prepare(query string) (*sqliteStmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	const words = 2 * 8
	out := lib.Xsqlite3_malloc64(c.tls, words)
	if out == 0 {
		return nil, c.failed(lib.SQLITE_NOMEM)
	}
	defer lib.Xsqlite3_free(c.tls, out)
	result := libc.GoBytes(out, words)
	clear(result)
	code := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(query)+1), lib.SQLITE_PREPARE_PERSISTENT, out, out+8)
	if err := c.failed(code); err != nil {
		return nil, err
	}
	s := &sqliteStmt{conn: c, stmt: uintptr(binary.NativeEndian.Uint64(result)), texts: cMemory{tls: c.tls}}
	rest := uintptr(binary.NativeEndian.Uint64(result[8:])) - text
	if s.stmt == 0 || int(rest) < len(query) {
		s.close()
		return nil, nil
	}
	return s, nil
}

// bind gives the next placeholder the value that Argument of the dialect gives.
func (s *sqliteStmt) bind(v record.Value) {
	switch v.Kind() {
	case record.Absent, record.Null:
		s.bindNull()
	case record.Bool:
		if v.Bool() {
			s.bindInt(1)
		} else {
			s.bindInt(0)
		}
	case record.Int:
		s.bindInt(v.Int())
	case record.Float:
		s.bindFloat(v.Float())
	case record.Bytes:
		s.bindBlob(v.Text())
	case record.Text, record.JSON:
		s.bindText(v.Text())
	default:
		var plain [64]byte
		s.bindText(record.String(appendPlain(plain[:0], v)))
	}
}

// bindArgument gives the next placeholder an argument of one of the types that database/sql takes, but for times.
func (s *sqliteStmt) bindArgument(arg any) {
	v, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil {
		s.note(err)
	}
	switch x := v.(type) {
	case nil:
		s.bindNull()
	case bool:
		s.bind(record.OfBool(x))
	case int64:
		s.bindInt(x)
	case float64:
		s.bindFloat(x)
	case []byte:
		s.bindBlob(record.String(x))
	case string:
		s.bindText(x)
	default:
		s.note(fmt.Errorf("an argument is a %T", arg))
	}
}

func (s *sqliteStmt) bindNull() {
	s.bound++
	s.check(lib.Xsqlite3_bind_null(s.conn.tls, s.stmt, s.bound))
}

func (s *sqliteStmt) bindInt(i int64) {
	s.bound++
	s.check(lib.Xsqlite3_bind_int64(s.conn.tls, s.stmt, s.bound, lib.Tsqlite_int64(i)))
}

func (s *sqliteStmt) bindFloat(f float64) {
	s.bound++
	s.check(lib.Xsqlite3_bind_double(s.conn.tls, s.stmt, s.bound, f))
}

func (s *sqliteStmt) bindText(text string) {
	s.bound++
	if at, ok := s.keep(text); ok {
		s.check(lib.Xsqlite3_bind_text(s.conn.tls, s.stmt, s.bound, at, int32(len(text)), lib.SQLITE_STATIC))
	}
}

func (s *sqliteStmt) bindBlob(bytes string) {
	s.bound++
	if at, ok := s.keep(bytes); ok {
		s.check(lib.Xsqlite3_bind_blob(s.conn.tls, s.stmt, s.bound, at, int32(len(bytes)), lib.SQLITE_STATIC))
	}
}

// keep copies a text to where SQLite finds it until the statement is reset.
func (s *sqliteStmt) keep(text string) (at uintptr, ok bool) {
	const limit = lib.SQLITE_MAX_LENGTH
	if len(text) > limit {
		s.check(lib.SQLITE_TOOBIG)
		return 0, false
	}
	at = s.texts.copy(text)
	if at == 0 {
		s.check(lib.SQLITE_NOMEM)
	}
	return at, at != 0
}

func (s *sqliteStmt) check(code int32) {
	if code != lib.SQLITE_OK {
		s.note(s.conn.failed(code))
	}
}

func (s *sqliteStmt) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// exec runs the statement with the values that are bound, which stay bound, and returns how many rows it changed.
func (s *sqliteStmt) exec(ctx context.Context) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	tls, stop := s.conn.tls, s.conn.interruptWith(ctx)
	defer stop()
	code := lib.Xsqlite3_step(tls, s.stmt)
	for code == lib.SQLITE_ROW {
		code = lib.Xsqlite3_step(tls, s.stmt)
	}
	var err error
	if code != lib.SQLITE_DONE {
		err = s.conn.failed(code)
	}
	changed := lib.Xsqlite3_changes64(tls, s.conn.db)
	lib.Xsqlite3_reset(tls, s.stmt) // it repeats the code of step
	return int64(changed), err
}

// clear takes the values off, for the next ones.
func (s *sqliteStmt) clear() {
	if s.bound > 0 {
		lib.Xsqlite3_clear_bindings(s.conn.tls, s.stmt)
	}
	s.bound, s.err = 0, nil
	s.texts.reset()
}

// close gives the statement up.
func (s *sqliteStmt) close() {
	lib.Xsqlite3_finalize(s.conn.tls, s.stmt)
	s.texts.free()
}
