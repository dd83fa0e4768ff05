package main_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// multiply copies the one execution of a repository to so many instances with ten executions each.
var multiply = []string{
	`create temp table n as with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select i from n`,
	`insert into BATCH_JOB_INSTANCE (VERSION, JOB_NAME, JOB_KEY) select 0, JOB_NAME, printf('%064d', i) from BATCH_JOB_INSTANCE, n`,
	`create temp table e as select ROW_NUMBER() over () as id, i.JOB_INSTANCE_ID as instance from BATCH_JOB_INSTANCE i
		join n on n.i <= 10 where i.JOB_KEY like '00000%'`,
	`insert into BATCH_JOB_EXECUTION select 1 + e.id, VERSION, e.instance, CREATE_TIME, START_TIME, END_TIME, STATUS, EXIT_CODE, EXIT_MESSAGE,
		LAST_UPDATED, DEFINITION_HASH, DEFINITION_PATH, DEFINITION_BASE, STOP_REQUESTED, CHECKSUM from BATCH_JOB_EXECUTION x, e where x.JOB_EXECUTION_ID = 1`,
	`insert into BATCH_JOB_EXECUTION_PARAMS select 1 + e.id, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING, SECRET
		from BATCH_JOB_EXECUTION_PARAMS x, e where x.JOB_EXECUTION_ID = 1`,
	`insert into BATCH_JOB_EXECUTION_CONTEXT select 1 + e.id, SHORT_CONTEXT, SERIALIZED_CONTEXT, CHECKSUM
		from BATCH_JOB_EXECUTION_CONTEXT x, e where x.JOB_EXECUTION_ID = 1`,
	`insert into BATCH_STEP_EXECUTION select 1 + e.id, VERSION, STEP_NAME, 1 + e.id, CREATE_TIME, START_TIME, END_TIME, STATUS, COMMIT_COUNT,
		READ_COUNT, FILTER_COUNT, WRITE_COUNT, READ_SKIP_COUNT, WRITE_SKIP_COUNT, PROCESS_SKIP_COUNT, ROLLBACK_COUNT, EXIT_CODE, EXIT_MESSAGE,
		LAST_UPDATED, RETRY_COUNT, VISIT, TOTAL_COUNTS, CHECKSUM, TIMES from BATCH_STEP_EXECUTION x, e where x.STEP_EXECUTION_ID = 1`,
	`insert into BATCH_STEP_EXECUTION_CONTEXT select 1 + e.id, SHORT_CONTEXT, SERIALIZED_CONTEXT, CHECKSUM
		from BATCH_STEP_EXECUTION_CONTEXT x, e where x.STEP_EXECUTION_ID = 1`,
}

const (
	startBound = 50 * time.Millisecond // more than with an empty repository
	startTries = 9
)

// With a hundred thousand executions in the repository a job starts as soon as with none.
func TestAHundredThousandExecutionsDoNotDelayAStart(t *testing.T) {
	soak(t)
	folder := t.TempDir()
	writeFile(t, folder, "job.yaml", "job: often\nparams: {n: {type: int}, day: {type: date, default: today, identifying: false}}\n"+
		"steps: [{name: s, reader: {type: inline, records: [{id: 1}]}, writer: {type: discard}}]\n")
	fastest := func() time.Duration {
		best := time.Hour
		for try := range startTries {
			c := command(t, folder, "run", "job.yaml", "--quiet", "-p", fmt.Sprint("n=", 100+try))
			begin := time.Now()
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			best = min(best, time.Since(begin))
		}
		return best
	}
	if out, err := command(t, folder, "run", "job.yaml", "-p", "n=1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	db, err := sql.Open("sqlite", filepath.Join(folder, "meta/batchctl.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, statement := range multiply {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%v: %s", err, statement)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	full := fastest()
	kept := folder
	folder = t.TempDir()
	writeFile(t, folder, "job.yaml", readText(t, filepath.Join(kept, "job.yaml")))
	empty := fastest()
	t.Logf("a run takes %s with an empty repository, %s with 100,000 executions", empty, full)
	if full-empty > startBound {
		t.Errorf("a start takes %s longer with 100,000 executions, want at most %s", full-empty, startBound)
	}
}
