package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/record"
)

// project is what select, rename and drop have in common: the same values in other columns.
type project struct {
	// choose returns the fields that come out and, for those that have another name in the input, that name.
	choose     func(in *record.Schema) (fields []record.Field, source map[string]string, open bool, err error)
	layout     layout
	projection projection
}

// Bind finds the fields.
func (p *project) Bind(in *record.Schema) (*record.Schema, error) {
	fields, source, open, err := p.choose(in)
	if err != nil {
		return nil, err
	}
	out, err := p.layout.settle(fields, open)
	if err != nil {
		return nil, err
	}
	p.projection = projectionTo(out, in, func(name string) string {
		if old, renamed := source[name]; renamed {
			return old
		}
		return name
	})
	return out, nil
}

// Process copies the values.
func (p *project) Process(_ context.Context, in record.Record, out *record.Batch) error {
	p.projection.add(in, out)
	return nil
}

// newSelect makes the processor that keeps some fields, in the order they are named. Of records whose fields are not all
// known, those that are not there come out absent.
func newSelect(names *[]named, _ *catalog.Env) (batch.Processor, error) {
	if err := twice(*names, "select"); err != nil {
		return nil, err
	}
	return &project{choose: func(in *record.Schema) ([]record.Field, map[string]string, bool, error) {
		fields := make([]record.Field, len(*names))
		for i, n := range *names {
			at, err := find(in, n.name, n.node, "select")
			if err != nil {
				return nil, nil, false, err
			}
			fields[i] = record.Field{Name: n.name}
			if at >= 0 {
				fields[i] = in.Field(at)
			}
		}
		return fields, nil, false, nil
	}}, nil
}
