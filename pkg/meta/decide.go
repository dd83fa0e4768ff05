package meta

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// decide looks the instance up, decides, and inserts what a new execution needs.
func (s *Store) decide(ctx context.Context, tx *sqldb.Tx, r Request, lock string, launch *Launch) error {
	if err := s.takeTurn(ctx, tx, r.Job); err != nil {
		return err
	}
	r.holding = lock
	if err := s.chooseAgain(ctx, tx, r); err != nil {
		return err
	}
	instance, err := instanceOf(ctx, tx, r.Job, r.Key)
	if err != nil {
		return err
	}
	var last *jobRow
	if instance != nil {
		if last, err = job(ctx, tx, "where e.JOB_INSTANCE_ID = ? order by e.JOB_EXECUTION_ID desc", instance.ID); err != nil {
			return err
		}
	}
	e := s.newExecution(r)
	if last != nil {
		if err := s.continued(ctx, tx, r, last, e, launch); err != nil {
			return err
		}
	}
	if instance == nil {
		if instance, err = s.newInstance(ctx, tx, r); err != nil {
			return err
		}
	}
	e.Instance = *instance
	launch.Execution = e
	if err := insertExecution(ctx, tx, e); err != nil {
		return err
	}
	if launch.epoch, err = s.insertOwner(ctx, tx, e, lock); err != nil {
		return err
	}
	launch.Alone, err = alone(ctx, tx, instance.ID)
	return err
}

// takeTurn makes the decisions about a job come one after the other, also where they are made on several hosts. A file has
// one writer at a time anyway.
func (s *Store) takeTurn(ctx context.Context, tx *sqldb.Tx, job string) error {
	return sqldb.Lock(ctx, tx, "decision "+s.id+" "+job)
}

// chooseAgain chooses the run of a job without identity once more, now that no other host can.
func (s *Store) chooseAgain(ctx context.Context, tx *sqldb.Tx, r Request) error {
	if !s.leased() || !r.EachRun || r.Restart != 0 {
		return nil
	}
	chosen, err := s.chooseRun(ctx, tx, r)
	if err == nil && chosen != r.chosen {
		err = errOvertaken
	}
	return err
}

// alone reports whether no execution of an instance was taken over from an owner that may live.
func alone(ctx context.Context, q sqldb.Querier, instance int64) (bool, error) {
	var n int64
	_, err := one(ctx, q, to(&n), `select count(*) from BATCHCTL_OWNER o join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID = o.JOB_EXECUTION_ID
		where e.JOB_INSTANCE_ID = ? and o.TAKEN_BY_LEASE = 'Y'`, instance)
	return n == 0, err
}

