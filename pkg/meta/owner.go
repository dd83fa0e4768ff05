package meta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"batchctl/pkg/batch"
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
	TakenByLease   bool      // it was taken for dead because its lease had run out: it may live
	LeaseUntil     time.Time // by the server's clock; zero where there are no leases
	LeaseLeft      time.Duration
}

// insertOwner records that this process works on an execution, and returns the epoch it does so in: one that no earlier
// owner of the instance has had.
func (s *Store) insertOwner(ctx context.Context, tx *sqldb.Tx, e *batch.JobExecution, lock string) (epoch int64, err error) {
	_, err = one(ctx, tx, to(&epoch), `select coalesce(max(o.LEASE_EPOCH), 0) + 1 from BATCHCTL_OWNER o
		join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID = o.JOB_EXECUTION_ID where e.JOB_INSTANCE_ID = ?`, e.Instance.ID)
	if err != nil {
		return 0, err
	}
	var id, folder string
	if s.locks != nil {
		id, folder = s.locks.ID(), s.locks.Folder()
	}
	p := s.options.Process
	_, err = exec(ctx, tx, `insert into BATCHCTL_OWNER (JOB_EXECUTION_ID, LOCK_FOLDER_ID, LOCK_FOLDER, LOCK_NAME, HOST_NAME,
		PROCESS_ID, BOOT_ID, START_TIME, LAST_HEARD, LEASE_EPOCH, LEASE_UNTIL) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, `+s.leaseEnd()+")",
		e.ID, id, folder, lock, p.Host, p.PID, p.Boot, stamp(e.Created), stamp(e.Created), epoch)
	return epoch, err
}

// insertStepOwner records that this process works on a step execution.
func (s *Store) insertStepOwner(ctx context.Context, tx *sqldb.Tx, step *batch.StepExecution) error {
	p := s.options.Process
	epoch, _ := s.epochHeld(step.JobID)
	_, err := exec(ctx, tx, `insert into BATCHCTL_STEP_OWNER (STEP_EXECUTION_ID, HOST_NAME, PROCESS_ID, BOOT_ID, LEASE_EPOCH, LEASE_UNTIL)
		values (?, ?, ?, ?, ?, `+s.leaseEnd()+")", step.ID, p.Host, p.PID, p.Boot, epoch)
	return err
}

// owner returns who works, or worked, on an execution, or nil.
func (s *Store) owner(ctx context.Context, q sqldb.Querier, execution int64) (*Owner, error) {
	var o Owner
	var taken string
	var left float64
	found, err := one(ctx, q, to(&o.LockFolder, &o.LockFolderPath, &o.LockName, &o.Host, &o.PID, &o.Boot,
		stampInto{&o.Started}, stampInto{&o.LastHeard}, stampInto{&o.FoundDead}, &taken, stampInto{&o.LeaseUntil}, &left),
		`select LOCK_FOLDER_ID, LOCK_FOLDER, LOCK_NAME, HOST_NAME, PROCESS_ID, BOOT_ID, START_TIME, LAST_HEARD, FOUND_DEAD,
		 coalesce(TAKEN_BY_LEASE, 'N'), LEASE_UNTIL, `+s.leaseLeft()+" from BATCHCTL_OWNER where JOB_EXECUTION_ID = ?", execution)
	if err != nil || !found {
		return nil, err
	}
	o.TakenByLease = taken == "Y"
	o.LeaseLeft = time.Duration(left * float64(time.Second))
	return &o, nil
}

// lockOwner is owner, of an execution that nobody else can save anything of, or take over, until the transaction ends.
func (s *Store) lockOwner(ctx context.Context, tx *sqldb.Tx, execution int64) (*Owner, error) {
	var id int64
	_, err := one(ctx, tx, to(&id), "select JOB_EXECUTION_ID from BATCHCTL_OWNER where JOB_EXECUTION_ID = ?"+tx.Dialect().LockRows(), execution)
	if err != nil {
		return nil, err
	}
	return s.owner(ctx, tx, execution)
}

// liveness is what can be said of an owner.
type liveness int

const (
	alive      liveness = iota // its lock is held
	dead                       // its lock, in our folder, is free
	leasing                    // its lease has not run out; its lock cannot be seen
	expired                    // its lease has run out; its lock cannot be seen
	unknowable                 // its lock lies in a folder that this process does not see, and there are no leases
)

// isDead reports whether an owner has lost what it owned.
func (l liveness) isDead() bool { return l == dead || l == expired }

// judge says whether the owner of an execution lives. A missing owner row cannot be judged.
func (s *Store) judge(o *Owner) (liveness, error) {
	if !s.sees(o) {
		return s.judgeLease(o), nil
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

func (s *Store) judgeLease(o *Owner) liveness {
	switch {
	case o == nil || o.LeaseUntil.IsZero():
		return unknowable
	case o.LeaseLeft > 0:
		return leasing
	}
	return expired
}

// sees reports whether an owner's lock would lie in this process's lock folder. The folder beside an SQLite file may have
// been removed and made again, and then has another id; an owner that had its lock in the one before is seen where its
// process is gone as well, because a living one still holds a lock that has no name any more.
func (s *Store) sees(o *Owner) bool {
	switch {
	case o == nil || s.locks == nil:
		return false
	case s.leased():
		// A folder's id may have been copied, with an image of a machine or a container; leases tell those apart.
		return o.LockFolder == s.locks.ID() && o.Host == s.options.Process.Host && o.Boot == s.options.Process.Boot
	case o.LockFolder == s.locks.ID():
		return true
	}
	return s.options.beside && o.LockFolderPath == s.locks.Folder() && o.Host == s.options.Process.Host && o.gone(s.options.Process.Boot)
}

// gone reports whether a process of this host ended: the host was started again since, or has no such process.
func (p Process) gone(boot string) bool {
	return p.Boot != boot || errors.Is(syscall.Kill(p.PID, 0), syscall.ESRCH)
}
