package meta

import (
	"context"
	"encoding/json"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// intent is a transaction that was about to commit, and the checkpoint that holds if it did. A sequence of 0 means that
// it did not, or that it was given up; the server's name is still that of the last chunk.
type intent struct {
	transaction int64 // its 64-bit id, as txid_current returns it
	server      server
	checkpoint  batch.Checkpoint
}

// intentTable has the newest intent of each lane.
const intentTable = `create table BATCHCTL_INTENT (
	job text not null,
	instance text not null,
	step text not null,
	visit integer not null,
	lane integer not null,
	epoch bigint not null,
	seq bigint not null,
	phase text not null,
	ordinal bigint not null,
	reader text,
	writer text,
	counters text not null,
	transaction_id bigint not null,
	system_id bigint not null,
	timeline bigint not null,
	database_id bigint not null,
	wal_position bigint not null,
	checksum bigint not null,
	primary key (job, instance, step, visit, lane),
	foreign key (job, instance, step, visit, lane) references ` + targetTable + ` (job, instance, step, visit, lane) on delete cascade)`

const intentColumns = `epoch, seq, phase, ordinal, reader, writer, counters, transaction_id, system_id, timeline, database_id, wal_position, checksum`

func intentChecksum(lane batch.LaneKey, i intent, counters string) int64 {
	return checksum(number(checkpointChecksum("", lane, i.checkpoint, counters)), number(i.transaction),
		number(i.server.system), number(i.server.timeline), number(i.server.database), number(i.server.position))
}

// saveIntent replaces the intent of a lane.
func saveIntent(ctx context.Context, tx *sqldb.Tx, lane batch.LaneKey, i intent) error {
	c := i.checkpoint
	counters, err := json.Marshal(c.Counters)
	if err != nil {
		return err
	}
	stmt, err := tx.Prepare(ctx, bind(tx.Dialect(), `insert into BATCHCTL_INTENT (job, instance, step, visit, lane, `+intentColumns+`)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		on conflict (job, instance, step, visit, lane) do update set epoch = excluded.epoch, seq = excluded.seq,
		phase = excluded.phase, ordinal = excluded.ordinal, reader = excluded.reader, writer = excluded.writer,
		counters = excluded.counters, transaction_id = excluded.transaction_id, system_id = excluded.system_id,
		timeline = excluded.timeline, database_id = excluded.database_id, wal_position = excluded.wal_position,
		checksum = excluded.checksum`))
	if err != nil {
		return err
	}
	_, err = stmt.Exec(ctx, lane.Job, lane.Instance, lane.Step, lane.Visit, lane.Lane,
		c.Epoch, c.Sequence, string(c.Phase), c.Ordinal, stateColumn(c.Reader), stateColumn(c.Writer), string(counters),
		i.transaction, i.server.system, i.server.timeline, i.server.database, i.server.position, intentChecksum(lane, i, string(counters)))
	return err
}

// intents returns the intents of a step by lane.
func intents(ctx context.Context, q sqldb.Querier, step batch.StepKey) (map[int]intent, error) {
	found := map[int]intent{}
	err := each(ctx, q, func(rows *sqldb.Rows) error {
		lane, i, err := scanIntent(rows, step)
		found[lane] = i
		return err
	}, "select lane, epoch, seq, phase, ordinal, coalesce(reader, ''), coalesce(writer, ''), counters, transaction_id, system_id, timeline, database_id, wal_position, checksum from BATCHCTL_INTENT"+
		ofTargetStep, step.Job, step.Instance, step.Step, step.Visit)
	return found, err
}

func scanIntent(rows *sqldb.Rows, step batch.StepKey) (lane int, i intent, err error) {
	var reader, writer, counters string
	var sum int64
	c, s := &i.checkpoint, &i.server
	err = rows.Scan(&lane, &c.Epoch, &c.Sequence, &c.Phase, &c.Ordinal, &reader, &writer, &counters,
		&i.transaction, &s.system, &s.timeline, &s.database, &s.position, &sum)
	if err != nil {
		return lane, i, err
	}
	c.Reader, c.Writer = state(reader), state(writer)
	key := batch.LaneKey{StepKey: step, Lane: lane}
	if json.Unmarshal([]byte(counters), &c.Counters) != nil || sum != intentChecksum(key, i, counters) {
		return lane, i, damaged("the intent of job %s, step %s, lane %d,", step.Job, step.Step, lane)
	}
	return lane, i, nil
}

// giveUp makes the intents of lanes that have just been claimed at nothing be waited for, and not gone by.
func giveUp(ctx context.Context, tx *sqldb.Tx, step batch.StepKey, claimed []batch.Checkpoint, of map[int]intent) error {
	for number, i := range of {
		if number >= len(claimed) || claimed[number].Sequence > 0 || i.checkpoint.Sequence == 0 {
			continue
		}
		i.checkpoint = batch.Checkpoint{Epoch: claimed[number].Epoch, Phase: batch.Running}
		of[number] = i
		if err := saveIntent(ctx, tx, batch.LaneKey{StepKey: step, Lane: number}, i); err != nil {
			return err
		}
	}
	return nil
}

// claimWithoutIntents is for ledgers that do not ask what became of an intent: an open one would be a chunk written twice.
func claimWithoutIntents(ctx context.Context, tx *sqldb.Tx, step batch.StepKey, claimed []batch.Checkpoint, fresh bool) error {
	open, err := intents(ctx, tx, step)
	if err != nil || len(open) == 0 {
		return err
	}
	if fresh {
		return giveUp(ctx, tx, step, claimed, open)
	}
	for number, at := range claimed {
		if i, found := open[number]; found && i.checkpoint.Sequence > at.Sequence {
			return fault.Wrap(fault.Environment, batch.ErrNotRestartable,
				"step %s was run with checkpoint: intent, and whether its last chunk, up to record %d, is in the target has not been asked",
				step.Step, i.checkpoint.Ordinal).WithCode("open_intent").
				WithHint("run it with checkpoint: intent once more; or delete what it wrote and begin again with --fresh")
		}
	}
	return nil
}
