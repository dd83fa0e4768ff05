package files

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// ErrHeld means that somebody else holds the lock.
var ErrHeld = errors.New("the lock is held by another process")

// ErrNoLocks means that the file system, or the operating system, has no locks that end with their process.
var ErrNoLocks = errors.New("file locks are not supported here")

// Locks is a folder of lock files. Its id tells it from every other: two processes that name the same id see each
// other's locks.
type Locks struct {
	folder string
	id     string
}

// OpenLocks opens a lock folder; where there is none it makes one that only its owner can use (0700, files 0600).
func OpenLocks(folder string) (*Locks, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, trouble("make the lock folder", folder, err)
	}
	id, err := folderID(folder)
	if err != nil {
		return nil, err
	}
	return &Locks{folder: folder, id: id}, nil
}

// ID returns the folder's id, 32 hexadecimal digits.
func (l *Locks) ID() string { return l.id }

// Folder returns the folder's path.
func (l *Locks) Folder() string { return l.folder }

// Lock is a lock that is held until Unlock or the end of the process. It says that its holder lives, and nothing else:
// the file is empty.
type Lock struct{ file *os.File }

// TryLock takes the named lock, or returns ErrHeld where somebody else has it, this process included. Names are of
// letters, digits, "-", "_" and ".".
func (l *Locks) TryLock(name string) (*Lock, error) {
	path, err := l.path(name)
	if err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, trouble("open the lock file", path, err)
		}
		if err := take(f); err != nil {
			return nil, errors.Join(lockTrouble(path, err), f.Close())
		}
		if isAt(f, path) {
			return &Lock{f}, nil
		}
		f.Close() // somebody removed the file between open and lock: another process would lock a new one
	}
}

// pollEvery is how often Lock asks again, and a probe that is in the way is waited for.
const pollEvery = 100 * time.Millisecond

// Lock waits for the named lock until ctx ends.
func (l *Locks) Lock(ctx context.Context, name string) (*Lock, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		lock, err := l.TryLock(name)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Held reports whether anybody holds the named lock, this process included: whether its owner lives. It leaves no trace.
func (l *Locks) Held(name string) (bool, error) {
	path, err := l.path(name)
	if err != nil {
		return false, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, trouble("open the lock file", path, err)
	}
	defer f.Close()
	err = flock(f.Fd(), shared)
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	if err == nil {
		err = flock(f.Fd(), none)
	}
	return false, lockTrouble(path, err)
}

// Path returns the path of the lock file.
func (l *Lock) Path() string { return l.file.Name() }

// Unlock gives the lock up. The file stays: removing it could let two processes lock two files of one name.
func (l *Lock) Unlock() error { return unlockAndClose(l.file) }

// unlockAndClose gives the lock up before it closes the file: closing alone would leave it to a child process that is
// being started at this moment and has not yet closed what it does not inherit.
func unlockAndClose(f *os.File) error {
	err := flock(f.Fd(), none)
	if errors.Is(err, ErrNoLocks) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// probeTries bounds how long take waits for probes to pass. One takes microseconds.
const probeTries = 1000

// take takes the exclusive lock. Held looks with a shared one for a moment; an owner excludes those, a probe does not, so
// where a shared lock can be had nobody owns it and taking it is tried again.
func take(f *os.File) error {
	for range probeTries {
		err := flock(f.Fd(), exclusive)
		if !errors.Is(err, ErrHeld) {
			return err
		}
		if err := flock(f.Fd(), shared); err != nil {
			return err
		}
		if err := flock(f.Fd(), none); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.Int64N(int64(time.Millisecond))))
	}
	return ErrHeld
}

// isAt reports whether the open file is still the one of that name.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named)
}

func (l *Locks) path(name string) (string, error) {
	ok := name != "" && name[0] != '.' && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
	if !ok {
		return "", fault.New(fault.Internal, "%q is no name for a lock", name)
	}
	return filepath.Join(l.folder, name+".lock"), nil
}

func lockTrouble(path string, err error) error {
	if err == nil || errors.Is(err, ErrHeld) {
		return err
	}
	if errors.Is(err, ErrNoLocks) {
		return fault.Wrap(fault.Environment, err, "lock %s", path).
			WithHint("keep the lock folder on a local file system")
	}
	return trouble("lock", path, err)
}
