package sqldb

import (
	"errors"

	"modernc.org/libc"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// sqliteError is an error of SQLite's, in the driver's words.
type sqliteError struct {
	text string
	code int
}

// Error returns the text.
func (e *sqliteError) Error() string { return e.text }

// Code returns the extended result code.
func (e *sqliteError) Code() int { return e.code }

// failed returns the error of a call that returned code; nil for SQLITE_OK.
func (c *sqliteConn) failed(code int32) error {
	if code == lib.SQLITE_OK {
		return nil
	}
	general, text := libc.GoString(lib.Xsqlite3_errstr(c.tls, code)), libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))
	if text != general {
		text = general + ": " + text
	}
	return &sqliteError{text, int(code)}
}

// fromSQLite returns the error of SQLite's that err is or wraps, the driver's or ours; nil where there is none.
func fromSQLite(err error) interface {
	error
	Code() int
} {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e
	}
	if e := (*sqliteError)(nil); errors.As(err, &e) {
		return e
	}
	return nil
}
