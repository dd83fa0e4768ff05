package meta

import (
	"context"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// StartStep inserts a step execution with status STARTING and fills in its ID and Created. An error that wraps
// batch.ErrFenced means that the job execution was found dead and given up. After any other error it may be called again: where
// the first call did insert it, and only the answer was lost, that one is taken.
func (s *Store) StartStep(ctx context.Context, step *batch.StepExecution) error {
	fresh := *step
	fresh.Created = s.now()
	fresh.Updated = fresh.Created
	fresh.Status = batch.Starting
	if fresh.Exit.Code == "" {
		fresh.Exit.Code = "EXECUTING"
	}
	err := s.write(ctx, func(tx *sqldb.Tx) error {
		if err := s.stillMine(ctx, tx, step.JobID, fresh.Created); err != nil {
			return err
		}
		found, err := one(ctx, tx, to(&fresh.ID, stampInto{&fresh.Created}), `select STEP_EXECUTION_ID, CREATE_TIME from BATCH_STEP_EXECUTION
			where JOB_EXECUTION_ID = ? and STEP_NAME = ? and VISIT = ? and STATUS = ?`, step.JobID, step.Name, step.Visit, string(batch.Starting))
		if found || err != nil {
			return err
		}
		if err := insertStep(ctx, tx, &fresh); err != nil {
			return err
		}
		return s.insertStepOwner(ctx, tx, &fresh)
	})
	if err == nil {
		*step = fresh
	}
	return err
}

// SaveStep updates status, exit status, counters, context and times. An error that wraps batch.ErrFenced means that the
// execution was found dead and given to somebody else. After any other error it may be called again.
//
// What may be saved is decided by the row as it is, not by what this process believes to have saved: a save whose
// outcome was unknown does not make those after it fail.
func (s *Store) SaveStep(ctx context.Context, step *batch.StepExecution) error {
	updated := *step
	updated.Updated = s.now()
	err := s.write(ctx, func(tx *sqldb.Tx) error {
		if err := s.stillMine(ctx, tx, step.JobID, updated.Updated); err != nil {
			return err
		}
		return s.updateStep(ctx, tx, &updated)
	})
	if err == nil {
		step.Updated = updated.Updated
	}
	return err
}

func (s *Store) updateStep(ctx context.Context, tx *sqldb.Tx, step *batch.StepExecution) error {
	var version int64
	var status batch.Status
	found, err := one(ctx, tx, to(&version, &status), "select VERSION, STATUS from BATCH_STEP_EXECUTION where STEP_EXECUTION_ID = ?", step.ID)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("step execution %d (%s)", step.ID, step.Name)
	if err := mayBecome(what, found, status, step.Status); err != nil {
		return err
	}
	if err := saveStepRow(ctx, tx, step, version); err != nil {
		return err
	}
	return stepContext.save(ctx, tx, step.ID, step.Context)
}

// mayBecome holds every change of a status to the table of legal moves. The same status again is a save of the rest.
func mayBecome(what string, found bool, from, next batch.Status) error {
	if !found {
		return fault.New(fault.Internal, "%s is not in the job repository", what)
	}
	if from != next && !from.CanBecome(next) {
		return fault.New(fault.Internal, "%s is %s and cannot become %s", what, from, next)
	}
	return nil
}

// stillMine refuses changes to an execution that another process found dead, and records that this one was heard. Until
// the transaction ends nobody can find it dead. The check is the change of the row itself: between looking and changing
// another host could come.
func (s *Store) stillMine(ctx context.Context, tx *sqldb.Tx, execution int64, at time.Time) error {
	epoch, launched := s.epochHeld(execution)
	n, err := exec(ctx, tx, `update BATCHCTL_OWNER set LAST_HEARD = ?
		where JOB_EXECUTION_ID = ? and FOUND_DEAD is null and (LEASE_EPOCH = ? or ? = 'N')`, stamp(at), execution, epoch, yes(launched))
	if err == nil && n == 0 {
		err = s.takenOver(ctx, tx, execution)
	}
	return err
}

// SaveJob updates status, exit status, context and times. Errors are those of SaveStep.
func (s *Store) SaveJob(ctx context.Context, e *batch.JobExecution) error {
	at := s.now()
	err := s.write(ctx, func(tx *sqldb.Tx) error {
		if err := s.stillMine(ctx, tx, e.ID, at); err != nil {
			return err
		}
		return s.updateJob(ctx, tx, e, at)
	})
	if err == nil {
		e.Updated = at
	}
	return err
}

func (s *Store) updateJob(ctx context.Context, tx *sqldb.Tx, e *batch.JobExecution, at time.Time) error {
	row, err := job(ctx, tx, "where e.JOB_EXECUTION_ID = ?", e.ID)
	if err != nil {
		return err
	}
	if row == nil {
		return mayBecome(fmt.Sprintf("job execution %d", e.ID), false, "", e.Status)
	}
	saved := row.execution
	if err := mayBecome(fmt.Sprintf("job execution %d", e.ID), true, saved.Status, e.Status); err != nil {
		return err
	}
	saved.Status, saved.Exit, saved.Started, saved.Ended, saved.Updated = e.Status, e.Exit, e.Started, e.Ended, at
	if err := saveJobRow(ctx, tx, saved, row.version); err != nil {
		return err
	}
	return jobContext.save(ctx, tx, e.ID, e.Context)
}

// StepHistory returns all executions of steps that an instance has had, of all its job executions, oldest first.
func (s *Store) StepHistory(ctx context.Context, instance int64) (history []*batch.StepExecution, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err := steps(ctx, q, `join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
			where e.JOB_INSTANCE_ID = ? order by s.STEP_EXECUTION_ID`, instance)
		for _, row := range found {
			history = append(history, row.execution)
		}
		return err
	})
	return history, err
}

// StopRequested reports whether somebody asked the execution to stop.
func (s *Store) StopRequested(ctx context.Context, execution int64) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var asked time.Time
	_, err := one(ctx, s.db, to(stampInto{&asked}), "select STOP_REQUESTED from BATCH_JOB_EXECUTION where JOB_EXECUTION_ID = ?", execution)
	return !asked.IsZero(), s.explain(err)
}
