package sqldb

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lib/pq"

	"batchctl/pkg/fault"
)

// sqlStates gives classes to SQLSTATEs and to their first two characters (PostgreSQL manual, appendix A). The longer
// entry wins.
var sqlStates = map[string]fault.Class{
	"08": fault.Transient,   // connection exception
	"0A": fault.Definition,  // feature not supported
	"21": fault.Definition,  // cardinality violation
	"22": fault.Constraint,  // data exception: out of range, too long, not a number
	"23": fault.Constraint,  // integrity constraint violation
	"25": fault.Internal,    // invalid transaction state
	"28": fault.Environment, // invalid authorization
	"3D": fault.Environment, // no such database
	"3F": fault.Definition,  // no such schema
	"40": fault.Transient,   // transaction rollback: serialization failure, deadlock
	"42": fault.Definition,  // syntax error, unknown table or column
	"44": fault.Constraint,  // with check option violation
	"53": fault.Environment, // insufficient resources: disk full, out of memory
	"54": fault.Definition,  // program limit exceeded
	"55": fault.Environment, // object not in prerequisite state
	"57": fault.Environment, // operator intervention
	"58": fault.Environment, // system error
	"F0": fault.Environment, // configuration file
	"P0": fault.Constraint,  // raised by a trigger or function of the database
	"XX": fault.Environment, // internal error, data corrupted

	"25P03": fault.Transient, // ended by idle_in_transaction_session_timeout
	"25006": fault.Environment,
	"42501": fault.Environment, // no privilege
	"53300": fault.Transient,   // too many connections
	"55P03": fault.Transient,   // lock not available: lock_timeout
	"55006": fault.Transient,   // object in use
	"57014": fault.Transient,   // query cancelled: statement_timeout, or an operator
	"57P01": fault.Transient,   // admin shutdown, pg_terminate_backend
	"57P02": fault.Transient,   // crash shutdown
	"57P03": fault.Transient,   // cannot connect now: starting up
	"57P05": fault.Transient,   // idle session timeout
}

// ClassOfState returns the class of errors with an SQLSTATE, or with a code that is none: Internal.
func ClassOfState(code string) fault.Class {
	if class, known := sqlStates[code]; known {
		return class
	}
	if len(code) == 5 {
		if class, known := sqlStates[code[:2]]; known {
			return class
		}
	}
	return fault.Internal
}

func classifyPostgres(err error, e *pq.Error) error {
	code := string(e.Code)
	class := ClassOfState(code)
	where := ""
	if i := strings.Index(e.Where, "COPY "); i == 0 {
		where = strings.SplitN(e.Where, "\n", 2)[0]
	}
	text := oneLine(place(e), e.Message, e.Detail, where) + " (SQLSTATE " + code + ")"
	f := &fault.Error{Class: class, Code: code, Err: &described{text, err}}
	switch {
	case e.Hint != "":
		f.Hint = oneLine(e.Hint)
	case code == "42501":
		f.Hint = "the user of the connection lacks a right that the step needs: grant it (select, insert, update or delete on the table, usage and create on the " +
			"schema, temporary on the database); a writer with bulk: never needs no temporary tables"
	case code == "55P03":
		f.Hint = "another session holds the lock; see pg_locks, or raise the lock timeout of the connection"
	case code == "25P03":
		f.Hint = "a chunk took longer than the connection's idle timeout between two statements: raise it, or make chunks smaller"
	}
	return f
}

// place names table and column where the message does not.
func place(e *pq.Error) string {
	switch {
	case e.Column != "" && !strings.Contains(e.Message, strconv.Quote(e.Column)):
		return "column " + e.Column
	case e.Table != "" && !strings.Contains(e.Message, strconv.Quote(e.Table)) && !strings.HasPrefix(e.Where, "COPY "):
		return "table " + e.Table
	}
	return ""
}

// CopyLine returns the row within a COPY, from 1, that the server blames. The server says "COPY t, line 3, column a", in a
// line of its own behind those of a trigger's functions.
func CopyLine(err error) (line int, ok bool) {
	e := (*pq.Error)(nil)
	if !errors.As(err, &e) {
		return 0, false
	}
	for context := range strings.Lines(e.Where) {
		if n, ok := copyLine(context); ok {
			line = n // the last is the outermost: ours
		}
	}
	return line, line > 0
}

func copyLine(context string) (line int, ok bool) {
	rest, isCopy := strings.CutPrefix(context, "COPY ")
	at := strings.Index(rest, ", line ")
	if !isCopy || at < 0 {
		return 0, false
	}
	digits := rest[at+len(", line "):]
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		digits = digits[:end]
	}
	line, err := strconv.Atoi(digits)
	return line, err == nil && line > 0
}
