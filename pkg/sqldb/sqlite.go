package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"

	"batchctl/pkg/fault"
)

// busyMilliseconds is how long SQLite itself waits for a lock. The rest of LockTimeout is waited in steps of it, so that
// a cancelled context is noticed.
const busyMilliseconds = 200

// NoSuchFile is the code of the error of Open where Config.MustExist is set and the SQLite file is not there.
const NoSuchFile = "no_such_file"

func openSQLite(ctx context.Context, config Config) (*DB, error) {
	path, name, err := sqliteName(config)
	if err != nil {
		return nil, err
	}
	db := &DB{config: config, dialect: SQLite, location: path, path: path, lazy: config.relaxed()}
	if _, missing := os.Stat(path); config.MustExist && errors.Is(missing, fs.ErrNotExist) {
		return nil, fault.New(fault.Environment, "connection %s: there is no database file %s", config.Name, path).
			WithCode(NoSuchFile).WithHint("no step writes through this connection, so the file is not made; relative paths start at the folder of the definition")
	}
	if !config.Memory && !config.ReadOnly {
		if err := makeFile(path, config.CreateMode); err != nil {
			e := fault.Wrap(fault.Environment, err, "connection %s", config.Name)
			if errors.Is(err, fs.ErrPermission) {
				e.Hint = "the user that runs the job needs the right to make files in " + filepath.Dir(path)
			}
			return nil, e
		}
	}
	db.pool = sql.OpenDB(&sqliteConnector{name: name, settings: sqliteSettings(config)})
	db.limitPool()
	if config.Memory {
		db.pool.SetMaxOpenConns(1)
	}
	if err := db.prepareFile(ctx); err != nil {
		_ = db.pool.Close()
		return nil, db.inFile(err)
	}
	return db, nil
}

// sqliteName returns the path of the file, and the URI that the driver opens. The driver cuts a plain name at "?", so a
// path always becomes a URI.
func sqliteName(config Config) (path, name string, err error) {
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Definition, "connection %s: %s", config.Name, fmt.Sprintf(format, args...))
	}
	dsn := config.DSN
	if dsn == ":memory:" || strings.HasPrefix(dsn, "file::memory:") || strings.Contains(dsn, "mode=memory") {
		if !config.Memory {
			return "", "", fault.New(fault.Definition, "connection %s: a database in memory is gone when the process ends, so nothing could be restarted", config.Name).
				WithHint("give the path of a file")
		}
		return ":memory:", ":memory:", nil
	}
	query := url.Values{}
	path = dsn
	if rest, isURI := strings.CutPrefix(dsn, "file:"); isURI {
		path, rest, _ = strings.Cut(rest, "?")
		if query, err = url.ParseQuery(rest); err != nil {
			return "", "", refuse("the options of the file: URI cannot be parsed")
		}
		if path, err = url.PathUnescape(strings.TrimPrefix(path, "//")); err != nil {
			return "", "", refuse("the path of the file: URI cannot be parsed")
		}
	}
	if !filepath.IsAbs(path) {
		return "", "", refuse("the path %q is not absolute", path)
	}
	if config.ReadOnly {
		query.Set("mode", "ro")
	}
	uri := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return path, uri.String(), nil
}

// makeFile makes a file that is not there yet, with its folders. The mode is set before SQLite opens it, so that its
// companions (-wal, -shm) get the same one.
func makeFile(path string, mode fs.FileMode) error {
	folderMode := fs.FileMode(0o777)
	if mode&0o077 == 0 && mode != 0 {
		folderMode = 0o700
	}
	if err := MakeFolder(filepath.Dir(path), folderMode); err != nil {
		return err
	}
	create := mode
	if mode == 0 {
		create = 0o666
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, create)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode != 0 {
		err = f.Chmod(mode)
	}
	return errors.Join(err, f.Close())
}

// prepareFile looks whether the file is a database, and moves it to write-ahead logging, which lets readers and the
// writer work side by side. That is a property of the file and stays.
func (db *DB) prepareFile(ctx context.Context) error {
	if _, err := db.Exec(ctx, "select count(*) from sqlite_schema"); err != nil {
		return err
	}
	if db.config.ReadOnly || db.config.Memory || db.config.Journal == "keep" {
		return nil
	}
	var mode string
	err := db.retryBusy(ctx, func() error {
		return db.pool.QueryRowContext(ctx, "pragma journal_mode = wal").Scan(&mode)
	})
	if err != nil {
		return db.fail(ctx, err)
	}
	if mode != "wal" {
		return fault.New(fault.Environment, "the file cannot use write-ahead logging, its journal mode stays %q", mode).
			WithHint("the file system may lack shared memory (a network share): move the file, or set journal: keep on the connection")
	}
	return nil
}

func sqliteSettings(config Config) []string {
	synchronous := "full"
	if config.relaxed() {
		synchronous = "normal"
	}
	settings := []string{
		fmt.Sprintf("pragma busy_timeout = %d", busyMilliseconds),
		"pragma foreign_keys = on",
		"pragma synchronous = " + synchronous,
	}
	if config.ReadOnly {
		settings = append(settings, "pragma query_only = on")
	}
	return settings
}

// sqliteConnector opens connections with our functions and settings.
type sqliteConnector struct {
	name     string
	settings []string
}

// sqliteDriver is a driver of our own that carries our functions: registering them on the package's would change every
// connection of the process.
var sqliteDriver = sync.OnceValues(newSQLiteDriver)

func newSQLiteDriver() (*sqlite.Driver, error) {
	d := new(sqlite.Driver)
	if err := setUpSQLite(); err != nil {
		return nil, err
	}
	for name, f := range decimalFunctions() {
		if err := d.RegisterFunction(name, f); err != nil {
			return nil, fmt.Errorf("register %s: %w", name, err)
		}
	}
	return d, nil
}

// Driver returns the driver.
func (c *sqliteConnector) Driver() driver.Driver {
	d, err := sqliteDriver()
	if err != nil {
		return &sqlite.Driver{}
	}
	return d
}

// Connect opens the file.
func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := sqliteDriver()
	if err != nil {
		return nil, err
	}
	conn, err := d.Open(c.name)
	if err != nil {
		return nil, err
	}
	for _, s := range c.settings {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, s, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	session, err := newSQLiteConn(ctx, conn) // behind the settings: also this statement may meet a lock
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return session, nil
}

// retryBusy repeats do while another connection holds the lock it needs, up to LockTimeout or until ctx ends. A
// statement that SQLite refuses as busy has done nothing, so it may be repeated.
func (db *DB) retryBusy(ctx context.Context, do func() error) error {
	if db.path == "" {
		return do()
	}
	begun := time.Now()
	for {
		err := do()
		if !isBusy(err) || ctx.Err() != nil {
			return err
		}
		if limit := db.config.LockTimeout; limit >= 0 && time.Since(begun) >= limit {
			return err
		}
	}
}