// newInstance records an instance, and what it replays. A refusal comes before anything is recorded.
func (s *Store) newInstance(ctx context.Context, tx *sqldb.Tx, r Request) (*batch.JobInstance, error) {
	if r.Replay == nil {
		return insertInstance(ctx, tx, r)
	}
	if err := mayReplay(ctx, tx, r.Replay); err != nil {
		return nil, err
	}
	instance, err := insertInstance(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	r.Replay.Instance = instance.ID
	return instance, insertReplay(ctx, tx, r.Replay)
}

// continued decides whether an instance's last execution may be continued, and takes over what of it goes on.
func (s *Store) continued(ctx context.Context, tx *sqldb.Tx, r Request, last *jobRow, e *batch.JobExecution, launch *Launch) error {
	if err := s.bury(ctx, tx, last); err != nil {
		return err
	}
	if err := mayContinue(r, last.execution); err != nil {
		return err
	}
	changed, err := s.checkDrift(ctx, tx, r, last.execution, e)
	if err != nil {
		return err
	}
	previous := last.execution
	if previous.Context, err = jobContext.load(ctx, tx, previous.ID); err != nil {
		return err
	}
	if previous.Steps, err = stepsOf(ctx, tx, previous.ID); err != nil {
		return err
	}
	e.Context = previous.Context
	launch.Previous, launch.Changed = previous, changed
	return nil
}

// bury marks an execution FAILED that says it is running although this process has its instance's lock. Where the lock
// that its owner holds lies elsewhere, its lease decides; without one, nobody knows.
func (s *Store) bury(ctx context.Context, tx *sqldb.Tx, last *jobRow) error {
	if !last.execution.Status.Running() {
		return nil
	}
	who, err := s.lockOwner(ctx, tx, last.execution.ID)
	if err != nil {
		return err
	}
	again, err := existing(ctx, tx, last.execution.ID) // it may have ended before its owner was locked
	if err != nil {
		return err
	}
	*last = *again
	byLease := !s.sees(who)
	switch {
	case !last.execution.Status.Running():
		return nil
	case byLease && s.judgeLease(who) != expired:
		return s.elsewhere(last.execution, who)
	}
	return s.markDead(ctx, tx, last, who, byLease)
}

// mayContinue refuses what the last execution's status, or the definition, forbids.
func mayContinue(r Request, last *batch.JobExecution) error {
	switch {
	case last.Status == batch.Completed:
		return complete(r, last)
	case last.Status == batch.Abandoned:
		return abandoned(r, last)
	case !last.Status.Restartable():
		return notContinued(last, "its outcome is not known").hint("batchctl abandon %d gives it up", last.ID)
	case r.NotRestartable:
		return notContinued(last, "the definition says restartable: false").
			hint("remove restartable: false from %s, or start another instance", last.Definition.Path)
	case r.Restart != 0 && r.Restart != last.ID:
		return overtaken(r.Restart, last)
	}
	return nil
}

// checkDrift compares the definition with the one that last ran. A change is taken where nothing has been committed yet.
func (s *Store) checkDrift(ctx context.Context, tx *sqldb.Tx, r Request, last, e *batch.JobExecution) (changed bool, err error) {
	if last.Definition.Hash == r.Definition.Hash {
		return false, nil
	}
	if r.Drift == AcceptChanges {
		return true, nil
	}
	recorded, err := definitionText(ctx, tx, last.Definition.Hash)
	if err != nil {
		return false, err
	}
	if r.Drift == AsRecorded {
		e.Definition = last.Definition
		e.Definition.Text = recorded
		return false, nil
	}
	begun, err := somethingCommitted(ctx, tx, last.Instance)
	if err != nil || !begun {
		return true, err
	}
	return false, definitionChanged(last, diffLines(recorded, r.Definition.Text))
}

// somethingCommitted reports whether anything of an instance may have been committed. A step whose process died counts
// although its row may not say so: the target may be ahead of the repository.
func somethingCommitted(ctx context.Context, q sqldb.Querier, instance batch.JobInstance) (bool, error) {
	var n int64
	_, err := one(ctx, q, to(&n), `select
		(select count(*) from BATCH_STEP_EXECUTION s
			join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
			left join BATCHCTL_OWNER o on o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID
			where e.JOB_INSTANCE_ID = ? and (s.COMMIT_COUNT > 0 or s.STATUS = 'COMPLETED' or o.FOUND_DEAD is not null))
		+ (select count(*) from BATCHCTL_CHECKPOINT where job = ? and instance = ? and seq > 0)`,
		instance.ID, instance.Name, instance.Key)
	return n > 0, err
}

// instanceOf returns the instance of a job and key, or nil.
func instanceOf(ctx context.Context, q sqldb.Querier, name, key string) (*batch.JobInstance, error) {
	i := batch.JobInstance{Name: name, Key: key}
	found, err := one(ctx, q, to(&i.ID), "select JOB_INSTANCE_ID from BATCH_JOB_INSTANCE where JOB_NAME = ? and JOB_KEY = ?", name, key)
	if err != nil || !found {
		return nil, err
	}
	return &i, nil
}
