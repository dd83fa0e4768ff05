package meta

import (
	"context"
	"slices"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// jobRow is a row of BATCH_JOB_EXECUTION with its instance.
type jobRow struct {
	execution     *batch.JobExecution
	version       int64
	stopRequested time.Time
	checksum      int64
}

const jobColumns = `e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, e.EXIT_MESSAGE, e.CREATE_TIME, e.START_TIME, e.END_TIME,
	e.LAST_UPDATED, e.DEFINITION_HASH, e.DEFINITION_PATH, e.DEFINITION_BASE, e.STOP_REQUESTED, e.CHECKSUM, e.VERSION,
	i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY
	from BATCH_JOB_EXECUTION e join BATCH_JOB_INSTANCE i on i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID`

func scanJob(rows *sqldb.Rows) (jobRow, error) {
	e := &batch.JobExecution{}
	row := jobRow{execution: e}
	err := rows.Scan(&e.ID, &e.Status, &e.Exit.Code, &e.Exit.Description, stampInto{&e.Created}, stampInto{&e.Started},
		stampInto{&e.Ended}, stampInto{&e.Updated}, &e.Definition.Hash, &e.Definition.Path, &e.Definition.Base,
		stampInto{&row.stopRequested}, &row.checksum, &row.version, &e.Instance.ID, &e.Instance.Name, &e.Instance.Key)
	return row, err
}

// jobChecksum covers what a restart takes from an execution. e must have its parameters.
func jobChecksum(e *batch.JobExecution) int64 {
	fields := []string{e.Instance.Name, e.Instance.Key, number(e.Instance.ID), string(e.Status), e.Exit.Code,
		e.Definition.Hash, e.Definition.Path, e.Definition.Base}
	for _, p := range sorted(e.Parameters) {
		fields = append(fields, p.Name, p.Type, stored(p), yes(p.Identifying), yes(p.Secret))
	}
	return checksum(fields...)
}

// sorted returns parameters by name.
func sorted(parameters []batch.Parameter) []batch.Parameter {
	return slices.SortedFunc(slices.Values(parameters), func(a, b batch.Parameter) int { return strings.Compare(a.Name, b.Name) })
}

// stored is the value of a parameter as it is kept: nothing of a secret one.
func stored(p batch.Parameter) string {
	if p.Secret {
		return ""
	}
	return p.Value
}

func yes(b bool) string {
	if b {
		return "Y"
	}
	return "N"
}

// jobs returns the executions that a condition chooses, in its order, with their parameters.
func jobs(ctx context.Context, q sqldb.Querier, condition string, args ...any) (found []jobRow, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		row, err := scanJob(rows)
		found = append(found, row)
		return err
	}, "select "+jobColumns+" "+condition, args...)
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		if row.execution.Parameters, err = parameters(ctx, q, row.execution.ID); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// job returns the first execution that a condition chooses, or nil, after checking it.
func job(ctx context.Context, q sqldb.Querier, condition string, args ...any) (*jobRow, error) {
	found, err := jobs(ctx, q, condition+" limit 1", args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], found[0].verify()
}

// verify checks what a restart goes by. The row must have its parameters.
func (r jobRow) verify() error {
	if r.checksum != jobChecksum(r.execution) || !known(r.execution.Status) {
		return damaged("the record of job execution %d", r.execution.ID)
	}
	return nil
}

// known reports whether a status is one of batch's.
func known(s batch.Status) bool {
	switch s {
	case batch.Starting, batch.Started, batch.Stopping, batch.Stopped, batch.Failed, batch.Completed, batch.Abandoned, batch.Unknown:
		return true
	}
	return false
}

func parameters(ctx context.Context, q sqldb.Querier, execution int64) (found []batch.Parameter, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		var p batch.Parameter
		var identifying, secret string
		err := rows.Scan(&p.Name, &p.Type, &p.Value, &identifying, &secret)
		p.Identifying, p.Secret = identifying == "Y", secret == "Y"
		found = append(found, p)
		return err
	}, `select PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING, SECRET from BATCH_JOB_EXECUTION_PARAMS
		where JOB_EXECUTION_ID = ?`, execution)
	return sorted(found), err
}

// saveJobRow writes what changes of an execution, where its VERSION still is the one that was read.
func saveJobRow(ctx context.Context, tx *sqldb.Tx, e *batch.JobExecution, version int64) error {
	affected, err := exec(ctx, tx, `update BATCH_JOB_EXECUTION set VERSION = VERSION + 1, START_TIME = ?, END_TIME = ?, STATUS = ?,
		EXIT_CODE = ?, EXIT_MESSAGE = ?, LAST_UPDATED = ?, CHECKSUM = ? where JOB_EXECUTION_ID = ? and VERSION = ?`,
		stamp(e.Started), stamp(e.Ended), string(e.Status), e.Exit.Code, cut(e.Exit.Description, batch.MaxDescription),
		stamp(e.Updated), jobChecksum(e), e.ID, version)
	return oneRow(affected, err, "job execution", e.ID)
}

// oneRow turns an update that changed no row into an error.
func oneRow(affected int64, err error, what string, id int64) error {
	if err == nil && affected != 1 {
		return fault.New(fault.Internal, "%s %d was changed by somebody else at the same time, or is gone", what, id)
	}
	return err
}
