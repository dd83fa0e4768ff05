package listeners

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/proc"
)

type execConf struct {
	Command []string           `yaml:"command,required" help:"the program and its arguments, as a list; no shell interprets it. It gets the summary as JSON on its standard input"`
	Env     config.Map[string] `yaml:"env" help:"variables added to the environment of batchctl"`
	Dir     config.Path        `yaml:"dir" help:"folder that the program runs in; without it the one that relative paths start at"`
	Timeout config.Duration    `yaml:"timeout" default:"5s" help:"how long the program may take; then it is ended"`
}

// execGrace is how long a program may take to end after SIGTERM.
const execGrace = time.Second

// execListener runs a program for each notification. The first element of its command is not empty.
type execListener struct {
	conf *execConf
	env  *catalog.Env
}

func newExec(conf *execConf, env *catalog.Env) (batch.Listener, error) {
	if len(conf.Command) == 0 || conf.Command[0] == "" {
		return nil, fault.New(fault.Definition, "command: the list has no program").WithHint("name the program first: [logger, -t, batch]")
	}
	return &execListener{conf, env}, checkTimeout(conf.Timeout)
}

func (l *execListener) Notify(ctx context.Context, n batch.Notification) error {
	timeout := time.Duration(l.conf.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fault.New(fault.Transient, "%s took longer than %s and was ended", l.conf.Command[0], timeout))
	defer cancel()
	dir := string(l.conf.Dir)
	if dir == "" {
		dir = l.env.Base
	}
	if _, err := os.Stat(dir); err != nil {
		return fault.Wrap(fault.Environment, err, "go to the folder")
	}
	command := &proc.Command{
		Args: l.conf.Command, Dir: dir, Env: l.environment(n), Input: string(n.Summary) + "\n", Grace: execGrace, After: l.env.After,
	}
	r, err := command.Run(ctx)
	switch {
	case err != nil:
		return err
	case r.Signal != "":
		return fault.New(fault.Internal, "%s was ended by a signal (%s)", l.conf.Command[0], r.Signal)
	case r.Code != 0:
		err := fault.New(fault.Internal, "%s ended with exit code %d", l.conf.Command[0], r.Code)
		if said := r.LastLines(1); said != "" {
			err.Err = errors.New(said)
		}
		return err
	}
	return nil
}

// environment says what happened to programs that do not read JSON.
func (l *execListener) environment(n batch.Notification) []string {
	added := []string{"BATCHCTL_JOB=" + l.env.Job, "BATCHCTL_EVENT=" + n.Event, "BATCHCTL_TEXT=" + strings.ReplaceAll(n.Text, "\x00", "")}
	for _, p := range l.conf.Env {
		added = append(added, p.Name+"="+p.Value)
	}
	return added
}
