package meta

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/sqldb"
)

// databaseFile is the file that a repository is about to be opened in.
type databaseFile struct {
	path  string
	fresh bool  // it is empty, or a database without a table: this or another process has just made it, or could not finish
	left  bool  // a write-ahead log is there: a process has it open, or did not end cleanly
	size  int64 // before it is opened
}

// prepareFile makes the file and its folder where they are missing, before SQLite does: so the -wal and -shm files,
// which take over the file's mode, are nobody else's to read either.
func prepareFile(path string, readOnly bool) (databaseFile, error) {
	f := databaseFile{path: path}
	if !readOnly {
		if err := makeFile(path); err != nil {
			return f, fault.Wrap(fault.Environment, err, "make the job repository").
				WithHint("%s", cmp.Or(files.Limit(err), "name another file with --meta or BATCHCTL_META"))
		}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, fault.New(fault.Environment, "there is no job repository at %s", path).WithCode("no_repository").
			WithHint("the first run of a job makes it; another one is named with --meta or BATCHCTL_META")
	}
	if err == nil {
		f.size, f.fresh = info.Size(), info.Size() == 0
		wal, missing := os.Stat(path + "-wal")
		f.left = missing == nil && wal.Size() > 0
		err = f.checkHeader(info)
	}
	if err != nil {
		return f, fault.Wrap(fault.Environment, err, "open the job repository").WithHint("%s", cmp.Or(fault.HintOf(err), files.Limit(err)))
	}
	if err := checkFilesystem(path); err != nil {
		return f, err
	}
	return f, nil
}

func makeFile(path string) error {
	folder := filepath.Dir(path)
	if err := sqldb.MakeFolder(folder, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes names in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if closed := folder.Close(); err == nil {
		err = closed
	}
	return err
}

// How every SQLite database file begins, and how it says whose it is (https://www.sqlite.org/fileformat2.html, 1.3).
const (
	magic             = "SQLite format 3\x00"
	applicationOffset = 68
	applicationID     = 0x62636a72 // "bcjr"
	schemaOffset      = 100        // where the first page of the table of tables begins
	schemaCells       = 3          // behind it, how many tables, indexes and so on that page names
	headSize          = schemaOffset + schemaCells + 2
	leafPage          = 0x0d
)

// isEmptyDatabase reports whether a file that begins so holds no table and is marked as nobody's: so SQLite leaves it where
// the disk is full, or the process is killed, between the switch to a write-ahead log and the first transaction.
func isEmptyDatabase(head []byte) bool {
	return len(head) == headSize && binary.BigEndian.Uint32(head[applicationOffset:]) == 0 &&
		head[schemaOffset] == leafPage && binary.BigEndian.Uint16(head[schemaOffset+schemaCells:]) == 0
}

// checkHeader refuses a file that is not SQLite's, or is something else's database, before SQLite touches it.
func (f *databaseFile) checkHeader(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fault.New(fault.Environment, "%s is not a file", f.path).WithHint("name a file with --meta or BATCHCTL_META")
	}
	if f.fresh {
		return nil
	}
	head, err := readHead(f.path, headSize)
	if err != nil {
		return err
	}
	if f.fresh, err = f.wasInterrupted(head); err != nil || f.fresh {
		return err
	}
	if !bytes.HasPrefix(head, []byte(magic)) || len(head) < headSize {
		return fault.New(fault.Environment, "%s is not an SQLite database", f.path).WithCode("not_a_database").
			WithHint("nothing was changed; name another file with --meta, or move this one away and put back a copy")
	}
	// What is still in the write-ahead log does not show in the header; then the tables are looked at, later.
	if f.fresh = isEmptyDatabase(head) && !f.left; f.fresh {
		return nil
	}
	if id := binary.BigEndian.Uint32(head[applicationOffset:]); id != applicationID && !f.left {
		return notARepository(f.path, "batchctl did not make it")
	}
	return nil
}

// journalMagic is how a rollback journal begins that is to be played back (fileformat2.html, 3).
const journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

// wasInterrupted reports whether a file is what a power cut leaves of the very first page: nothing but zeros, beside a
// journal by which SQLite makes the file empty again.
func (f *databaseFile) wasInterrupted(head []byte) (bool, error) {
	if len(bytes.Trim(head, "\x00")) > 0 {
		return false, nil
	}
	journal, err := readHead(f.path+"-journal", int64(len(journalMagic)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return string(journal) == journalMagic, err
}

// readHead returns the first size bytes of a file, or fewer where it has no more.
func readHead(path string, size int64) (head []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	return io.ReadAll(io.LimitReader(file, size))
}

// smallFile is the size up to which a file is checked at every start: that takes a millisecond or two.
const smallFile = 512 << 10

// checkUntouched is check over a connection that cannot write: any other, when it is the last one to be closed, puts what
// the write-ahead log holds into the file and removes the log, whatever state they are in. It reports whether the check
// was made; a file that only a writer can open, because of its rollback journal for instance, is left to the writer.
func (f databaseFile) checkUntouched(ctx context.Context) (made bool, err error) {
	if f.fresh || !f.left && f.size > smallFile {
		return true, nil
	}
	db, err := sqldb.Open(ctx, sqldb.Config{
		Name: "job repository", Driver: "sqlite", DSN: f.path, LockTimeout: busyTimeout, ReadOnly: true,
	})
	if err == nil {
		err = errors.Join(f.check(ctx, db), db.Close())
	}
	code := fault.CodeOf(err)
	if strings.HasPrefix(code, "SQLITE_READONLY") || strings.HasPrefix(code, "SQLITE_CANTOPEN") || strings.HasPrefix(code, "SQLITE_IOERR") {
		return false, nil
	}
	return err == nil, err
}

// check has SQLite look for damage where the last process did not end cleanly, and always in a small file. Unlike
// quick_check, integrity_check compares the indexes with their tables: a flipped bit in a key would otherwise hide a row.
func (f databaseFile) check(ctx context.Context, db *sqldb.DB) error {
	if f.fresh || !f.left && f.size > smallFile {
		return nil
	}
	pragma := "quick_check"
	if f.size <= smallFile {
		pragma = "integrity_check"
	}
	var result string
	_, err := one(ctx, db, to(&result), "pragma "+pragma+"(1)")
	if err != nil {
		return err
	}
	if result != "ok" {
		return fault.New(fault.Environment, "%s", strings.Join(strings.Fields(result), " ")).WithCode("SQLITE_CORRUPT")
	}
	return nil
}
