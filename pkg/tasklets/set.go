package tasklets

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
)

type setConf struct {
	Context config.Map[config.AnyScalar] `yaml:"context,required" help:"name: value; a whole ${...} keeps its type"`
}

// set leaves values behind. Done twice, it does the same.
type set struct{ values batch.Context }

func newSet(conf *setConf, _ *catalog.Env) (batch.Tasklet, error) {
	s := &set{values: batch.Context{}}
	for _, p := range conf.Context {
		s.values[p.Name] = p.Value.AppendJSON(nil)
	}
	return s, nil
}

func (s *set) Run(_ context.Context, c *batch.Contribution) error {
	c.Context = s.values
	return nil
}
