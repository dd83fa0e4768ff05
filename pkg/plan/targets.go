package plan

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb"
)

// targets are the databases that recorded executions wrote into. Each is opened once, and one that cannot be reached is
// asked once.
type targets struct {
	ctx     context.Context
	open    map[string]opened
	writing map[string][]string // connections that steps write into, by definition
}

type opened struct {
	db  *sqldb.DB // nil where there is nothing
	err error
}

func newTargets(ctx context.Context) *targets {
	return &targets{ctx: ctx, open: map[string]opened{}, writing: map[string][]string{}}
}

func (t *targets) close() error {
	var errs []error
	for _, o := range t.open {
		if o.db != nil {
			errs = append(errs, o.db.Close())
		}
	}
	clear(t.open)
	return errors.Join(errs...)
}

// forget deletes the checkpoints of an execution's instance in all databases that its recorded definition writes into.
func (t *targets) forget(ctx context.Context, e *Engine, repository string, execution *batch.JobExecution) (rows int64, err error) {
	names, err := t.connections(execution.Definition)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	p, err := e.asRecorded(execution)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		c, err := e.recordedConnection(p, execution, name)
		if err != nil {
			return rows, err
		}
		db, err := t.connect(connectionConfig(name, c))
		if err != nil {
			return rows, err
		}
		if db == nil {
			continue
		}
		n, err := meta.DeleteTarget(ctx, db, repository, execution.Instance.Name, execution.Instance.Key)
		if rows += n; err != nil {
			return rows, fault.Wrap(fault.ClassOf(err), err, "delete checkpoints in connection %s", name).WithCode(fault.CodeOf(err))
		}
	}
	return rows, nil
}

// recordedConnection is a connection of a recorded definition. A password that stood in the definition itself was not recorded, so it comes from
// the file.
func (e *Engine) recordedConnection(p *prepared, execution *batch.JobExecution, name string) (job.Connection, error) {
	c, _ := p.job.Connections.Get(name)
	if !strings.Contains(c.DSN, "***") {
		return c, nil
	}
	j, err := e.load(execution.Definition.Path)
	if err != nil {
		return c, err
	}
	now, err := e.prepareAgain(j, execution, RestartRequest{}, "")
	if err != nil {
		return c, err
	}
	if there, ok := now.job.Connections.Get(name); ok {
		return there, nil
	}
	return c, fault.New(fault.Environment, "the password of connection %s was not recorded, and %s has no such connection any more",
		name, execution.Definition.Path).WithHint("purge --targets=false leaves the checkpoints in it where they are")
}

// connections are the names of the connections that a definition's steps write into.
func (t *targets) connections(d batch.Definition) ([]string, error) {
	if names, known := t.writing[d.Hash]; known {
		return names, nil
	}
	j, err := job.Load(d.Path, []byte(d.Text))
	if err != nil {
		return nil, err
	}
	t.writing[d.Hash] = writtenConnections(j)
	return t.writing[d.Hash], nil
}

// writtenConnections are the names of the connections that a job's steps write into, as they are written.
func writtenConnections(j *job.Job) (names []string) {
	for _, s := range j.All() {
		names = append(names, connectionsIn(s.Node)...)
		if s.DeadLetter != nil { // it may be that of the defaults
			names = append(names, namedConnections(s.DeadLetter.Node)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// writingKeys are the keys of a step below which it says where it writes to.
var writingKeys = []string{"writer", "dead_letter", "tasklet"}

// connectionsIn are the connections that a step, or the steps within it, write into. Those that are only read from have no
// checkpoints.
func connectionsIn(n config.Node) (names []string) {
	for pair := range n.Nested() {
		if slices.Contains(writingKeys, pair.Name) {
			names = append(names, namedConnections(pair.Value)...)
		}
	}
	return names
}

func namedConnections(n config.Node) (names []string) {
	for pair := range n.Nested() {
		if pair.Name == "connection" && pair.Value.Kind() == config.Scalar {
			names = append(names, pair.Value.Text())
		}
	}
	return names
}

// connect opens a database, nil where it is a file that is not there any more: then nothing is to be deleted in it.
func (t *targets) connect(c sqldb.Config) (*sqldb.DB, error) {
	key := c.Driver + " " + c.DSN
	if o, known := t.open[key]; known {
		return o.db, o.err
	}
	var o opened
	path, _, _ := strings.Cut(strings.TrimPrefix(c.DSN, "file:"), "?")
	switch _, err := os.Stat(path); {
	case c.DSN == "":
		// The connection is off, and was when the instance ran, or the variable that it comes from is not set here.
		o.err = fault.New(fault.Environment, "connection %s is off: its dsn is empty", c.Name).WithCode("connection_off").
			WithHint("set the variable that it comes from; or purge with --targets=false, which leaves the checkpoints in it where they are")
	case c.Driver == "sqlite" && os.IsNotExist(err):
	default:
		o.db, o.err = sqldb.Open(t.ctx, c)
	}
	t.open[key] = o
	return o.db, o.err
}
