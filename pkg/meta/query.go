package meta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// ErrNoExecution means that the job repository has no execution of that id.
var ErrNoExecution = errors.New("no such execution")

// JobSummary is one job in a list of jobs.
type JobSummary struct {
	Name       string
	Instances  int64
	Executions int64
	Last       ExecutionSummary // the newest execution
}

// ExecutionSummary is one job execution in a list. Execution has no steps, no context, and a definition without text.
type ExecutionSummary struct {
	Execution *batch.JobExecution
	Counters  batch.Counters // sums over the steps of this execution; of a partitioned step only its partitions count
	Steps     int
	StopAsked bool // somebody asked it to stop
}

// Filter chooses executions. Zero values choose all.
type Filter struct {
	Job      string
	Instance int64
	Status   []batch.Status
	Limit    int
	Runs     bool // without replays of dead letters
}

// Details is everything about one execution: parameters, definition with text, context, steps with their contexts.
type Details struct {
	Execution *batch.JobExecution
	Owner     *Owner
	StopAsked time.Time // zero where nobody asked it to stop
	Newest    int64     // id of the newest execution of the instance; a restart continues only that one
}

// Jobs lists the jobs by name.
func (s *Store) Jobs(ctx context.Context) (found []JobSummary, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = jobNames(ctx, q)
		if err != nil {
			return err
		}
		for i := range found {
			last, err := summaries(ctx, q, "where i.JOB_NAME = ? order by e.JOB_EXECUTION_ID desc limit 1", found[i].Name)
			if err != nil {
				return err
			}
			if len(last) > 0 {
				found[i].Last = last[0]
			}
		}
		return nil
	})
	return found, err
}

func jobNames(ctx context.Context, q sqldb.Querier) (found []JobSummary, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		var j JobSummary
		err := rows.Scan(&j.Name, &j.Instances, &j.Executions)
		found = append(found, j)
		return err
	}, `select i.JOB_NAME, count(distinct i.JOB_INSTANCE_ID), count(e.JOB_EXECUTION_ID)
		from BATCH_JOB_INSTANCE i left join BATCH_JOB_EXECUTION e on e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID
		group by i.JOB_NAME order by i.JOB_NAME`)
	return found, err
}

// Executions lists executions, the newest first.
func (s *Store) Executions(ctx context.Context, f Filter) (found []ExecutionSummary, err error) {
	condition, args := f.condition()
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = summaries(ctx, q, condition, args...)
		return err
	})
	return found, err
}

func (f Filter) condition() (condition string, args []any) {
	condition = "where 1 = 1"
	if f.Job != "" {
		condition, args = condition+" and i.JOB_NAME = ?", append(args, f.Job)
	}
	if f.Instance != 0 {
		condition, args = condition+" and i.JOB_INSTANCE_ID = ?", append(args, f.Instance)
	}
	if len(f.Status) > 0 {
		condition += " and e.STATUS in (?" + strings.Repeat(", ?", len(f.Status)-1) + ")"
		for _, status := range f.Status {
			args = append(args, string(status))
		}
	}
	if f.Runs {
		condition += " and i.JOB_INSTANCE_ID not in (select REPLAY_INSTANCE_ID from BATCHCTL_REPLAY)"
	}
	condition += " order by e.JOB_EXECUTION_ID desc"
	if f.Limit > 0 {
		condition += fmt.Sprintf(" limit %d", f.Limit)
	}
	return condition, args
}

// Candidates lists what can be restarted, the newest first: the last execution of each instance, where it failed or
// was stopped. An empty job means every job.
func (s *Store) Candidates(ctx context.Context, job string) (found []ExecutionSummary, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = summaries(ctx, q, `where e.STATUS in ('FAILED', 'STOPPED') and (? = '' or i.JOB_NAME = ?)
			and not exists (select 1 from BATCH_JOB_EXECUTION n
				where n.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID and n.JOB_EXECUTION_ID > e.JOB_EXECUTION_ID)
			order by e.JOB_EXECUTION_ID desc`, job, job)
		return err
	})
	return found, err
}

