// Package sqldb is connections and dialects. It is the only package that imports a database driver: whatever differs
// between databases is here.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"batchctl/pkg/fault"
)

// Config says how to reach a database. A DSN is a PostgreSQL connection string (URL or key=value form, as libpq) or, for
// SQLite, an absolute path or a file: URI.
type Config struct {
	Name           string        // of the connection, for messages
	Driver         string        // sqlite or postgres
	DSN            string        // never printed; see Redact
	MaxConnections int           // 0: as many as are asked for
	ConnectTimeout time.Duration // 0: 10 s
	LockTimeout    time.Duration // how long a statement waits for a lock of another session; 0: 30 s, below 0: for ever
	IdleTimeout    time.Duration // how long the server lets a transaction of ours idle before it ends it; 0: 1 min, below 0: for ever
	Journal        string        // SQLite: wal (default) or keep
	Durability     string        // full (default) or relaxed
	ReadOnly       bool
	MustExist      bool        // SQLite: a file that is not there is an error, and not made
	CreateMode     fs.FileMode // SQLite: the mode a new file gets; 0: the umask decides
	Memory         bool        // SQLite: ":memory:" is allowed, with one connection. For tests
}

// DB is a database that jobs read and write. Its methods may be called from any goroutine.
type DB struct {
	config   Config
	dialect  Dialect
	location string
	path     string // of the SQLite file; empty for a server
	pool     *sql.DB
	lazy     bool // a commit need not be on the disk when it returns
	// roomToSort is what a snapshot of PostgreSQL begins with besides.
	roomToSort string
}

// Querier is what a DB, a Conn and a Tx have in common, so that a caller owns the transaction.
type Querier interface {
	Dialect() Dialect
	// Exec runs one statement and returns the number of rows it affected. Without args PostgreSQL takes several
	// statements, separated by semicolons.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query returns the rows of a statement; the caller closes them.
	Query(ctx context.Context, query string, args ...any) (*Rows, error)
}

// Rows is a result that is being read. Errors of Scan and Err are the driver's: Classify them.
type Rows = sql.Rows

// Open connects to a database and returns it once it has answered. For SQLite it makes the file and its missing folders,
// unless ReadOnly is set. Errors never hold the password.
func Open(ctx context.Context, config Config) (*DB, error) {
	config = config.withDefaults()
	switch config.Driver {
	case "postgres":
		return openPostgres(ctx, config)
	case "sqlite":
		return openSQLite(ctx, config)
	}
	return nil, fault.New(fault.Definition, "connection %s: unknown driver %q", config.Name, config.Driver).
		WithHint("%s", fault.DidYouMean(config.Driver, []string{"sqlite", "postgres"}))
}

func (c Config) withDefaults() Config {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = 30 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = time.Minute
	}
	return c
}

// relaxed reports whether commits may be lost when the power fails: durability: relaxed.
func (c Config) relaxed() bool { return c.Durability == "relaxed" }

// Close closes all connections; held ones first have to be closed by their owners.
func (db *DB) Close() error { return db.pool.Close() }

// Name returns the name of the connection.
func (db *DB) Name() string { return db.config.Name }

// Dialect returns what the database speaks.
func (db *DB) Dialect() Dialect { return db.dialect }

// Location says where the database is, without secrets: postgres://user@host:5432/name, or a path.
func (db *DB) Location() string { return db.location }

// Exec runs one statement on a connection of its own. The pool's Exec would run it again, silently, where the connection
// died while it ran.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Exec(ctx, query, args...)
}

// Query returns the rows of a statement that only reads: where a connection turns out to be dead, it is run again on
// another one. The rows keep their connection until they are closed.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	var rows *Rows
	err := db.retryBusy(ctx, func() (err error) {
		rows, err = db.pool.QueryContext(ctx, query, args...)
		return err
	})
	return rows, db.fail(ctx, err)
}

// fail classifies a driver's error; where ctx has ended, its error is the reason.
func (db *DB) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("connection %s: %w", db.config.Name, context.Cause(ctx))
	}
	return db.locate(Classify(err))
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, nil // statements without rows: PostgreSQL gives no count for them
	}
	return n, nil
}
