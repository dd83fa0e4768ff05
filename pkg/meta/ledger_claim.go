package meta

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// Claim makes the table and the missing lanes, and raises the epoch of all lanes, in one transaction.
func (l *targetLedger) Claim(ctx context.Context, step batch.StepKey, lanes int) (claimed []batch.Checkpoint, err error) {
	err = inTransaction(ctx, l.db, func(tx *sqldb.Tx) error {
		if err := makeTargetTable(ctx, tx); err != nil {
			return err
		}
		claimed, err = l.claim(ctx, tx, step, lanes)
		return err
	})
	if err != nil {
		return nil, l.denied(ctx, err)
	}
	for number, at := range claimed {
		key := batch.LaneKey{StepKey: step, Lane: number}
		l.take(key, &targetLane{key: key, at: at})
	}
	return claimed, nil
}

func (l *targetLedger) claim(ctx context.Context, tx *sqldb.Tx, step batch.StepKey, lanes int) ([]batch.Checkpoint, error) {
	if err := l.checkDivision(ctx, tx, step); err != nil {
		return nil, err
	}
	rows, err := targetRows(ctx, tx, step)
	if err != nil {
		return nil, err
	}
	epoch := int64(1)
	for i := range rows {
		epoch = max(epoch, rows[i].checkpoint.Epoch+1)
		if err := l.own(&rows[i], step); err != nil {
			return nil, err
		}
	}
	now := l.options.Now()
	var claimed []batch.Checkpoint
	for _, row := range rows {
		next := row.checkpoint
		next.Epoch = epoch
		if err := updateTarget(ctx, tx, batch.LaneKey{StepKey: step, Lane: row.lane}, next, now); err != nil {
			return nil, err
		}
		claimed = append(claimed, next)
	}
	for lane := len(rows); lane < lanes; lane++ {
		next := batch.Checkpoint{Epoch: epoch, Phase: batch.Running}
		if err := insertTarget(ctx, tx, batch.LaneKey{StepKey: step, Lane: lane}, next, now); err != nil {
			return nil, err
		}
		claimed = append(claimed, next)
	}
	return claimed, nil
}

// own decides about a row with a checkpoint. One that another repository wrote is refused unless the options say
// otherwise; one that has committed nothing is taken.
func (l *targetLedger) own(row *checkpointRow, step batch.StepKey) error {
	mine := row.repository == step.Repository
	switch {
	case row.checkpoint.Sequence == 0:
	case l.options.Fresh && !(mine && row.checkpoint.Phase == batch.Done):
		row.checkpoint = batch.Checkpoint{Epoch: row.checkpoint.Epoch, Phase: batch.Running}
	case !mine && !l.options.Adopt:
		return fault.Wrap(fault.Environment, foreignStep(*row, step), "connection %s (%s)", l.db.Name(), l.db.Location()).WithCode("foreign").
			WithHint("go on where the other one stopped with --adopt; or, where the rows it loaded are gone, begin anew with --fresh")
	}
	return nil
}

// DeleteTarget deletes what a target holds of a repository's instance: the checkpoints of all its steps. Those of another
// repository, which may have adopted the instance, stay. A target without the table holds nothing.
func DeleteTarget(ctx context.Context, db *sqldb.DB, repository, job, instance string) (rows int64, err error) {
	there, err := hasTargetTable(ctx, db)
	if err != nil || !there {
		return 0, err
	}
	err = inTransaction(ctx, db, func(tx *sqldb.Tx) error {
		rows, err = exec(ctx, tx, "delete from "+targetTable+" where job = ? and instance = ? and repository = ?", job, instance, repository)
		return err
	})
	return rows, err
}

// inTransaction runs fn in a transaction on a connection of its own and commits it.
func inTransaction(ctx context.Context, db *sqldb.DB, fn func(tx *sqldb.Tx) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return errors.Join(tx.CommitDurable(ctx), tx.Rollback(ctx))
}

// stampText is how the target's table shows people when a row was written: RFC 3339, in UTC.
func stampText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
