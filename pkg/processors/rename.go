package processors

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/record"
)

// newRename makes the processor that gives fields other names; they keep their places. All get their names at once, so
// two can change theirs with each other.
func newRename(conf *config.Map[named], _ *catalog.Env) (batch.Processor, error) {
	names := *conf
	return &project{choose: func(in *record.Schema) ([]record.Field, map[string]string, bool, error) {
		fields, source, err := renamed(names, in)
		return fields, source, in.Open(), err
	}}, nil
}

func renamed(names config.Map[named], in *record.Schema) ([]record.Field, map[string]string, error) {
	fields, source := in.Fields(), map[string]string{}
	for _, p := range names {
		at, err := find(in, p.Name, p.Key, "rename")
		if err != nil {
			return nil, nil, err
		}
		if at >= 0 {
			fields[at].Name = p.Value.name
			source[p.Value.name] = p.Name
		}
	}
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Name] {
			return nil, nil, taken(names, f.Name)
		}
		seen[f.Name] = true
	}
	return fields, source, nil
}

// taken is the error for a new name that another field has.
func taken(names config.Map[named], name string) error {
	for _, p := range names {
		if p.Value.name == name {
			return p.Value.node.Errorf("rename: there is a field %q already", name).WithCode("duplicate_field").
				WithHint("rename that one too, or drop it first")
		}
	}
	return config.Node{}.Errorf("rename: field %q stands twice", name)
}
