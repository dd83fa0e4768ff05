package meta

import (
	"context"
	"fmt"
	"time"

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

// Sweep marks executions FAILED whose process is dead: their lock lies in this repository's lock folder and is free.
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
			_, isDead, err := s.looksDead(ctx, q, row)
			if err != nil {
				return err
			}
			if isDead {
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
// writes, so an owner that is found dead here cannot come to life before the mark is committed.
func (s *Store) sweepOnce(ctx context.Context, tx *sqldb.Tx) (marked []Dead, err error) {
	rows, err := jobs(ctx, tx, runningJobs)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		who, isDead, err := s.looksDead(ctx, tx, row)
		if err != nil {
			return nil, err
		}
		if !isDead {
			continue
		}
		if err := s.markDead(ctx, tx, &row, who); err != nil {
			return nil, err
		}
		marked = append(marked, Dead{Execution: row.execution.ID, Job: row.execution.Instance.Name, Owner: *who})
	}
	return marked, nil
}

func (s *Store) looksDead(ctx context.Context, q sqldb.Querier, row jobRow) (*Owner, bool, error) {
	who, err := owner(ctx, q, row.execution.ID)
	if err != nil {
		return nil, false, err
	}
	state, err := s.judge(who)
	return who, state == dead, err
}

// markDead marks an execution and its running steps FAILED, and keeps its owner, should it live after all, from saving
// anything more.
func (s *Store) markDead(ctx context.Context, tx *sqldb.Tx, row *jobRow, who *Owner) error {
	if err := row.verify(); err != nil {
		return err
	}
	at := s.now()
	exit := batch.ExitStatus{Code: string(batch.Failed), Description: fmt.Sprintf("%s ended without a word; it was last heard from at %s",
		who.Process, describeDate(who.LastHeard))}
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
	return s.fence(ctx, tx, e.ID, who, at)
}

func (s *Store) fence(ctx context.Context, tx *sqldb.Tx, execution int64, who *Owner, at time.Time) error {
	who.FoundDead = at
	affected, err := exec(ctx, tx, "update BATCHCTL_OWNER set FOUND_DEAD = ? where JOB_EXECUTION_ID = ?", stamp(at), execution)
	return oneRow(affected, err, "the owner of job execution", execution)
}
