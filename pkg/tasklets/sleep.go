package tasklets

import (
	"context"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
)

type sleepConf struct {
	For config.Duration `yaml:"for,required" help:"how long, as 30s or 5m"`
}

// sleep waits. Begun anew, it waits the whole time.
type sleep struct {
	pause time.Duration
	after func(time.Duration) <-chan time.Time
}

func newSleep(conf *sleepConf, env *catalog.Env) (batch.Tasklet, error) {
	return &sleep{time.Duration(conf.For), env.After}, nil
}

func (s *sleep) Run(ctx context.Context, _ *batch.Contribution) error {
	select {
	case <-s.after(s.pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
