package meta

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// targetTable is the table in a target database that says how far steps have come. Whoever deletes its rows makes
// restarts begin at nothing.
const targetTable = "batchctl_checkpoint"

const createTarget = `create table if not exists ` + targetTable + ` (
	job text not null,
	instance text not null,
	step text not null,
	visit integer not null,
	lane integer not null,
	repository text not null,
	epoch bigint not null,
	seq bigint not null,
	phase text not null,
	ordinal bigint not null,
	reader text,
	writer text,
	counters text not null,
	checksum bigint not null,
	updated_at text not null,
	primary key (job, instance, step, visit, lane))`

// makeTargetTable makes the table where it is missing. The lock serves claims as well: of two at once, one waits.
func makeTargetTable(ctx context.Context, tx *sqldb.Tx) error {
	if err := sqldb.Lock(ctx, tx, targetTable); err != nil {
		return err
	}
	_, err := sqldb.Columns(ctx, tx, targetTable)
	if fault.CodeOf(err) != sqldb.NoSuchTable {
		return err
	}
	if _, err := tx.Exec(ctx, createTarget); err != nil {
		return fault.Wrap(fault.ClassOf(err), err, "make table %s, which says how far the job has come", targetTable).
			WithCode(fault.CodeOf(err)).
			WithHint("let the user make tables, or make it once as another: %s", oneLine(createTarget))
	}
	return nil
}

func oneLine(statement string) string { return strings.Join(strings.Fields(statement), " ") }

// denied says what an administrator can do where a PostgreSQL user may not make the table, or not use it, and what can be
// done without one.
func (l *targetLedger) denied(ctx context.Context, err error) error {
	if fault.CodeOf(err) != notPermitted || l.db.Dialect().Name() != "postgres" {
		return err
	}
	user := "the user of the connection"
	_, _ = one(ctx, l.db, to(&user), "select quote_ident(current_user)") // it is only for the hint
	return fault.Wrap(fault.Environment, err, "connection %s (%s)", l.db.Name(), l.db.Location()).WithCode(notPermitted).
		WithHint("let an administrator run, in the schema that the connection uses: %s; grant select, insert, update, delete on %s to %s; "+
			"or, where no table may be made, write checkpoint: intent in the step", oneLine(createTarget), targetTable, user)
}

// notPermitted is the SQLSTATE of insufficient privilege.
const notPermitted = "42501"

const targetColumns = "lane, repository, epoch, seq, phase, ordinal, coalesce(reader, ''), coalesce(writer, ''), counters, checksum, updated_at"

const ofTargetStep = " where job = ? and instance = ? and step = ? and visit = ?"

// targetRows returns the lanes of a step in order, locked until the transaction ends.
func targetRows(ctx context.Context, tx *sqldb.Tx, step batch.StepKey) (found []checkpointRow, err error) {
	err = each(ctx, tx, func(rows *sqldb.Rows) error {
		row, err := scanTarget(rows, step)
		found = append(found, row)
		return err
	}, "select "+targetColumns+" from "+targetTable+ofTargetStep+" order by lane"+tx.Dialect().LockRows(), step.Job, step.Instance, step.Step, step.Visit)
	return found, err
}

// lockTargetRow returns the row of a lane, locked until the transaction ends, or nil. On PostgreSQL it waits for a
// transaction that has changed it and not ended; on SQLite the transaction holds the only right to write already.
func lockTargetRow(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey) (found *checkpointRow, err error) {
	err = each(ctx, tx, func(rows *sqldb.Rows) error {
		row, err := scanTarget(rows, lane.StepKey)
		found = &row
		return err
	}, "select "+targetColumns+" from "+targetTable+ofTargetStep+" and lane = ?"+tx.Dialect().LockRows(),
		lane.Job, lane.Instance, lane.Step, lane.Visit, lane.Lane)
	return found, err
}

