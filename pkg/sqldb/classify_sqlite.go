package sqldb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"batchctl/pkg/fault"
)

// resultCode is a primary result code of SQLite (rescode.html).
type resultCode struct {
	name  string
	class fault.Class
}

var resultCodes = map[int]resultCode{
	1:  {"SQLITE_ERROR", fault.Definition}, // SQL error: syntax, unknown table or column
	2:  {"SQLITE_INTERNAL", fault.Internal},
	3:  {"SQLITE_PERM", fault.Environment},
	4:  {"SQLITE_ABORT", fault.Transient},
	5:  {"SQLITE_BUSY", fault.Transient},
	6:  {"SQLITE_LOCKED", fault.Transient},
	7:  {"SQLITE_NOMEM", fault.Environment},
	8:  {"SQLITE_READONLY", fault.Environment},
	9:  {"SQLITE_INTERRUPT", fault.Transient},
	10: {"SQLITE_IOERR", fault.Environment},
	11: {"SQLITE_CORRUPT", fault.Environment},
	13: {"SQLITE_FULL", fault.Environment},
	14: {"SQLITE_CANTOPEN", fault.Environment},
	15: {"SQLITE_PROTOCOL", fault.Transient},
	17: {"SQLITE_SCHEMA", fault.Transient},
	18: {"SQLITE_TOOBIG", fault.Constraint},
	19: {"SQLITE_CONSTRAINT", fault.Constraint},
	20: {"SQLITE_MISMATCH", fault.Constraint},
	21: {"SQLITE_MISUSE", fault.Internal},
	23: {"SQLITE_AUTH", fault.Environment},
	25: {"SQLITE_RANGE", fault.Internal},
	26: {"SQLITE_NOTADB", fault.Environment},
}

// extendedCodes names those extended result codes that people and definitions speak of.
var extendedCodes = map[int]string{
	275: "SQLITE_CONSTRAINT_CHECK", 531: "SQLITE_CONSTRAINT_COMMITHOOK", 787: "SQLITE_CONSTRAINT_FOREIGNKEY",
	1043: "SQLITE_CONSTRAINT_FUNCTION", 1299: "SQLITE_CONSTRAINT_NOTNULL", 1555: "SQLITE_CONSTRAINT_PRIMARYKEY",
	1811: "SQLITE_CONSTRAINT_TRIGGER", 2067: "SQLITE_CONSTRAINT_UNIQUE", 2579: "SQLITE_CONSTRAINT_ROWID",
	3091: "SQLITE_CONSTRAINT_DATATYPE", 261: "SQLITE_BUSY_RECOVERY", 517: "SQLITE_BUSY_SNAPSHOT",
	773: "SQLITE_BUSY_TIMEOUT", 1544: "SQLITE_READONLY_DIRECTORY",
	266: "SQLITE_IOERR_READ", 522: "SQLITE_IOERR_SHORT_READ", 778: "SQLITE_IOERR_WRITE", 1034: "SQLITE_IOERR_FSYNC",
	1290: "SQLITE_IOERR_DIR_FSYNC", 1546: "SQLITE_IOERR_TRUNCATE", 1802: "SQLITE_IOERR_FSTAT", 3850: "SQLITE_IOERR_LOCK",
	4618: "SQLITE_IOERR_SHMOPEN", 4874: "SQLITE_IOERR_SHMSIZE", 5386: "SQLITE_IOERR_SHMMAP",
}

