package plan

import (
	"context"
	"errors"
	"sync"
	"time"

	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/sqldb"
)

// connections opens the databases of a job when they are first asked for, each once, and closes them together.
type connections struct {
	ctx    context.Context
	config func(name string) (sqldb.Config, error)
	names  []string

	mu   sync.Mutex
	open map[string]*sqldb.DB
}

func newConnections(ctx context.Context, names []string, config func(string) (sqldb.Config, error)) *connections {
	return &connections{ctx: ctx, config: config, names: names, open: map[string]*sqldb.DB{}}
}

// connect returns the named connection's database.
func (c *connections) connect(name string) (*sqldb.DB, error) { return c.connectAs(name, "") }

// connectAs is connect with a durability that counts for one step, "" for the connection's own.
func (c *connections) connectAs(name, durability string) (*sqldb.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := name + " " + durability
	if db := c.open[key]; db != nil {
		return db, nil
	}
	config, err := c.config(name)
	if err != nil {
		return nil, err
	}
	if config.DSN == "" {
		return nil, fault.New(fault.Environment, "connection %s is off: its dsn is empty", name).WithCode("connection_off").
			WithHint("give it a dsn; where it comes from the environment, set the variable")
	}
	if durability != "" {
		config.Durability = durability
	}
	db, err := sqldb.Open(c.ctx, config)
	if err != nil {
		return nil, err
	}
	c.open[key] = db
	return db, nil
}

func (c *connections) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, db := range c.open {
		errs = append(errs, db.Close())
	}
	clear(c.open)
	return errors.Join(errs...)
}

// connectionConfig is what a connection of a definition says to the database layer.
func connectionConfig(name string, c job.Connection) sqldb.Config {
	return sqldb.Config{
		Name: name, Driver: c.Driver, DSN: c.DSN, MaxConnections: c.MaxConnections,
		ConnectTimeout: time.Duration(c.ConnectTimeout), LockTimeout: time.Duration(c.LockTimeout), IdleTimeout: time.Duration(c.IdleTimeout),
		Journal: c.Journal, Durability: c.Durability,
	}
}

func unknownConnection(name string, known []string) *fault.Error {
	e := fault.New(fault.Definition, "unknown connection %q", name).WithCode("unknown_connection")
	if len(known) == 0 {
		return e.WithHint("declare it under connections")
	}
	return e.WithHint("%s", fault.DidYouMean(name, known))
}
