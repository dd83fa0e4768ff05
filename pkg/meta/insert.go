package meta

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// hashOf returns the SHA-256 of a text in hex.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// newExecution returns the execution of a request, not recorded yet.
func (s *Store) newExecution(r Request) *batch.JobExecution {
	at := s.now()
	return &batch.JobExecution{
		Status: batch.Starting, Exit: batch.ExitStatus{Code: string(batch.Unknown)}, Parameters: sorted(r.Parameters),
		Definition: r.Definition, Created: at, Updated: at,
	}
}

func insertInstance(ctx context.Context, tx *sqldb.Tx, r Request) (*batch.JobInstance, error) {
	i := &batch.JobInstance{Name: r.Job, Key: r.Key}
	_, err := one(ctx, tx, to(&i.ID), "insert into BATCH_JOB_INSTANCE (VERSION, JOB_NAME, JOB_KEY) values (0, ?, ?) returning JOB_INSTANCE_ID",
		i.Name, i.Key)
	return i, err
}

// insertExecution records an execution with its definition, parameters and context, and sets its ID.
func insertExecution(ctx context.Context, tx *sqldb.Tx, e *batch.JobExecution) error {
	d := e.Definition
	// The update changes nothing but locks the row: a purge may be deleting definitions that nobody refers to.
	_, err := exec(ctx, tx, `insert into BATCHCTL_DEFINITION (DEFINITION_HASH, DEFINITION_TEXT, CREATE_TIME) values (?, ?, ?)
		on conflict (DEFINITION_HASH) do update set CREATE_TIME = BATCHCTL_DEFINITION.CREATE_TIME`, d.Hash, d.Text, stamp(e.Created))
	if err != nil {
		return err
	}
	_, err = one(ctx, tx, to(&e.ID), `insert into BATCH_JOB_EXECUTION (VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS, EXIT_CODE, EXIT_MESSAGE,
		LAST_UPDATED, DEFINITION_HASH, DEFINITION_PATH, DEFINITION_BASE, CHECKSUM) values (0, ?, ?, ?, ?, '', ?, ?, ?, ?, ?)
		returning JOB_EXECUTION_ID`,
		e.Instance.ID, stamp(e.Created), string(e.Status), e.Exit.Code, stamp(e.Updated), d.Hash, d.Path, d.Base, jobChecksum(e))
	if err != nil {
		return err
	}
	for _, p := range e.Parameters {
		_, err := exec(ctx, tx, `insert into BATCH_JOB_EXECUTION_PARAMS (JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE,
			IDENTIFYING, SECRET) values (?, ?, ?, ?, ?, ?)`, e.ID, p.Name, p.Type, stored(p), yes(p.Identifying), yes(p.Secret))
		if err != nil {
			return err
		}
	}
	return jobContext.insert(ctx, tx, e.ID, e.Context)
}

// definitionText returns the text of a recorded definition, which its hash vouches for.
func definitionText(ctx context.Context, q sqldb.Querier, hash string) (string, error) {
	var text string
	found, err := one(ctx, q, to(&text), "select DEFINITION_TEXT from BATCHCTL_DEFINITION where DEFINITION_HASH = ?", hash)
	if err != nil {
		return "", err
	}
	if !found {
		return "", fault.New(fault.Environment, "the job repository has no definition with hash %s", hash)
	}
	if hashOf(text) != hash {
		return "", damaged("the recorded definition %.12s", hash)
	}
	return text, nil
}
