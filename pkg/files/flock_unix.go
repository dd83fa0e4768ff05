//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package files

import (
	"errors"
	"syscall"
)

type lockMode int

const (
	shared    lockMode = syscall.LOCK_SH
	exclusive lockMode = syscall.LOCK_EX
	none      lockMode = syscall.LOCK_UN
)

// flock takes, changes or gives up a lock without waiting: flock(2). The lock belongs to the open file, so that the
// kernel gives it up when the process ends, however it ends. ErrHeld: somebody else has one that excludes it.
func flock(fd uintptr, mode lockMode) error {
	for {
		err := syscall.Flock(int(fd), int(mode)|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EOPNOTSUPP),
			errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOLCK):
			return errors.Join(ErrNoLocks, err)
		}
		return err
	}
}
