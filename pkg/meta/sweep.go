package meta

import (
	"context"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// Dead is an execution whose process was found dead.
type Dead struct {
	Execution int64
	Job       string
	Owner     Owner
}

const runningJobs = "where e.STATUS in ('STARTING', 'STARTED', 'STOPPING') order by e.JOB_EXECUTION_ID"

// Sweep marks executions FAILED whose process is dead: their lock lies in this repository's lock folder and is free. On a
// server it does so, too, with those of other hosts whose lease has run out.
// Every command that shows or starts executions calls it first. It returns what it marked. A store that is opened for
// reading only marks nothing.
func (s *Store) Sweep(ctx context.Context) ([]Dead, error) {
	if s.options.ReadOnly {
		return nil, nil
	}
	suspects := 0
	err := s.read(ctx, func(q sqldb.Querier) error {
		rows, err := jobs(ctx, q, runningJobs)
		for _, row := range rows {
			who, err := s.owner(ctx, q, row.execution.ID)
			if err != nil {
				return err
			}
			state, err := s.judge(who)
			if err != nil {
				return err
			}
			if state.isDead() {
				suspects++
			}
		}
		return err
	})
	if err != nil || suspects == 0 {
		return nil, err
	}
	var marked []Dead
	err = s.write(ctx, func(tx *sqldb.Tx) error {
		marked, err = s.sweepOnce(ctx, tx)
		return err
	})
	return marked, err
}

// sweepOnce judges again inside the writing transaction: whoever launches the instance meanwhile has its lock before it
// writes, so an owner that is found dead here cannot come to life before the mark is committed. An owner whose lease has
// run out cannot prolong it, once it is locked.
func (s *Store) sweepOnce(ctx context.Context, tx *sqldb.Tx) (marked []Dead, err error) {
	rows, err := jobs(ctx, tx, runningJobs)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		who, err := s.sweepOne(ctx, tx, row.execution.ID)
		if err != nil {
			return nil, err
		}
		if who != nil {
			marked = append(marked, Dead{Execution: row.execution.ID, Job: row.execution.Instance.Name, Owner: *who})
		}
	}
	return marked, nil
}

// sweepOne marks an execution where its owner is dead, and returns that one; nil where it lives or the execution has ended.
func (s *Store) sweepOne(ctx context.Context, tx *sqldb.Tx, execution int64) (*Owner, error) {
	who, err := s.owner(ctx, tx, execution)
	if err != nil {
		return nil, err
	}
	if state, err := s.judge(who); err != nil || !state.isDead() {
		return nil, err // without a lock on it: a living owner must not have to wait
	}
	if who, err = s.lockOwner(ctx, tx, execution); err != nil {
		return nil, err
	}
	row, err := existing(ctx, tx, execution)
	if err != nil || !row.execution.Status.Running() {
		return nil, err
	}
	state, err := s.judge(who)
	if err != nil || !state.isDead() {
		return nil, err
	}
	return who, s.markDead(ctx, tx, row, who, state == expired)
}

// markDead marks an execution and its running steps FAILED, and keeps its owner, should it live after all, from saving
// anything more. byLease says that nothing but its lease speaks for its death. The transaction has the owner locked.
func (s *Store) markDead(ctx context.Context, tx *sqldb.Tx, row *jobRow, who *Owner, byLease bool) error {
	if err := row.verify(); err != nil {
		return err
	}
	at := s.now()
	exit := batch.ExitStatus{Code: string(batch.Failed), Description: epitaph(who, byLease)}
	running, err := steps(ctx, tx, "where s.JOB_EXECUTION_ID = ? and s.STATUS in ('STARTING', 'STARTED', 'STOPPING')", row.execution.ID)
	if err != nil {
		return err
	}
	for _, step := range running {
		e := step.execution
		e.Status, e.Exit, e.Ended, e.Updated = batch.Failed, exit, at, at
		if err := saveStepRow(ctx, tx, e, step.version); err != nil {
			return err
		}
	}
	e := row.execution
	e.Status, e.Exit, e.Ended, e.Updated = batch.Failed, exit, at, at
	if err := saveJobRow(ctx, tx, e, row.version); err != nil {
		return err
	}
	who.FoundDead, who.TakenByLease = at, byLease
	return fence(ctx, tx, e.ID, who)
}

func epitaph(who *Owner, byLease bool) string {
	if byLease {
		return fmt.Sprintf("%s let its lease run out at %s, by the clock of the job repository's server; it was last heard from at %s",
			who.Process, describeDate(who.LeaseUntil), describeDate(who.LastHeard))
	}
	return fmt.Sprintf("%s ended without a word; it was last heard from at %s", who.Process, describeDate(who.LastHeard))
}

// fence raises the epoch of an execution and its steps, so that the owner of the one before can save nothing any more.
func fence(ctx context.Context, tx *sqldb.Tx, execution int64, who *Owner) error {
	affected, err := exec(ctx, tx, `update BATCHCTL_OWNER set FOUND_DEAD = ?, TAKEN_BY_LEASE = ?, LEASE_EPOCH = LEASE_EPOCH + 1
		where JOB_EXECUTION_ID = ?`, stamp(who.FoundDead), yes(who.TakenByLease), execution)
	if err := oneRow(affected, err, "the owner of job execution", execution); err != nil {
		return err
	}
	_, err = exec(ctx, tx, `update BATCHCTL_STEP_OWNER set LEASE_EPOCH = LEASE_EPOCH + 1 where STEP_EXECUTION_ID in
		(select STEP_EXECUTION_ID from BATCH_STEP_EXECUTION where JOB_EXECUTION_ID = ?)`, execution)
	return err
}
