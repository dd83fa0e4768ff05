package processors

import (
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/record"
)

// newDrop makes the processor that leaves some fields out.
func newDrop(names *[]named, _ *catalog.Env) (batch.Processor, error) {
	if err := twice(*names, "drop"); err != nil {
		return nil, err
	}
	return &project{choose: func(in *record.Schema) ([]record.Field, map[string]string, bool, error) {
		for _, n := range *names {
			if _, err := find(in, n.name, n.node, "drop"); err != nil {
				return nil, nil, false, err
			}
		}
		fields := slices.DeleteFunc(in.Fields(), func(f record.Field) bool {
			return slices.ContainsFunc(*names, func(n named) bool { return n.name == f.Name })
		})
		return fields, nil, in.Open(), nil
	}}, nil
}
