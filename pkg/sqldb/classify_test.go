package sqldb_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

func TestClassesOfErrorsThatDatabasesGive(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, driver, dsn string) {
		db := open(t, driver, dsn)
		mustExec(t, db, "create table parent (id integer primary key)")
		mustExec(t, db, "create table t (id integer primary key, v varchar(3) not null, n integer check (n > 0), p integer references parent)")
		mustExec(t, db, "insert into t (id, v) values (1, 'a')")
		type want struct {
			statement string
			class     fault.Class
			code      map[string]string
			says      string
		}
		for _, c := range []want{
			{"insert into t (id, v) values (1, 'b')", fault.Constraint, map[string]string{"postgres": "23505", "sqlite": "SQLITE_CONSTRAINT_PRIMARYKEY"}, "t"},
			{"insert into t (id) values (2)", fault.Constraint, map[string]string{"postgres": "23502", "sqlite": "SQLITE_CONSTRAINT_NOTNULL"}, "v"},
			{"insert into t (id, v, n) values (2, 'a', -1)", fault.Constraint, map[string]string{"postgres": "23514", "sqlite": "SQLITE_CONSTRAINT_CHECK"}, "n"},
			{"insert into t (id, v, p) values (2, 'a', 9)", fault.Constraint, map[string]string{"postgres": "23503", "sqlite": "SQLITE_CONSTRAINT_FOREIGNKEY"}, "FOREIGN KEY"},
			{"insert into nowhere values (1)", fault.Definition, map[string]string{"postgres": "42P01", "sqlite": "SQLITE_ERROR"}, "nowhere"},
			{"insert into t (nothing) values (1)", fault.Definition, map[string]string{"postgres": "42703", "sqlite": "SQLITE_ERROR"}, "nothing"},
			{"insert int t", fault.Definition, map[string]string{"postgres": "42601", "sqlite": "SQLITE_ERROR"}, "syntax"},
		} {
			_, err := db.Exec(t.Context(), c.statement)
			err = fmt.Errorf("wrapped: %w", err)
			if fault.ClassOf(err) != c.class || fault.CodeOf(err) != c.code[driver] || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
				t.Errorf("%s\ngot  %v (class %s, code %s)\nwant class %s, code %s, and %q", c.statement, err, fault.ClassOf(err), fault.CodeOf(err), c.class, c.code[driver], c.says)
			}
			if strings.Contains(err.Error(), "\n") || sqldb.IsConnectionLost(err) {
				t.Errorf("%s: %q has several lines, or counts as a lost connection", c.statement, err)
			}
		}
	})
}

func TestClassesOfSQLStates(t *testing.T) {
	t.Parallel()
	for code, class := range map[string]fault.Class{
		"22001": fault.Constraint, "22003": fault.Constraint, "22P02": fault.Constraint, "23P01": fault.Constraint, "44000": fault.Constraint, "P0001": fault.Constraint,
		"40001": fault.Transient, "40P01": fault.Transient, "55P03": fault.Transient, "57014": fault.Transient, "57P01": fault.Transient, "57P02": fault.Transient,
		"57P03": fault.Transient, "08006": fault.Transient, "53300": fault.Transient, "25P03": fault.Transient,
		"53100": fault.Environment, "53200": fault.Environment, "28P01": fault.Environment, "42501": fault.Environment, "58030": fault.Environment, "3D000": fault.Environment,
		"25006": fault.Environment, "42P01": fault.Definition, "42601": fault.Definition, "0A000": fault.Definition, "21000": fault.Definition, "3F000": fault.Definition,
		"25P02": fault.Internal, "ZZ999": fault.Internal,
	} {
		err := sqldb.Classify(fmt.Errorf("wrapped: %w", &pq.Error{Code: pqerror.Code(code), Message: "m"}))
		if fault.ClassOf(err) != class || fault.CodeOf(err) != code {
			t.Errorf("%s: got class %s, code %s, want class %s", code, fault.ClassOf(err), fault.CodeOf(err), class)
		}
	}
}

func TestLostConnections(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}, &net.DNSError{Err: "x"},
		&pq.Error{Code: "57P01", Severity: "FATAL"}, &pq.Error{Code: "08006"}, &pq.Error{Code: "25P03", Severity: "FATAL"},
	} {
		classified := sqldb.Classify(fmt.Errorf("wrapped: %w", err))
		if !sqldb.IsConnectionLost(err) || !sqldb.IsConnectionLost(classified) || fault.ClassOf(classified) != fault.Transient {
			t.Errorf("%v: does not count as a lost connection of class transient", err)
		}
	}
	for _, err := range []error{nil, context.Canceled, context.DeadlineExceeded, errors.New("x"), &pq.Error{Code: "23505"}, &pq.Error{Code: "57014"}} {
		if sqldb.IsConnectionLost(err) || sqldb.IsConnectionLost(sqldb.Classify(err)) {
			t.Errorf("%v counts as a lost connection", err)
		}
	}
}

func TestClassifyLetsPass(t *testing.T) {
	t.Parallel()
	own := fault.New(fault.Validation, "own")
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("x: %w", context.DeadlineExceeded), own, fmt.Errorf("x: %w", own)} {
		if got := sqldb.Classify(err); got != err {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	if got := sqldb.Classify(sqldb.Classify(&pq.Error{Code: "23505", Message: "m"})).Error(); got != "m (SQLSTATE 23505)" {
		t.Errorf("classified twice: %q", got)
	}
}

func TestMessagesNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  pq.Error
		want string
	}{
		{pq.Error{Code: "23505", Message: `duplicate key value violates unique constraint "t_pkey"`, Detail: "Key (id)=(1) already exists.", Table: "t", Constraint: "t_pkey", Where: "COPY t, line 7"},
			`duplicate key value violates unique constraint "t_pkey": Key (id)=(1) already exists: COPY t, line 7 (SQLSTATE 23505)`},
		{pq.Error{Code: "22001", Message: "value too long for type character varying(3)", Where: "COPY t, line 2, column v: \"abcd\"\nmore"},
			`value too long for type character varying(3): COPY t, line 2, column v: "abcd" (SQLSTATE 22001)`},
		{pq.Error{Code: "23514", Message: "new row violates\ncheck", Table: "t"}, "table t: new row violates check (SQLSTATE 23514)"},
		{pq.Error{Code: "22003", Message: "numeric field overflow", Column: "amount"}, "column amount: numeric field overflow (SQLSTATE 22003)"},
	} {
		if got := sqldb.Classify(&c.err).Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestCopyLineOfOtherErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), &pq.Error{Where: "PL/pgSQL function f() line 3"}, &pq.Error{Where: "COPY t, line x"}} {
		if line, ok := sqldb.CopyLine(err); ok {
			t.Errorf("%v: got line %d", err, line)
		}
	}
	if line, ok := sqldb.CopyLine(fmt.Errorf("x: %w", &pq.Error{Where: `COPY a, line 9, line 12, column c: "x"`})); !ok || line != 9 {
		t.Errorf("got %d, %v", line, ok)
	}
}
