package files

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func locks(t *testing.T) *Locks {
	t.Helper()
	return must[*Locks](t)(OpenLocks(filepath.Join(t.TempDir(), "state", "locks")))
}

func TestLockFolderHasOneIDAndIsPrivate(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "locks")
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if l, err := OpenLocks(folder); err == nil {
				ids[i] = l.ID()
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || len(id) != 32 {
			t.Fatalf("ids differ: %q", ids)
		}
	}
	l := must[*Locks](t)(OpenLocks(folder))
	lock := must[*Lock](t)(l.TryLock("a"))
	defer lock.Unlock()
	for path, want := range map[string]os.FileMode{"": 0o700, "id": 0o600, "a.lock": 0o600} {
		if got := must[os.FileInfo](t)(os.Stat(filepath.Join(folder, path))).Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", path, got, want)
		}
	}
	if got := names(t, folder); got != "a.lock id" {
		t.Errorf("the folder holds %q", got)
	}
}

func TestDamagedLockFolderIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	check(t, os.WriteFile(filepath.Join(folder, "id"), []byte("not an id"), 0o600))
	if _, err := OpenLocks(folder); err == nil {
		t.Error("an id that is none was taken")
	}
}

func TestLockIsHeldByOneAtATime(t *testing.T) {
	t.Parallel()
	l := locks(t)
	for range 50 {
		var winners atomic.Int32
		var wg sync.WaitGroup
		won := make(chan *Lock, 8)
		for i := range 8 {
			wg.Go(func() {
				lock, err := l.TryLock("instance-1")
				if i%4 == 0 {
					l.Held("instance-1")
				}
				switch {
				case err == nil:
					winners.Add(1)
					won <- lock
				case !errors.Is(err, ErrHeld):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d of 8 took the lock", n)
		}
		check(t, (<-won).Unlock())
	}
}

func TestProbesDoNotKeepAnOwnerOut(t *testing.T) {
	t.Parallel()
	l := locks(t)
	check(t, must[*Lock](t)(l.TryLock("a")).Unlock())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.Held("a")
			}
		})
	}
	for range 200 {
		check(t, must[*Lock](t)(l.TryLock("a")).Unlock())
	}
	cancel()
	wg.Wait()
}

func TestHeldSeesTheOwnerAndOnlyThat(t *testing.T) {
	t.Parallel()
	l := locks(t)
	held := func(want bool) {
		t.Helper()
		if got := must[bool](t)(l.Held("a")); got != want {
			t.Errorf("held is %v, want %v", got, want)
		}
	}
	held(false)
	if got := names(t, l.Folder()); got != "id" {
		t.Errorf("looking left %q", got)
	}
	lock := must[*Lock](t)(l.TryLock("a"))
	held(true)
	held(true)
	check(t, lock.Unlock())
	held(false)
}

func TestLockSurvivesTheRemovalOfItsFile(t *testing.T) {
	t.Parallel()
	l := locks(t)
	old := must[*Lock](t)(l.TryLock("a"))
	check(t, os.Remove(filepath.Join(l.Folder(), "a.lock")))
	lock := must[*Lock](t)(l.TryLock("a"))
	if _, err := l.TryLock("a"); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v", err)
	}
	check(t, old.Unlock())
	check(t, lock.Unlock())
}

func TestLockWaitsUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	l := locks(t)
	lock := must[*Lock](t)(l.TryLock("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	taken := make(chan error)
	go func() {
		second, err := l.Lock(t.Context(), "a")
		if err == nil {
			err = second.Unlock()
		}
		taken <- err
	}()
	check(t, lock.Unlock())
	check(t, <-taken)
}

func TestLockNamesStayInTheFolder(t *testing.T) {
	t.Parallel()
	l := locks(t)
	for _, name := range []string{"", ".", "..", "a/b", "../a", "a\x00", ".id-1"} {
		if _, err := l.TryLock(name); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}

// TestMain is the other process of TestLockEndsWithItsProcess where it is told to be.
func TestMain(m *testing.M) {
	if folder := os.Getenv("FILES_TEST_HOLD"); folder != "" {
		l, err := OpenLocks(folder)
		if err == nil {
			_, err = l.TryLock("a")
		}
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func TestLockEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	l := locks(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "FILES_TEST_HOLD="+l.Folder())
	said := must[interface{ Read([]byte) (int, error) }](t)(child.StdoutPipe())
	check(t, child.Start())
	var word [5]byte
	must[int](t)(said.Read(word[:]))
	if _, err := l.TryLock("a"); !errors.Is(err, ErrHeld) {
		t.Errorf("while the child lives: %v", err)
	}
	check(t, child.Process.Kill())
	child.Wait()
	check(t, must[*Lock](t)(l.TryLock("a")).Unlock())
}
