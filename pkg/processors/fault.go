package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/trial"
)

// faultConf is the configuration of the fault processor.
type faultConf struct {
	When config.Expression `yaml:"when" help:"fail at the records for which this is true; with at or every, at those of them"`
	trial.Conf
}

// faulty fails on purpose, and passes everything else on as it is.
type faulty struct {
	plan     *trial.Plan
	anywhere bool // neither at nor every restricts the condition
	when     *expression
	program  *expr.Program
}

func newFault(conf *faultConf, env *catalog.Env) (batch.Processor, error) {
	if err := conf.Check(); err != nil {
		return nil, err
	}
	f := &faulty{plan: trial.New(conf.Conf, env.Epoch, env.After), anywhere: !conf.Somewhere()}
	if conf.When.Source != "" {
		var err error
		f.when, err = compile(conf.When, env, "when")
		return f, err
	}
	if f.anywhere {
		return nil, fault.New(fault.Definition, "fault: nothing says which records fail").WithHint("add at: 4, every: 100, or when: id == 4")
	}
	return f, nil
}

// Bind checks the condition against the schema, which stays as it is.
func (f *faulty) Bind(in *record.Schema) (_ *record.Schema, err error) {
	if f.when != nil {
		f.program, err = f.when.bindCondition(in)
	}
	return in, err
}

// Process fails, or passes the record on.
func (f *faulty) Process(ctx context.Context, in record.Record, out *record.Batch) error {
	chosen, err := f.chosen(in, out)
	if err == nil && chosen {
		err = f.plan.Fail(ctx, in.Ordinal)
	}
	if err == nil {
		pass(in, out)
	}
	return err
}

func (f *faulty) chosen(in record.Record, out *record.Batch) (bool, error) {
	if f.plan.Rests() || !f.anywhere && !f.plan.Chosen(in.Ordinal) {
		return false, nil
	}
	if f.when == nil {
		return true, nil
	}
	holds, err := f.program.Test(in, &out.Arena)
	if err != nil {
		return false, failed("when", err)
	}
	return holds, nil
}
