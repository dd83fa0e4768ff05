package meta

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// lockName is the name of an instance's lock. With an empty key it is the one of the job's decisions.
func lockName(job, key string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, cut(job, 40))
	sum := sha256.Sum256([]byte(job + "\x00" + key))
	return readable + "-" + hex.EncodeToString(sum[:12])
}

// heldLock is a lock of this process. The kernel gives it up with the process, however that ends.
type heldLock struct {
	lock *files.Lock
	path string
}

// take takes a lock without waiting; files.ErrHeld where somebody has it.
// Without a folder there are no locks, and nil is one that nobody else has.
func take(folder *files.Locks, name string) (*heldLock, error) {
	if folder == nil {
		return nil, nil
	}
	lock, err := folder.TryLock(name)
	if err != nil {
		return nil, err
	}
	return &heldLock{lock: lock, path: lock.Path()}, nil
}

// takeWithin is take for up to patience.
func takeWithin(ctx context.Context, folder *files.Locks, name string, patience time.Duration) (lock *heldLock, err error) {
	err = within(ctx, patience, func() (bool, error) {
		lock, err = take(folder, name)
		return !errors.Is(err, files.ErrHeld), err
	})
	return lock, err
}

// Close removes the lock file, or there would be one more with each run, and gives the lock up. Whoever has opened the
// file before finds that it has lost its name, and opens the next one. Closing twice is closing once.
func (l *heldLock) Close() error {
	if l == nil || l.lock == nil {
		return nil
	}
	err := os.Remove(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	err = errors.Join(err, l.lock.Unlock())
	l.lock = nil
	if err != nil {
		return fault.Wrap(fault.Environment, err, "give a lock up")
	}
	return nil
}

// within asks again and again, at growing intervals, until ask is done or patience has ended, and returns its last error.
func within(ctx context.Context, patience time.Duration, ask func() (done bool, err error)) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		done, err := ask()
		if done {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return err
		case <-time.After(pause):
		}
	}
}
