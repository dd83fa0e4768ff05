package listeners

import (
	"cmp"
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
)

type logConf struct {
	Level   string `yaml:"level" enum:"info|warn|error" default:"info" help:"of the line"`
	Message string `yaml:"message" help:"the line; what happened where absent"`
}

type logListener struct {
	conf *logConf
	log  func(level, message string)
}

func newLog(conf *logConf, env *catalog.Env) (batch.Listener, error) {
	return &logListener{conf, env.Log}, nil
}

func (l *logListener) Notify(_ context.Context, n batch.Notification) error {
	l.log(l.conf.Level, cmp.Or(l.conf.Message, n.Text))
	return nil
}
