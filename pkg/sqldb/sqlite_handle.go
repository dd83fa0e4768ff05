package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"batchctl/pkg/fault"
)

// sqliteDriverConn is what a connection of the driver can do.
type sqliteDriverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// sqliteConn is a connection of the driver that also knows SQLite's own handle of it, so that statements with many values
// need not pass each of them through an interface, and a goroutine for each statement. SQLite itself serializes the two.
type sqliteConn struct {
	sqliteDriverConn
	db  uintptr   // sqlite3*
	tls *libc.TLS // of calls with db: of one goroutine at a time, like the connection
}

// handleFunction is the SQL function that returns the handle of the connection that calls it. The driver keeps the handle
// to itself; SQLite hands it to automatic extensions, and to functions that extensions register.
const handleFunction = "batchctl_handle"

// newSQLiteConn finds the handle of a connection that was opened after setUpSQLite.
func newSQLiteConn(ctx context.Context, conn driver.Conn) (*sqliteConn, error) {
	c := &sqliteConn{sqliteDriverConn: conn.(sqliteDriverConn)}
	rows, err := c.QueryContext(ctx, "select "+handleFunction+"()", nil)
	if err != nil {
		return nil, err
	}
	var row [1]driver.Value
	if err := errors.Join(rows.Next(row[:]), rows.Close()); err != nil {
		return nil, err
	}
	handle, ok := row[0].(int64)
	if !ok || handle == 0 {
		return nil, fault.New(fault.Internal, "the connection has no handle")
	}
	c.db, c.tls = uintptr(handle), libc.NewTLS()
	return c, nil
}

// Close closes the connection; its statements are finalized before.
func (c *sqliteConn) Close() error {
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
	return c.sqliteDriverConn.Close()
}

// interruptWith makes what runs on the connection end soon once ctx has ended. The function that it returns is to be called
// behind that, and waits for an interrupt that is under way, which would else meet a later statement.
func (c *sqliteConn) interruptWith(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		tls := libc.NewTLS()
		defer tls.Close()
		lib.Xsqlite3_interrupt(tls, c.db)
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}

// lock takes the lock that SQLite else takes for each call with the connection, until unlock.
func (c *sqliteConn) lock() { lib.Xsqlite3_mutex_enter(c.tls, lib.Xsqlite3_db_mutex(c.tls, c.db)) }

func (c *sqliteConn) unlock() { lib.Xsqlite3_mutex_leave(c.tls, lib.Xsqlite3_db_mutex(c.tls, c.db)) }

// addHandleFunction is an entry point of an extension (sqlite3_auto_extension).
func addHandleFunction(tls *libc.TLS, db, _, _ uintptr) int32 {
	name, err := libc.CString(handleFunction)
	if err != nil {
		return lib.SQLITE_NOMEM
	}
	defer libc.Xfree(tls, name)
	return lib.Xsqlite3_create_function_v2(tls, db, name, 0, lib.SQLITE_UTF8|lib.SQLITE_DIRECTONLY, 0, functionPointer(returnHandle), 0, 0, 0)
}

// returnHandle is the function itself.
func returnHandle(tls *libc.TLS, call uintptr, _ int32, _ uintptr) {
	lib.Xsqlite3_result_int64(tls, call, lib.Ti64(lib.Xsqlite3_context_db_handle(tls, call)))
}

// functionPointer returns a function of the package as translated C passes functions: as the word that a func value is.
func functionPointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }
