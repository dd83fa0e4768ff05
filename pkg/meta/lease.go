package meta

import (
	"context"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// A repository on a server is shared by hosts that do not see each other's locks, so an owner also holds a lease there: it
// is written and judged by the server's clock alone. Whoever finds that a lease has run out may take the execution over;
// the epoch rises with it, and what the old owner still wants to save is refused.

// defaultLease is how long an owner that is not heard from keeps its execution.
const defaultLease = time.Minute

// leased reports whether owners hold leases here. A database that could not be opened is a file: servers are opened elsewhere.
func (s *Store) leased() bool { return s.db != nil && s.db.Dialect().Name() == "postgres" }

// leaseEnd is the SQL of when a lease that begins at this moment ends.
func (s *Store) leaseEnd() string {
	if !s.leased() {
		return "null"
	}
	return fmt.Sprintf("%s + interval '%d milliseconds'", serverClock, s.options.lease.Milliseconds())
}

// leaseLeft is the SQL of how many seconds a lease has left, 0 or less where it has run out or there is none.
func (s *Store) leaseLeft() string {
	if !s.leased() {
		return "0"
	}
	return "coalesce(extract(epoch from LEASE_UNTIL - " + serverClock + "), 0)"
}

// serverClock goes on within a transaction, which may have waited for a lock. Sessions are in UTC by default only.
const serverClock = "timezone('UTC', clock_timestamp())"

// Lease is how long the owner of an execution keeps it without a beat of its heart; 0 where there are no leases.
func (s *Store) Lease() time.Duration {
	if !s.leased() {
		return 0
	}
	return s.options.lease
}

// patience is how long the database may take over a transaction of the repository. On a server it is a part of the lease,
// so that an owner learns in time that nobody answers.
func (s *Store) patience() time.Duration {
	if !s.leased() {
		return busyTimeout
	}
	return s.options.patience()
}

func (o Options) patience() time.Duration { return min(busyTimeout, o.lease/3) }

// errSilent is why a transaction was given up.
var errSilent = fault.New(fault.Transient, "the server does not answer").WithCode(sqldb.LostConnection)

// bounded is ctx with an end, where a server is asked: one that has become silent would be waited for without one.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if !s.leased() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.patience(), errSilent)
}

// Heartbeat prolongs the lease of one execution, over a connection of its own. It is not safe for use by several
// goroutines.
type Heartbeat struct {
	store     *Store
	execution int64
	epoch     int64
	conn      *sqldb.Conn
}

// Heartbeat returns the heart of a launch, nil where the repository has no leases. The caller closes it before the Store.
func (s *Store) Heartbeat(l *Launch) *Heartbeat {
	if !s.leased() {
		return nil
	}
	return &Heartbeat{store: s, execution: l.Execution.ID, epoch: l.epoch}
}

// Beat prolongs the lease: it then ends Store.Lease after the server has heard of it. An error that wraps batch.ErrFenced
// means that the execution was taken over; after any other one it may be called again.
func (h *Heartbeat) Beat(ctx context.Context) error {
	ctx, cancel := h.store.bounded(ctx)
	defer cancel()
	return h.store.explain(h.beat(ctx))
}

func (h *Heartbeat) beat(ctx context.Context) (err error) {
	if h.conn != nil && h.conn.Lost() {
		_ = h.conn.Close() // there is nothing left on it
		h.conn = nil
	}
	if h.conn == nil {
		if h.conn, err = h.store.db.Conn(ctx); err != nil {
			return err
		}
	}
	tx, err := h.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx)) // err is the reason, and a connection that cannot is dropped
		}
	}()
	if err := h.store.prolong(ctx, tx, h.execution, h.epoch); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Close gives the connection back.
func (h *Heartbeat) Close() error {
	if h == nil || h.conn == nil {
		return nil
	}
	return h.conn.Close()
}

