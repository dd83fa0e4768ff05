package batchtest

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// threadUsage is RUSAGE_THREAD of Linux; other systems answer with an error.
const threadUsage = 1

// Soon fails a test where fn takes more processor time than limit in each of five tries. What else the machine is doing
// does not count, on Linux; elsewhere it is the time on the wall.
func Soon(t testing.TB, limit time.Duration, fn func()) {
	t.Helper()
	var took time.Duration
	for range 5 {
		if took = processorTime(fn); took <= limit {
			return
		}
	}
	t.Errorf("took %v, want at most %v", took, limit)
}

func processorTime(fn func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := time.Now()
	var before, after syscall.Rusage
	wrong := syscall.Getrusage(threadUsage, &before)
	fn()
	if wrong != nil || syscall.Getrusage(threadUsage, &after) != nil {
		return time.Since(begin)
	}
	return used(&after) - used(&before)
}

func used(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
