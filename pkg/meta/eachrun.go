package meta

import (
	"context"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// chooseRun returns the key of the unfinished instance that a job with instance: each_run goes on with, or "" for a new
// one. It refuses where another execution of the job is running, and where the newest instance is unfinished but is not
// what was asked for. Replays of dead letters are no runs.
func (s *Store) chooseRun(ctx context.Context, q sqldb.Querier, r Request) (key string, err error) {
	if r.New {
		return "", nil
	}
	if err := s.refuseRunning(ctx, q, r); err != nil {
		return "", err
	}
	last, err := job(ctx, q, `where e.JOB_INSTANCE_ID = (select max(JOB_INSTANCE_ID) from BATCH_JOB_INSTANCE
		where JOB_NAME = ? and JOB_INSTANCE_ID not in (select REPLAY_INSTANCE_ID from BATCHCTL_REPLAY)) order by e.JOB_EXECUTION_ID desc`, r.Job)
	if err != nil || last == nil {
		return "", err
	}
	e := last.execution
	switch {
	case e.Status == batch.Completed || e.Status == batch.Abandoned || r.NotRestartable:
		return "", nil
	case !e.Status.Running() && !e.Status.Restartable():
		return "", notContinued(e, "its outcome is not known").hint("batchctl abandon %d gives it up", e.ID)
	case !sameParameters(e.Parameters, r.Parameters):
		return "", unfinished(e, "other parameters")
	case e.Definition.Path != r.Definition.Path:
		return "", unfinished(e, "the definition "+e.Definition.Path)
	}
	return e.Instance.Key, nil
}

// refuseRunning refuses where an execution of a job is running, in whatever instance.
func (s *Store) refuseRunning(ctx context.Context, q sqldb.Querier, r Request) error {
	rows, err := jobs(ctx, q, runningJobs)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.execution.Instance.Name != r.Job {
			continue
		}
		who, err := s.owner(ctx, q, row.execution.ID)
		if err != nil {
			return err
		}
		if s.sees(who) && who.LockName == r.holding {
			continue // it is dead: this process has its lock
		}
		state, err := s.judge(who)
		switch {
		case err != nil:
			return err
		case state == alive:
			return running(r.Job, row.execution, who)
		case state == unknowable || state == leasing:
			return s.elsewhere(row.execution, who)
		}
	}
	return nil
}

// sameParameters compares what is stored of two sets of parameters: of secret ones only the name.
func sameParameters(a, b []batch.Parameter) bool {
	return slices.EqualFunc(sorted(a), sorted(b), func(x, y batch.Parameter) bool {
		return x.Name == y.Name && x.Type == y.Type && stored(x) == stored(y) && x.Secret == y.Secret
	})
}
