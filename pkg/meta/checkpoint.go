package meta

import (
	"context"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// checkpointRow is a row of BATCHCTL_CHECKPOINT: a checkpoint, and whose it is.
type checkpointRow struct {
	lane       int
	repository string
	checkpoint batch.Checkpoint
	updated    time.Time
	checksum   int64
}

// state returns a component's state from its column; the empty text, which is no JSON, stands for nil.
func state(text string) batch.State {
	if text == "" {
		return nil
	}
	return batch.State(text)
}

func stateColumn(s batch.State) any {
	if s == nil {
		return nil
	}
	return string(s)
}

// checkpointChecksum covers the whole row but for when it was written.
func checkpointChecksum(repository string, lane batch.LaneKey, c batch.Checkpoint, counters string) int64 {
	return checksum(repository, lane.Job, lane.Instance, lane.Step, number(int64(lane.Visit)), number(int64(lane.Lane)),
		number(c.Epoch), number(c.Sequence), string(c.Phase), number(c.Ordinal), string(c.Reader), string(c.Writer), counters)
}

func foreignStep(row checkpointRow, step batch.StepKey) error {
	return &batch.ForeignError{Repository: row.repository, Step: step, UpdatedAt: row.updated.Format(time.RFC3339)}
}

func fenced(lane batch.LaneKey) error {
	return fault.Wrap(fault.Environment, batch.ErrFenced, "step %s, lane %d", lane.Step, lane.Lane).
		WithHint("what was not committed by then is dropped; batchctl list shows who goes on with the instance")
}

// undone is an error of an attempt of which nothing holds.
type undone struct{ err error }

func (u *undone) Error() string { return u.err.Error() }

// Unwrap returns the reason, and batch.ErrRolledBack.
func (u *undone) Unwrap() []error { return []error{u.err, batch.ErrRolledBack} }

// checkpoints returns the lanes of a step in their order, without locking them.
func checkpoints(ctx context.Context, q sqldb.Querier, step batch.StepKey) (found []checkpointRow, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		row, err := scanTarget(rows, step)
		found = append(found, row)
		return err
	}, "select "+targetColumns+" from "+targetTable+ofTargetStep+" order by lane", step.Job, step.Instance, step.Step, step.Visit)
	return found, err
}

// LaneCheckpoint is a checkpoint kept in the repository, with when it was saved.
type LaneCheckpoint struct {
	Lane       batch.LaneKey
	Checkpoint batch.Checkpoint
	Updated    time.Time
}

// Checkpoints lists the checkpoints that the repository holds for an instance, by step, visit and lane. Steps that keep
// theirs in the target database have none here.
func (s *Store) Checkpoints(ctx context.Context, instance batch.JobInstance) (found []LaneCheckpoint, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		steps, err := s.checkpointSteps(ctx, q, instance)
		if err != nil {
			return err
		}
		for _, step := range steps {
			rows, err := checkpoints(ctx, q, step)
			if err != nil {
				return err
			}
			for _, row := range rows {
				found = append(found, LaneCheckpoint{Lane: batch.LaneKey{StepKey: step, Lane: row.lane}, Checkpoint: row.checkpoint, Updated: row.updated})
			}
		}
		return nil
	})
	return found, err
}

func (s *Store) checkpointSteps(ctx context.Context, q sqldb.Querier, instance batch.JobInstance) (found []batch.StepKey, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		key := batch.StepKey{Repository: s.id, Job: instance.Name, Instance: instance.Key}
		err := rows.Scan(&key.Step, &key.Visit)
		found = append(found, key)
		return err
	}, "select distinct step, visit from "+targetTable+" where job = ? and instance = ? order by step, visit", instance.Name, instance.Key)
	return found, err
}

// TargetCheckpoints returns where the lanes of a step stand by the ledger in a target database, as this job repository
// left it: none where there is no ledger. It locks and changes nothing.
func TargetCheckpoints(ctx context.Context, db *sqldb.DB, step batch.StepKey) ([]batch.Checkpoint, error) {
	there, err := hasTargetTable(ctx, db)
	if err != nil || !there {
		return nil, err
	}
	rows, err := checkpoints(ctx, db, step)
	var found []batch.Checkpoint
	for _, row := range rows {
		if row.repository == step.Repository {
			found = append(found, row.checkpoint)
		}
	}
	return found, err
}
