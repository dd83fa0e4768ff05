package meta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"batchctl/pkg/sqldb"
)

// Process names a process to people: whether it lives is decided by its lock.
type Process struct {
	Host string
	PID  int
	Boot string // the kernel's boot id, "" where there is none
}

// ThisProcess returns the process that runs this.
func ThisProcess() Process {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // Linux only; without it messages say less
	return Process{Host: host, PID: os.Getpid(), Boot: strings.TrimSpace(string(boot))}
}

// String returns "process 17 on host h".
func (p Process) String() string { return fmt.Sprintf("process %d on host %s", p.PID, p.Host) }

// Owner is the process that works, or worked, on an execution.
type Owner struct {
	Process
	LockFolder     string // id of the folder that its lock lies in
	LockFolderPath string
	LockName       string
	Started        time.Time
	LastHeard      time.Time // when it last saved something
	FoundDead      time.Time // when it was found dead; zero otherwise
}

// insertOwner records that this process works on an execution.
func (s *Store) insertOwner(ctx context.Context, tx *sqldb.Tx, execution int64, lock string, at time.Time) error {
	p := s.options.Process
	_, err := exec(ctx, tx, `insert into BATCHCTL_OWNER (JOB_EXECUTION_ID, LOCK_FOLDER_ID, LOCK_FOLDER, LOCK_NAME, HOST_NAME,
		PROCESS_ID, BOOT_ID, START_TIME, LAST_HEARD) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		execution, s.locks.ID(), s.locks.Folder(), lock, p.Host, p.PID, p.Boot, stamp(at), stamp(at))
	return err
}

// owner returns who works, or worked, on an execution, or nil.
func owner(ctx context.Context, q sqldb.Querier, execution int64) (*Owner, error) {
	var o Owner
	found, err := one(ctx, q, to(&o.LockFolder, &o.LockFolderPath, &o.LockName, &o.Host, &o.PID, &o.Boot,
		stampInto{&o.Started}, stampInto{&o.LastHeard}, stampInto{&o.FoundDead}),
		`select LOCK_FOLDER_ID, LOCK_FOLDER, LOCK_NAME, HOST_NAME, PROCESS_ID, BOOT_ID, START_TIME, LAST_HEARD, FOUND_DEAD
		 from BATCHCTL_OWNER where JOB_EXECUTION_ID = ?`, execution)
	if err != nil || !found {
		return nil, err
	}
	return &o, nil
}

// heard records that the owner of an execution was alive just now.
func heard(ctx context.Context, tx *sqldb.Tx, execution int64, at time.Time) error {
	_, err := exec(ctx, tx, "update BATCHCTL_OWNER set LAST_HEARD = ? where JOB_EXECUTION_ID = ?", stamp(at), execution)
	return err
}

// liveness is what can be said of an owner.
type liveness int

const (
	alive      liveness = iota // its lock is held
	dead                       // its lock, in our folder, is free
	unknowable                 // its lock lies in a folder that this process does not see
)

// judge says whether the owner of an execution lives. A missing owner row cannot be judged.
func (s *Store) judge(o *Owner) (liveness, error) {
	if !s.sees(o) {
		return unknowable, nil
	}
	held, err := s.locks.Held(o.LockName)
	switch {
	case err != nil:
		return unknowable, err
	case held:
		return alive, nil
	}
	return dead, nil
}

// sees reports whether an owner's lock would lie in this process's lock folder. The folder beside an SQLite file may have
// been removed and made again, and then has another id; an owner that had its lock in the one before is seen where its
// process is gone as well, because a living one still holds a lock that has no name any more.
func (s *Store) sees(o *Owner) bool {
	switch {
	case o == nil || s.locks == nil:
		return false
	case o.LockFolder == s.locks.ID():
		return true
	}
	return s.options.beside && o.LockFolderPath == s.locks.Folder() && o.Host == s.options.Process.Host && o.gone(s.options.Process.Boot)
}

// gone reports whether a process of this host ended: the host was started again since, or has no such process.
func (p Process) gone(boot string) bool {
	return p.Boot != boot || errors.Is(syscall.Kill(p.PID, 0), syscall.ESRCH)
}
