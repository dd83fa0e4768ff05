package meta

import (
	"context"
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// stepRow is a row of BATCH_STEP_EXECUTION.
type stepRow struct {
	execution *batch.StepExecution
	version   int64
	totals    string
	times     string // empty where an older version has written it
	checksum  int64
}

const stepColumns = `select s.STEP_EXECUTION_ID, s.VERSION, s.STEP_NAME, s.JOB_EXECUTION_ID, s.CREATE_TIME, s.START_TIME, s.END_TIME,
	s.STATUS, s.COMMIT_COUNT, s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.READ_SKIP_COUNT, s.WRITE_SKIP_COUNT,
	s.PROCESS_SKIP_COUNT, s.ROLLBACK_COUNT, s.EXIT_CODE, s.EXIT_MESSAGE, s.LAST_UPDATED, s.RETRY_COUNT, s.VISIT,
	s.TOTAL_COUNTS, coalesce(s.TIMES, ''), s.CHECKSUM from BATCH_STEP_EXECUTION s `

func scanStep(rows *sqldb.Rows) (stepRow, error) {
	e := &batch.StepExecution{}
	row := stepRow{execution: e}
	c := &e.Counters
	err := rows.Scan(&e.ID, &row.version, &e.Name, &e.JobID, stampInto{&e.Created}, stampInto{&e.Started}, stampInto{&e.Ended},
		&e.Status, &c.Commit, &c.Read, &c.Filter, &c.Write, &c.ReadSkip, &c.WriteSkip,
		&c.ProcessSkip, &c.Rollback, &e.Exit.Code, &e.Exit.Description, stampInto{&e.Updated}, &c.Retry, &e.Visit,
		&row.totals, &row.times, &row.checksum)
	return row, err
}

// steps returns the step executions that a condition chooses, in its order, checked, with their contexts.
func steps(ctx context.Context, q sqldb.Querier, condition string, args ...any) (found []stepRow, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		row, err := scanStep(rows)
		found = append(found, row)
		return err
	}, stepColumns+condition, args...)
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		e := row.execution
		if row.checksum != stepChecksum(e, row.totals) || json.Unmarshal([]byte(row.totals), &e.Total) != nil || !known(e.Status) {
			return nil, damaged("the record of step execution %d (%s)", e.ID, e.Name)
		}
		if row.times != "" {
			_ = json.Unmarshal([]byte(row.times), &e.Times) // nothing depends on it
		}
		if e.Context, err = stepContext.load(ctx, q, e.ID); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// stepsOf returns the steps of a job execution in the order they were started.
func stepsOf(ctx context.Context, q sqldb.Querier, job int64) ([]*batch.StepExecution, error) {
	rows, err := steps(ctx, q, "where s.JOB_EXECUTION_ID = ? order by s.STEP_EXECUTION_ID", job)
	var found []*batch.StepExecution
	for _, row := range rows {
		found = append(found, row.execution)
	}
	return found, err
}

// stepChecksum covers what a restart takes from a step execution.
func stepChecksum(e *batch.StepExecution, totals string) int64 {
	c := e.Counters
	return checksum(number(e.JobID), e.Name, number(int64(e.Visit)), string(e.Status), e.Exit.Code, totals,
		number(c.Commit), number(c.Read), number(c.Filter), number(c.Write), number(c.ReadSkip), number(c.WriteSkip),
		number(c.ProcessSkip), number(c.Rollback), number(c.Retry))
}

// insertStep adds a step execution with its context and sets its ID.
func insertStep(ctx context.Context, tx *sqldb.Tx, e *batch.StepExecution) error {
	totals, err := json.Marshal(e.Total)
	if err != nil {
		return err
	}
	c := e.Counters
	_, err = one(ctx, tx, to(&e.ID), `insert into BATCH_STEP_EXECUTION (VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME, START_TIME,
		END_TIME, STATUS, COMMIT_COUNT, READ_COUNT, FILTER_COUNT, WRITE_COUNT, READ_SKIP_COUNT, WRITE_SKIP_COUNT, PROCESS_SKIP_COUNT,
		ROLLBACK_COUNT, EXIT_CODE, EXIT_MESSAGE, LAST_UPDATED, RETRY_COUNT, VISIT, TOTAL_COUNTS, CHECKSUM)
		values (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning STEP_EXECUTION_ID`,
		e.Name, e.JobID, stamp(e.Created), stamp(e.Started), stamp(e.Ended), string(e.Status), c.Commit, c.Read, c.Filter, c.Write,
		c.ReadSkip, c.WriteSkip, c.ProcessSkip, c.Rollback, e.Exit.Code, cut(e.Exit.Description, batch.MaxDescription),
		stamp(e.Updated), c.Retry, e.Visit, string(totals), stepChecksum(e, string(totals)))
	if err != nil {
		return err
	}
	return stepContext.insert(ctx, tx, e.ID, e.Context)
}

// saveStepRow writes what changes of a step execution, where its VERSION still is the one that was read.
func saveStepRow(ctx context.Context, tx *sqldb.Tx, e *batch.StepExecution, version int64) error {
	totals, err := json.Marshal(e.Total)
	if err != nil {
		return err
	}
	times, err := json.Marshal(e.Times)
	if err != nil {
		return err
	}
	c := e.Counters
	affected, err := exec(ctx, tx, `update BATCH_STEP_EXECUTION set VERSION = VERSION + 1, START_TIME = ?, END_TIME = ?, STATUS = ?,
		COMMIT_COUNT = ?, READ_COUNT = ?, FILTER_COUNT = ?, WRITE_COUNT = ?, READ_SKIP_COUNT = ?, WRITE_SKIP_COUNT = ?,
		PROCESS_SKIP_COUNT = ?, ROLLBACK_COUNT = ?, EXIT_CODE = ?, EXIT_MESSAGE = ?, LAST_UPDATED = ?, RETRY_COUNT = ?,
		TOTAL_COUNTS = ?, TIMES = ?, CHECKSUM = ? where STEP_EXECUTION_ID = ? and VERSION = ?`,
		stamp(e.Started), stamp(e.Ended), string(e.Status), c.Commit, c.Read, c.Filter, c.Write, c.ReadSkip, c.WriteSkip,
		c.ProcessSkip, c.Rollback, e.Exit.Code, cut(e.Exit.Description, batch.MaxDescription), stamp(e.Updated), c.Retry,
		string(totals), string(times), stepChecksum(e, string(totals)), e.ID, version)
	return oneRow(affected, err, "step execution", e.ID)
}
