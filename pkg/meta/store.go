// Package meta is the job repository: which job instances there are, how each attempt at them went, who works on one
// now, and how far steps have come that write files. Its six main tables have Spring Batch's names and columns.
package meta

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/sqldb"
)

// Options says where a job repository is and what of the outside world it uses. Zero values work but for Path.
type Options struct {
	Path       string           // of the SQLite file; missing folders are made with mode 0700, the file with 0600. Or a postgres:// URL
	ReadOnly   bool             // nothing is made, migrated or marked
	LockFolder string           // "": Path + ".locks". With a URL: a folder of this host; "" there: leases alone tell who lives
	Now        func() time.Time // nil: time.Now
	NewID      func() string    // draws a UUID; nil: random ones
	Process    Process          // zero: ThisProcess()

	beside     bool          // LockFolder is the one beside the file
	migrations []migration   // nil: all; tests go back in time with it
	lease      time.Duration // on a server; 0: defaultLease
	place      string        // the URL of the server for people
}

// Store is a job repository. Its methods may be called from several goroutines. It implements batch.Repository.
type Store struct {
	db      *sqldb.DB
	writing sync.Mutex // guards writer
	writer  *sqldb.Conn
	options Options
	id      string
	locks   *files.Locks // nil where it is opened for reading, and on a server where this host has no folder for them
	session session      // on a server
	held    sync.Map     // epochs of the executions that were launched here, by id and by instance
}

var _ batch.Repository = (*Store)(nil)

// busyTimeout is how long a statement waits for another process's write.
const busyTimeout = 20 * time.Second

// Open opens the job repository in the SQLite file at o.Path, makes it where it is missing, and brings an older one to
// the current schema. A file that is something else, is damaged, or was written by a newer batchctl is an error of class
// environment, and is left as it is. With ReadOnly a missing file is an error with code no_repository. Where o.Path is a
// URL the same is true of the tables in the first schema of the session's search_path. The URL may have the option lease.
func Open(ctx context.Context, o Options) (*Store, error) {
	if OnServer(o.Path) {
		return openServer(ctx, o)
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fault.Wrap(fault.Environment, err, "find the job repository %s", o.Path)
	}
	o.Path = path
	if o.LockFolder == "" {
		o.LockFolder = path + ".locks"
		o.beside = true
	}
	file, done, err := o.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return openFile(ctx, file, o)
}

// prepare makes and looks at the file. Where it is new, or another process may just be making it, done ends the time
// that this process has alone with it: switching a new file to a write-ahead log does not wait for others, and does not
// show at once whose file it is.
func (o Options) prepare(ctx context.Context) (file databaseFile, done func(), err error) {
	nothing := func() {}
	file, err = prepareFile(o.Path, o.ReadOnly)
	unsettled := err == nil && file.fresh || fault.CodeOf(err) == notARepositoryCode && folderExists(o.LockFolder)
	if !unsettled || o.ReadOnly {
		return file, nothing, err
	}
	done, err = o.alone(ctx)
	if err != nil {
		return file, nothing, err
	}
	if file, err = prepareFile(o.Path, o.ReadOnly); err != nil {
		done()
		return file, nothing, err
	}
	return file, done, nil
}

func (o Options) alone(ctx context.Context) (done func(), err error) {
	folder, err := files.OpenLocks(o.LockFolder)
	if err != nil {
		return nil, err
	}
	lock, err := takeWithin(ctx, folder, "open", busyTimeout)
	if errors.Is(err, files.ErrHeld) {
		return nil, fault.New(fault.Environment, "another process has been making the job repository %s for %s", o.Path, busyTimeout).
			WithHint("try again")
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil // a lock file that stays does no harm
}

func folderExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func openFile(ctx context.Context, file databaseFile, o Options) (*Store, error) {
	s := &Store{options: o}
	checked := false
	var err error
	if !o.ReadOnly {
		if checked, err = file.checkUntouched(ctx); err != nil {
			return nil, s.explain(err)
		}
	}
	db, err := sqldb.Open(ctx, sqldb.Config{
		Name: "job repository", Driver: "sqlite", DSN: file.path, LockTimeout: busyTimeout,
		Journal: "wal", Durability: "full", ReadOnly: o.ReadOnly, CreateMode: 0o600,
	})
	if err != nil {
		return nil, s.explain(err)
	}
	if !checked {
		if err := file.check(ctx, db); err != nil {
			return nil, errors.Join(s.explain(err), db.Close())
		}
	}
	return OpenOn(ctx, db, o)
}

// OpenOn is Open for a job repository in a database that is open already; the Store owns db from then on, also where
// it returns an error. For SQLite o.LockFolder must be set, unless ReadOnly.
func OpenOn(ctx context.Context, db *sqldb.DB, o Options) (*Store, error) {
	s := &Store{db: db, options: o.withDefaults()}
	err := s.introduce(ctx)
	var row repository
	if err == nil {
		row, err = s.migrate(ctx)
	}
	if err == nil {
		s.id = row.id
		err = s.openLocks(ctx, row)
	}
	if err != nil {
		return nil, withClose(outOfReach(err), s.Close())
	}
	return s, nil
}

// withClose returns err, joined with an error of closing what it left behind.
func withClose(err, closed error) error {
	if closed == nil {
		return err
	}
	return errors.Join(err, closed)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Process == (Process{}) {
		o.Process = ThisProcess()
	}
	if o.migrations == nil {
		o.migrations = migrations
	}
	if o.lease == 0 {
		o.lease = defaultLease
	}
	return o
}

// openLocks opens the lock folder and records its id.
func (s *Store) openLocks(ctx context.Context, row repository) (err error) {
	if s.options.ReadOnly {
		return nil
	}
	if s.leased() {
		s.openHostLocks(row.id)
		return nil
	}
	if s.locks, err = files.OpenLocks(s.options.LockFolder); err != nil || row.lockFolder == s.locks.ID() {
		return err
	}
	return s.write(ctx, func(tx *sqldb.Tx) error {
		_, err := exec(ctx, tx, "update BATCHCTL_REPOSITORY set LOCK_FOLDER_ID = ?", s.locks.ID())
		return err
	})
}

// openHostLocks opens the folder of this host's locks. A host without one has leases.
func (s *Store) openHostLocks(repository string) {
	folder := s.options.lockFolderOn(repository)
	if folder == "" {
		return
	}
	locks, err := files.OpenLocks(folder)
	if err != nil {
		return
	}
	probe, err := locks.TryLock("probe-" + s.options.NewID())
	if err != nil {
		return // the file system has no locks
	}
	_ = (&heldLock{lock: probe, path: probe.Path()}).Close()
	s.locks = locks
}

// ID returns the repository's own id, a UUID that was drawn when it was made.
func (s *Store) ID() string { return s.id }

// Location says where the repository is, for people.
func (s *Store) Location() string { return s.options.location(s.db) }

// Close closes the connections. Launches stay locked until their own Close.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var err error
	if s.writer != nil {
		err = s.writer.Close()
		s.writer = nil
	}
	return errors.Join(err, s.db.Close())
}