// scanTarget reads a row and checks it: a restart goes by nothing else.
func scanTarget(rows *sqldb.Rows, step batch.StepKey) (row checkpointRow, err error) {
	var reader, writer, counters, updated string
	c := &row.checkpoint
	err = rows.Scan(&row.lane, &row.repository, &c.Epoch, &c.Sequence, &c.Phase, &c.Ordinal, &reader, &writer, &counters, &row.checksum, &updated)
	if err != nil {
		return row, err
	}
	c.Reader, c.Writer = state(reader), state(writer)
	lane := batch.LaneKey{StepKey: step, Lane: row.lane}
	if row.updated, err = time.Parse(time.RFC3339, updated); err == nil {
		err = json.Unmarshal([]byte(counters), &c.Counters)
	}
	if err != nil || row.checksum != checkpointChecksum(row.repository, lane, *c, counters) {
		return row, damagedTarget(lane)
	}
	return row, nil
}

func damagedTarget(lane batch.LaneKey) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the checkpoint of job %s, step %s, lane %d in table %s is damaged (its checksum is wrong)",
		lane.Job, lane.Step, lane.Lane, targetTable).WithCode(checksumCode).
		WithHint("the row was changed by hand, or the database is damaged: restore it from a backup; where the target was emptied, delete the row to begin anew")
}

// swapTarget replaces a lane's row where it still stands at a checkpoint, and reports whether it did.
func swapTarget(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey, at, next batch.Checkpoint, now time.Time) (bool, error) {
	args, err := swapArgs(lane, at, next, now)
	if err != nil {
		return false, err
	}
	stmt, err := tx.Prepare(ctx, bind(tx.Dialect(), swapText))
	if err != nil {
		return false, err
	}
	n, err := stmt.Exec(ctx, args...)
	return n == 1, err
}

const swapText = "update " + targetTable + " set " + targetSet + ofTargetStep + " and lane = ? and epoch = ? and seq = ?"

// swapArgs are the values of swapText.
func swapArgs(lane batch.LaneKey, at, next batch.Checkpoint, now time.Time) ([]any, error) {
	args, err := targetValues(lane, next, now)
	return append(args, lane.Job, lane.Instance, lane.Step, lane.Visit, lane.Lane, at.Epoch, at.Sequence), err
}

// updateTarget replaces a lane's row, which the transaction holds locked.
func updateTarget(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey, next batch.Checkpoint, now time.Time) error {
	args, err := targetValues(lane, next, now)
	if err != nil {
		return err
	}
	args = append(args, lane.Job, lane.Instance, lane.Step, lane.Visit, lane.Lane)
	n, err := exec(ctx, tx, "update "+targetTable+" set "+targetSet+ofTargetStep+" and lane = ?", args...)
	if err == nil && n != 1 {
		err = fault.New(fault.Internal, "lane %d of step %s vanished while it was claimed", lane.Lane, lane.Step)
	}
	return err
}

func insertTarget(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey, next batch.Checkpoint, now time.Time) error {
	args, err := targetValues(lane, next, now)
	if err != nil {
		return err
	}
	args = append(args, lane.Job, lane.Instance, lane.Step, lane.Visit, lane.Lane)
	_, err = exec(ctx, tx, "insert into "+targetTable+` (repository, epoch, seq, phase, ordinal, reader, writer, counters, checksum, updated_at,
		job, instance, step, visit, lane) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...)
	return err
}

const targetSet = "repository = ?, epoch = ?, seq = ?, phase = ?, ordinal = ?, reader = ?, writer = ?, counters = ?, checksum = ?, updated_at = ?"

// targetValues are the values of targetSet.
func targetValues(lane batch.LaneKey, c batch.Checkpoint, now time.Time) ([]any, error) {
	counters, err := json.Marshal(c.Counters)
	if err != nil {
		return nil, errors.Join(batch.ErrRolledBack, err)
	}
	sum := checkpointChecksum(lane.Repository, lane, c, string(counters))
	return []any{lane.Repository, c.Epoch, c.Sequence, string(c.Phase), c.Ordinal, stateColumn(c.Reader), stateColumn(c.Writer), string(counters), sum, stampText(now)}, nil
}
