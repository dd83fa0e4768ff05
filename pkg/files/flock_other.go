//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package files

type lockMode int

const (
	shared lockMode = iota
	exclusive
	none
)

func flock(uintptr, lockMode) error { return ErrNoLocks }
