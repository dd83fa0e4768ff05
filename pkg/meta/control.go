package meta

import (
	"context"
	"errors"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// ErrNotRunning means that an execution cannot be stopped because it has ended.
var ErrNotRunning = errors.New("this execution is not running")

// RequestStop asks a running execution to stop at its next chunk boundary. Only its worker writes STOPPED. Asking twice
// is asking once. The refusals are ErrNoExecution and ErrNotRunning.
func (s *Store) RequestStop(ctx context.Context, execution int64) error {
	return s.write(ctx, func(tx *sqldb.Tx) error {
		e, err := existing(ctx, tx, execution)
		if err != nil {
			return err
		}
		if !e.execution.Status.Running() {
			return (&Refusal{Err: ErrNotRunning, Execution: execution, Message: describeExecution(e.execution) + " is not running"}).
				hint("batchctl show %d says how it ended", execution)
		}
		_, err = exec(ctx, tx, "update BATCH_JOB_EXECUTION set STOP_REQUESTED = coalesce(STOP_REQUESTED, ?) where JOB_EXECUTION_ID = ?",
			stamp(s.now()), execution)
		return err
	})
}

// Abandon makes sure that the instance of a failed or stopped execution is never continued. Only the last execution of an
// instance can be abandoned.
func (s *Store) Abandon(ctx context.Context, execution int64) error {
	return s.write(ctx, func(tx *sqldb.Tx) error {
		row, err := existing(ctx, tx, execution)
		if err != nil {
			return err
		}
		if err := s.takeTurn(ctx, tx, row.execution.Instance.Name); err != nil {
			return err
		}
		if row, err = existing(ctx, tx, execution); err != nil {
			return err
		}
		newest, err := newestOf(ctx, tx, row.execution.Instance.ID)
		if err != nil {
			return err
		}
		e := row.execution
		switch {
		case e.Status.Running():
			return (&Refusal{Err: batch.ErrRunning, Execution: e.ID, Message: describeExecution(e) + " is running"}).
				hint("stop it first: batchctl stop %d", e.ID)
		case !e.Status.CanBecome(batch.Abandoned):
			return &Refusal{Err: batch.ErrNotRestartable, Execution: e.ID, Message: describeExecution(e) + " cannot be abandoned"}
		case newest != e.ID:
			return (&Refusal{Err: batch.ErrNotRestartable, Execution: newest,
				Message: fmt.Sprintf("execution %d was continued already, by execution %d", e.ID, newest)}).hint("batchctl abandon %d", newest)
		}
		e.Status, e.Updated = batch.Abandoned, s.now()
		return saveJobRow(ctx, tx, e, row.version)
	})
}

// Running reports whether an execution is under way: recorded as running, by a process that is not known to be dead. An
// unknown one is not.
func (s *Store) Running(ctx context.Context, execution int64) (running bool, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		row, err := job(ctx, q, "where e.JOB_EXECUTION_ID = ?", execution)
		if err != nil || row == nil || !row.execution.Status.Running() {
			return err
		}
		who, err := s.owner(ctx, q, execution)
		if err != nil {
			return err
		}
		state, err := s.judge(who)
		running = !state.isDead()
		return err
	})
	return running, err
}

// existing returns an execution; an unknown id is a refusal.
func existing(ctx context.Context, q sqldb.Querier, id int64) (*jobRow, error) {
	row, err := job(ctx, q, "where e.JOB_EXECUTION_ID = ?", id)
	if err == nil && row == nil {
		err = noExecution(id)
	}
	return row, err
}

// newestOf returns the id of the newest execution of an instance.
func newestOf(ctx context.Context, q sqldb.Querier, instance int64) (id int64, err error) {
	_, err = one(ctx, q, to(&id), "select coalesce(max(JOB_EXECUTION_ID), 0) from BATCH_JOB_EXECUTION where JOB_INSTANCE_ID = ?", instance)
	return id, err
}
