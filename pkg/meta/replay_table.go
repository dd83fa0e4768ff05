package meta

import (
	"context"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/sqldb"
)

// replayTable says which instances replay dead letters of others. The checksum covers its letters too.
const replayTable = `create table BATCHCTL_REPLAY (
	REPLAY_INSTANCE_ID bigint not null primary key references BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
	SOURCE_INSTANCE_ID bigint not null,
	STEP_NAME varchar(1000) not null,
	REPLAY_AGAIN char(1) not null,
	CHECKSUM bigint not null
)`

// replayedTable has the letters of each replay in the order of its input. REPLAYED_BY is the execution that put the
// letter through. Its rows may outlive the instances that they name; see forgetInstance.
const replayedTable = `create table BATCHCTL_REPLAYED (
	REPLAY_INSTANCE_ID bigint not null,
	PLACE bigint not null,
	JOB_INSTANCE_ID bigint not null,
	STEP_NAME varchar(1000) not null,
	LANE bigint not null,
	ORDINAL bigint not null,
	JOB_EXECUTION_ID bigint not null,
	REPLAYED_BY bigint,
	primary key (REPLAY_INSTANCE_ID, PLACE)
)`

func replayChecksum(r *Replay) int64 {
	fields := []string{number(r.Instance), number(r.Source), r.Step, yes(r.Again)}
	for _, l := range r.Letters {
		fields = append(fields, number(l.Instance), l.Step, number(int64(l.Lane)), number(l.Ordinal), number(l.Execution))
	}
	return checksum(fields...)
}

// lettersInOne is how many letters one statement inserts.
const lettersInOne = 100

func insertReplay(ctx context.Context, tx *sqldb.Tx, r *Replay) error {
	_, err := exec(ctx, tx, "insert into BATCHCTL_REPLAY (REPLAY_INSTANCE_ID, SOURCE_INSTANCE_ID, STEP_NAME, REPLAY_AGAIN, CHECKSUM) values (?, ?, ?, ?, ?)",
		r.Instance, r.Source, r.Step, yes(r.Again), replayChecksum(r))
	for first := 0; first < len(r.Letters) && err == nil; first += lettersInOne {
		var args []any
		some := r.Letters[first:min(first+lettersInOne, len(r.Letters))]
		for i, l := range some {
			args = append(args, r.Instance, int64(first+i+1), l.Instance, l.Step, int64(l.Lane), l.Ordinal, l.Execution)
		}
		_, err = exec(ctx, tx, "insert into BATCHCTL_REPLAYED (REPLAY_INSTANCE_ID, PLACE, JOB_INSTANCE_ID, STEP_NAME, LANE, ORDINAL, JOB_EXECUTION_ID) values "+
			"(?, ?, ?, ?, ?, ?, ?)"+strings.Repeat(", (?, ?, ?, ?, ?, ?, ?)", len(some)-1), args...)
	}
	return err
}

func replayOf(ctx context.Context, q sqldb.Querier, instance int64) (*Replay, error) {
	r := &Replay{Instance: instance}
	var again string
	var sum int64
	found, err := one(ctx, q, to(&r.Source, &r.Step, &again, &sum),
		"select SOURCE_INSTANCE_ID, STEP_NAME, REPLAY_AGAIN, CHECKSUM from BATCHCTL_REPLAY where REPLAY_INSTANCE_ID = ?", instance)
	if err != nil || !found {
		return nil, err
	}
	r.Again = again == "Y"
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		var l LetterKey
		err := rows.Scan(&l.Instance, &l.Step, &l.Lane, &l.Ordinal, &l.Execution)
		r.Letters = append(r.Letters, l)
		return err
	}, "select JOB_INSTANCE_ID, STEP_NAME, LANE, ORDINAL, JOB_EXECUTION_ID from BATCHCTL_REPLAYED where REPLAY_INSTANCE_ID = ? order by PLACE", instance)
	if err == nil && sum != replayChecksum(r) {
		err = damaged("the record of what instance %d replays", instance)
	}
	return r, err
}

func letterReplays(ctx context.Context, q sqldb.Querier, instance int64) (found []LetterReplay, err error) {
	err = each(ctx, q, func(rows *sqldb.Rows) error {
		r := LetterReplay{Letter: LetterKey{Instance: instance}}
		var by, newest int64
		var status string
		err := rows.Scan(&r.Instance, &r.Place, &r.Letter.Step, &r.Letter.Lane, &r.Letter.Ordinal, &r.Letter.Execution, &by, &newest, &status)
		r.Through, r.Execution, r.Status = by > 0, newest, batch.Status(status)
		if r.Through {
			r.Execution = by
		}
		found = append(found, r)
		return err
	}, `select l.REPLAY_INSTANCE_ID, l.PLACE, l.STEP_NAME, l.LANE, l.ORDINAL, l.JOB_EXECUTION_ID, coalesce(l.REPLAYED_BY, 0),
			coalesce(e.JOB_EXECUTION_ID, 0), coalesce(e.STATUS, 'ABANDONED')
		from BATCHCTL_REPLAYED l left join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID = (
			select max(n.JOB_EXECUTION_ID) from BATCH_JOB_EXECUTION n where n.JOB_INSTANCE_ID = l.REPLAY_INSTANCE_ID)
		where l.JOB_INSTANCE_ID = ? order by l.REPLAY_INSTANCE_ID, l.PLACE`, instance)
	return found, err
}
