package meta

import (
	"context"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// contextTable is one of the two tables of execution contexts.
type contextTable struct {
	name string
	key  string
	what string
}

var (
	jobContext  = contextTable{"BATCH_JOB_EXECUTION_CONTEXT", "JOB_EXECUTION_ID", "job execution"}
	stepContext = contextTable{"BATCH_STEP_EXECUTION_CONTEXT", "STEP_EXECUTION_ID", "step execution"}
)

func (t contextTable) insert(ctx context.Context, tx *sqldb.Tx, id int64, c batch.Context) error {
	text, err := t.encode(id, c)
	if err != nil {
		return err
	}
	short, whole := contextColumns(text)
	_, err = exec(ctx, tx, fmt.Sprintf("insert into %s (%s, SHORT_CONTEXT, SERIALIZED_CONTEXT, CHECKSUM) values (?, ?, ?, ?)", t.name, t.key),
		id, short, whole, checksum(number(id), text))
	return err
}

// save replaces a context. Most saves of a step change nothing in it, so an equal one is left alone.
func (t contextTable) save(ctx context.Context, tx *sqldb.Tx, id int64, c batch.Context) error {
	text, err := t.encode(id, c)
	if err != nil {
		return err
	}
	short, whole := contextColumns(text)
	sum := checksum(number(id), text)
	_, err = exec(ctx, tx, fmt.Sprintf("update %s set SHORT_CONTEXT = ?, SERIALIZED_CONTEXT = ?, CHECKSUM = ? where %s = ? and CHECKSUM <> ?",
		t.name, t.key), short, whole, sum, id, sum)
	return err
}

func (t contextTable) encode(id int64, c batch.Context) (string, error) {
	text, err := encodeContext(c)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the context of %s %d is not JSON", t.what, id)
	}
	return text, nil
}

// load returns the context of an execution; nil where it is empty. Every execution has a row.
func (t contextTable) load(ctx context.Context, q sqldb.Querier, id int64) (batch.Context, error) {
	var text string
	var sum int64
	found, err := one(ctx, q, to(&text, &sum), fmt.Sprintf("select coalesce(SERIALIZED_CONTEXT, SHORT_CONTEXT), CHECKSUM from %s where %s = ?", t.name, t.key), id)
	if err != nil {
		return nil, err
	}
	c, err := decodeContext(text)
	if err != nil || !found || sum != checksum(number(id), text) {
		return nil, damaged("the context of %s %d", t.what, id)
	}
	return c, nil
}
