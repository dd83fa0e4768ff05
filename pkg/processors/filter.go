package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/record"
)

// filter keeps the records for which an expression is true; null counts as false.
type filter struct {
	condition *expression
	program   *expr.Program
}

func newFilter(conf *config.Expression, env *catalog.Env) (batch.Processor, error) {
	condition, err := compile(*conf, env, "filter")
	if err != nil {
		return nil, err
	}
	return &filter{condition: condition}, nil
}

// Bind checks the expression against the schema, which stays as it is.
func (f *filter) Bind(in *record.Schema) (_ *record.Schema, err error) {
	f.program, err = f.condition.bindCondition(in)
	return in, err
}

// Process passes the record on or leaves it out.
func (f *filter) Process(_ context.Context, in record.Record, out *record.Batch) error {
	keep, err := f.program.Test(in, &out.Arena)
	if err != nil {
		return failed("filter", err)
	}
	if keep {
		pass(in, out)
	}
	return nil
}