// summaries returns the executions that a condition chooses, in its order.
func summaries(ctx context.Context, q sqldb.Querier, condition string, args ...any) ([]ExecutionSummary, error) {
	rows, err := jobs(ctx, q, condition, args...)
	if err != nil {
		return nil, err
	}
	found := make([]ExecutionSummary, len(rows))
	for i, row := range rows {
		found[i] = ExecutionSummary{Execution: row.execution, StopAsked: !row.stopRequested.IsZero()}
		c := &found[i].Counters
		_, err := one(ctx, q, to(&found[i].Steps, &c.Read, &c.Write, &c.Filter, &c.ReadSkip, &c.ProcessSkip, &c.WriteSkip, &c.Commit,
			&c.Rollback, &c.Retry), sumOfSteps, row.execution.ID)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// sumOfSteps leaves a partitioned step out where its partitions, named step:partition, are there: its counts are theirs.
const sumOfSteps = `select count(*), coalesce(sum(READ_COUNT), 0), coalesce(sum(WRITE_COUNT), 0), coalesce(sum(FILTER_COUNT), 0),
	coalesce(sum(READ_SKIP_COUNT), 0), coalesce(sum(PROCESS_SKIP_COUNT), 0), coalesce(sum(WRITE_SKIP_COUNT), 0),
	coalesce(sum(COMMIT_COUNT), 0), coalesce(sum(ROLLBACK_COUNT), 0), coalesce(sum(RETRY_COUNT), 0)
	from BATCH_STEP_EXECUTION s where s.JOB_EXECUTION_ID = ? and not exists (
		select 1 from BATCH_STEP_EXECUTION p where p.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID
			and substr(p.STEP_NAME, 1, length(s.STEP_NAME) + 1) = s.STEP_NAME || ':')`

// Execution returns one execution. An unknown id is an error that wraps ErrNoExecution.
func (s *Store) Execution(ctx context.Context, id int64) (*Details, error) {
	var d Details
	err := s.read(ctx, func(q sqldb.Querier) error {
		row, err := existing(ctx, q, id)
		if err != nil {
			return err
		}
		d.Execution, d.StopAsked = row.execution, row.stopRequested
		if err := complement(ctx, q, row.execution); err != nil {
			return err
		}
		if d.Owner, err = s.owner(ctx, q, id); err != nil {
			return err
		}
		d.Newest, err = newestOf(ctx, q, row.execution.Instance.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// complement adds context, definition text and steps to an execution.
func complement(ctx context.Context, q sqldb.Querier, e *batch.JobExecution) (err error) {
	if e.Context, err = jobContext.load(ctx, q, e.ID); err != nil {
		return err
	}
	if e.Definition.Text, err = definitionText(ctx, q, e.Definition.Hash); err != nil {
		return err
	}
	e.Steps, err = stepsOf(ctx, q, e.ID)
	return err
}

// Instance returns the instance of a job and JOB_KEY, or nil.
func (s *Store) Instance(ctx context.Context, job, key string) (found *batch.JobInstance, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		found, err = instanceOf(ctx, q, job, key)
		return err
	})
	return found, err
}

// LastExecution returns the newest execution of an instance with all that Execution returns, or nil.
func (s *Store) LastExecution(ctx context.Context, instance int64) (last *batch.JobExecution, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		row, err := job(ctx, q, "where e.JOB_INSTANCE_ID = ? order by e.JOB_EXECUTION_ID desc", instance)
		if err != nil || row == nil {
			return err
		}
		last = row.execution
		return complement(ctx, q, last)
	})
	return last, err
}

// DefinitionText returns the text of a recorded definition.
func (s *Store) DefinitionText(ctx context.Context, hash string) (text string, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		text, err = definitionText(ctx, q, hash)
		return err
	})
	return text, err
}