// prolong begins the leases of an execution and its running steps anew, where they still have this epoch.
func (s *Store) prolong(ctx context.Context, tx *sqldb.Tx, execution, epoch int64) error {
	n, err := exec(ctx, tx, "update BATCHCTL_OWNER set LAST_HEARD = ?, LEASE_UNTIL = "+s.leaseEnd()+
		" where JOB_EXECUTION_ID = ? and LEASE_EPOCH = ? and FOUND_DEAD is null", stamp(s.now()), execution, epoch)
	if err != nil {
		return err
	}
	if n == 0 {
		return s.takenOver(ctx, tx, execution)
	}
	_, err = exec(ctx, tx, "update BATCHCTL_STEP_OWNER set LEASE_UNTIL = "+s.leaseEnd()+` where LEASE_EPOCH = ? and STEP_EXECUTION_ID in
		(select STEP_EXECUTION_ID from BATCH_STEP_EXECUTION where JOB_EXECUTION_ID = ? and END_TIME is null)`, epoch, execution)
	return err
}

// TakenOver is the code of the error of an owner that lost its execution to another process.
const TakenOver = "taken_over"

// takenOver is the error of an owner whose execution is not its own any more. It names who goes on with the instance.
func (s *Store) takenOver(ctx context.Context, q sqldb.Querier, execution int64) error {
	who, err := s.owner(ctx, q, execution)
	if err != nil {
		return err
	}
	if who == nil {
		return fault.New(fault.Internal, "job execution %d has no owner in the job repository", execution)
	}
	next, err := job(ctx, q, `where e.JOB_EXECUTION_ID > ? and e.JOB_INSTANCE_ID =
		(select JOB_INSTANCE_ID from BATCH_JOB_EXECUTION where JOB_EXECUTION_ID = ?) order by e.JOB_EXECUTION_ID`, execution, execution)
	if err != nil {
		return err
	}
	e := fault.Wrap(fault.Environment, batch.ErrFenced, "job execution %d was taken for dead at %s%s", execution, describeDate(who.FoundDead), whyDead(who)).
		WithCode(TakenOver).WithHint("what this process had not committed by then is dropped; batchctl restart %d goes on with the instance", execution)
	if next == nil {
		return e
	}
	heir, err := s.owner(ctx, q, next.execution.ID)
	if err != nil || heir == nil {
		return err
	}
	return e.WithHint("what this process had not committed by then is dropped; execution %d, %s, went on with the instance: batchctl show %d",
		next.execution.ID, heir.Process, next.execution.ID)
}

func whyDead(who *Owner) string {
	if !who.TakenByLease {
		return ""
	}
	return ", when its lease had run out"
}

// holds is the right to work on an execution, as this process was given it.
type holds struct {
	execution int64
	epoch     int64
}

// remember keeps what a launch was given, for the ledger of its steps and for what it saves.
func (s *Store) remember(instance batch.JobInstance, h holds) {
	s.held.Store(instanceName{instance.Name, instance.Key}, h)
	s.held.Store(h.execution, h.epoch)
}

type instanceName struct{ job, key string }

// guard keeps a checkpoint from being saved in the repository by a process that has lost the instance: until the
// transaction ends, nobody can take it over.
func (s *Store) guard(ctx context.Context, tx *sqldb.Tx, step batch.StepKey) error {
	given, found := s.held.Load(instanceName{step.Job, step.Instance})
	if !s.leased() || !found {
		return nil
	}
	h := given.(holds)
	var epoch int64
	found, err := one(ctx, tx, to(&epoch), "select LEASE_EPOCH from BATCHCTL_OWNER where JOB_EXECUTION_ID = ? and FOUND_DEAD is null for share", h.execution)
	if err == nil && (!found || epoch != h.epoch) {
		err = s.takenOver(ctx, tx, h.execution)
	}
	return err
}

// epochHeld returns the epoch that this store was given an execution with; false where another one launched it.
func (s *Store) epochHeld(execution int64) (int64, bool) {
	epoch, found := s.held.Load(execution)
	if !found {
		return 0, false
	}
	return epoch.(int64), true
}
