package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/lib/pq"

	"batchctl/pkg/fault"
)

// LostConnection is the code of an error that a dead connection causes and the server gave no SQLSTATE for.
const LostConnection = "connection_lost"

// Classify returns a driver's error, wrapped or not, as a *fault.Error with class, code (the SQLSTATE, or the name of
// SQLite's result code) and a message of one line that names constraint, table and column where the database does. Errors
// of contexts, and errors that are classified already, pass through; so does nil.
func Classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if classified := (*fault.Error)(nil); errors.As(err, &classified) && classified.Class != "" {
		return err
	}
	if server := (*pq.Error)(nil); errors.As(err, &server) {
		return classifyPostgres(err, server)
	}
	if e := fromSQLite(err); e != nil {
		return classifySQLite(err, e.Code(), e.Error())
	}
	if isNetwork(err) {
		return &fault.Error{Class: fault.Transient, Code: LostConnection, Err: &described{lostMessage(err), err}}
	}
	return fault.Wrap(fault.Internal, err, "database")
}

// IsConnectionLost reports whether err, classified or not, means that the connection to the server is gone, or cannot be
// made. What was sent last may or may not have been done.
func IsConnectionLost(err error) bool {
	if err == nil {
		return false
	}
	if server := (*pq.Error)(nil); errors.As(err, &server) {
		code := string(server.Code)
		return server.Fatal() || server.Severity == "PANIC" || strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P0")
	}
	return fault.CodeOf(err) == LostConnection || isNetwork(err)
}

// isNetwork reports whether err comes from the way to the server, not from the server.
func isNetwork(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	for _, known := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded,
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network)
}

// lostMessage leaves out what database/sql says of every such error.
func lostMessage(err error) string {
	const message = "lost the connection to the database"
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) {
		return message
	}
	return oneLine(message, err.Error())
}

// oneLine joins what is not empty of the parts of a message.
func oneLine(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p = strings.TrimSuffix(strings.Join(strings.Fields(p), " "), "."); p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ": ")
}

// described is a driver's error with a better text.
type described struct {
	text string
	err  error
}

// Error returns the text.
func (d *described) Error() string { return d.text }

// Unwrap returns the driver's error.
func (d *described) Unwrap() error { return d.err }