func classifySQLite(err error, code int, text string) error {
	primary := resultCodes[code&0xff]
	if primary.name == "" {
		primary = resultCode{fmt.Sprintf("SQLITE_%d", code), fault.Internal}
	}
	name := primary.name
	if extended, known := extendedCodes[code]; known {
		name = extended
	}
	text = sqliteMessage(text)
	f := &fault.Error{Class: primary.class, Code: name, Err: &described{fmt.Sprintf("%s (%s)", text, name), err}}
	switch {
	case strings.HasPrefix(text, decimalPrefix):
		f.Class = fault.Constraint
	case primary.name == "SQLITE_BUSY":
		f.Hint = "another process is writing to this file; raise the lock timeout of the connection, or run one after the other"
	case primary.name == "SQLITE_NOTADB":
		f.Hint = "the file is not an SQLite database, or is encrypted"
	case primary.name == "SQLITE_FULL":
		f.Hint = "the disk is full: make room on it, then restart"
	case name == "SQLITE_IOERR_SHMSIZE", name == "SQLITE_IOERR_SHMMAP":
		f.Hint = "the file -shm beside the database cannot grow: is the disk full? make room on it, then restart"
	case primary.name == "SQLITE_IOERR":
		f.Hint = "the disk refused a read or a write: is it full (df), over its quota, or failing (dmesg)? mend it, then restart"
	case primary.name == "SQLITE_CANTOPEN":
		f.Hint = "the user that runs the job needs the right to read and write the file, and to enter its folder"
	case primary.name == "SQLITE_READONLY":
		f.Hint = "the file, its folder, or the files -wal and -shm beside it cannot be written: look at their owner and mode"
	case primary.name == "SQLITE_CORRUPT":
		f.Hint = "the file is damaged; look with: sqlite3 FILE 'pragma integrity_check'"
	}
	return f
}

// aboutFile are the result codes that say something of the database's file, and nothing of the statement.
var aboutFile = []string{"SQLITE_PERM", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_NOTADB"}

// FileError is an error of an SQLite database that names its file.
type FileError struct {
	Connection string
	Path       string
	Err        error
}

// Error names the connection and its file.
func (e *FileError) Error() string {
	return fmt.Sprintf("connection %s (%s): %v", e.Connection, e.Path, e.Err)
}

// Unwrap returns what SQLite says.
func (e *FileError) Unwrap() error { return e.Err }

// locate names the file in errors that are about it: SQLite does not.
func (db *DB) locate(err error) error {
	code := fault.CodeOf(err)
	isAbout := func(name string) bool { return strings.HasPrefix(code, name) }
	if db.path == "" || !slices.ContainsFunc(aboutFile, isAbout) {
		return err
	}
	return db.inFile(err)
}

// inFile names the file in an error, once.
func (db *DB) inFile(err error) error {
	if located := (*FileError)(nil); errors.As(err, &located) {
		return err
	}
	if fault.CodeOf(err) == "SQLITE_CANTOPEN" {
		err = whyNotOpened(db.path, err)
	}
	return &FileError{Connection: db.config.Name, Path: db.path, Err: err}
}

// whyNotOpened adds the reason why SQLite could not open a file, where it can be found without opening the file: closing
// it again would take away the locks that other connections of this process have on it (fcntl(2)).
func whyNotOpened(path string, err error) error {
	info, reason := os.Stat(path)
	if reason == nil && info.IsDir() {
		return fault.Wrap(fault.Environment, err, "it is a folder").WithHint("name a file in it")
	}
	if reason == nil {
		var folder *os.File
		if folder, reason = os.Open(filepath.Dir(path)); reason == nil {
			reason = folder.Close()
		}
	}
	var why *fs.PathError
	switch {
	case !errors.As(reason, &why):
		return err
	case errors.Is(reason, syscall.EMFILE), errors.Is(reason, syscall.ENFILE):
		return fault.Wrap(fault.Environment, err, "%v", why.Err).WithHint("raise the limit of open files (ulimit -n; LimitNOFILE of a service)")
	}
	return fault.Wrap(fault.Environment, err, "%v", why.Err)
}

// trailingCode is the number, and for some also the name, in brackets that the driver ends its messages with.
var trailingCode = regexp.MustCompile(`(\s*\((\d+|SQLITE_\w+)\))+$`)

// sqliteMessage takes the general words off the front of the driver's message where SQLite's own follow them:
// "constraint failed: UNIQUE constraint failed: t.a (2067)" becomes "UNIQUE constraint failed: t.a".
func sqliteMessage(text string) string {
	text = oneLine(trailingCode.ReplaceAllString(text, ""))
	for _, general := range []string{"constraint failed: ", "SQL logic error: "} {
		if rest, ok := strings.CutPrefix(text, general); ok {
			return rest
		}
	}
	return text
}

// isBusy reports whether SQLite refused a statement because another connection holds the lock. A stale snapshot
// (SQLITE_BUSY_SNAPSHOT) is not meant: waiting does not help it.
func isBusy(err error) bool {
	e := fromSQLite(err)
	return e != nil && e.Code()&0xff == 5 && e.Code() != 517
}
