package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"batchctl/pkg/fault"
)

// Tx is an open transaction of a Conn. It implements batch.Tx.
type Tx struct {
	conn       *Conn
	depth      int             // open savepoints
	ended      bool            // by Commit or Rollback
	orphans    *orphans        // of the first CheckDeferred; SQLite
	immediate  bool            // constraints are checked at once, until the end; PostgreSQL
	staged     map[string]bool // staging tables used
	loads      []int           // for each savepoint how many loads in binary there were before it
	leavesEnds bool            // CopyLast may leave its COPY to the end; PostgreSQL
}

// Begin starts a transaction: read committed on PostgreSQL, immediate on SQLite, so that it holds the right to write from
// the start and cannot lose it half way.
func (c *Conn) Begin(ctx context.Context) (*Tx, error) {
	if !isPostgres(c.db.dialect) {
		return c.begin(ctx, "begin immediate")
	}
	if ctx.Err() == nil && !c.open && c.takeAhead() {
		c.open, c.first, c.lead, c.loaded = true, true, "", c.loaded[:0]
		return &Tx{conn: c}, nil
	}
	tx, err := c.begin(ctx, beginPostgres)
	c.first = err == nil
	return tx, err
}

const beginPostgres = "begin isolation level read committed"

// BeginSnapshot starts a transaction that only reads, and sees the database as it is now until it ends: repeatable read
// on PostgreSQL, a read transaction on SQLite.
func (c *Conn) BeginSnapshot(ctx context.Context) (*Tx, error) {
	if isPostgres(c.db.dialect) {
		// It holds no lock that anybody waits for, and its reader may be slow.
		return c.begin(ctx, "begin isolation level repeatable read, read only; set local idle_in_transaction_session_timeout = 0; "+c.db.roomToSort)
	}
	tx, err := c.begin(ctx, "begin deferred")
	if err != nil {
		return nil, err
	}
	// SQLite takes the snapshot with the first read.
	if _, err := tx.Exec(ctx, "select count(*) from sqlite_schema"); err != nil {
		return nil, errors.Join(err, tx.Rollback(ctx))
	}
	return tx, nil
}

func (c *Conn) begin(ctx context.Context, statement string) (*Tx, error) {
	if c.open {
		return nil, fault.New(fault.Internal, "a transaction is open already on this connection to %s", c.db.Name())
	}
	if err := c.command(ctx, statement); err != nil {
		return nil, err
	}
	c.open, c.lead, c.loaded = true, "", c.loaded[:0]
	return &Tx{conn: c}, nil
}

// command runs a statement that many transactions have, which SQLite keeps prepared.
func (c *Conn) command(ctx context.Context, statement string) error {
	if c.sqlite == nil {
		if err := c.leaveAhead(ctx); err != nil {
			return err
		}
		return c.say(ctx, statement)
	}
	s, err := c.Prepare(ctx, statement)
	if err == nil {
		_, err = s.Run(ctx)
	}
	return err
}

// Conn returns the connection that tx is open on.
func (tx *Tx) Conn() *Conn { return tx.conn }

// Dialect returns what the database speaks.
func (tx *Tx) Dialect() Dialect { return tx.conn.db.dialect }

// Exec runs one statement.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return tx.conn.Exec(ctx, query, args...)
}

// Query returns the rows of a statement; they have to be closed before tx is used again.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	return tx.conn.Query(ctx, query, args...)
}

// Prepare returns a statement that stays prepared on the connection, also behind the end of tx.
func (tx *Tx) Prepare(ctx context.Context, query string) (*Stmt, error) {
	return tx.conn.Prepare(ctx, query)
}

// Commit ends tx. Where the connection dies meanwhile (IsConnectionLost), nobody knows whether it holds. Any other error
// means that it does not; the transaction may then still be open (deferred foreign keys on SQLite, see Active; a COPY that
// was left on PostgreSQL).
func (tx *Tx) Commit(ctx context.Context) error {
	c := tx.conn
	if c.broken {
		return Classify(driver.ErrBadConn)
	}
	if err := c.endLate(ctx); err != nil {
		return err
	}
	if err := c.checkLoaded(ctx, c.loaded); err != nil {
		return err
	}
	err := c.commit(ctx)
	if err != nil && !isPostgres(c.db.dialect) {
		return err
	}
	tx.ended, c.open = true, false
	if err == nil {
		tx.keepStages()
	}
	return err
}

// CommitDurable is Commit that waits until the disk has it, and all commits before it, also where durability is relaxed, or
// the connection string says otherwise.
func (tx *Tx) CommitDurable(ctx context.Context) error {
	if !tx.conn.db.lazy {
		return tx.Commit(ctx)
	}
	if isPostgres(tx.Dialect()) {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = on"); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	return tx.conn.db.syncLog()
}

// SyncFailed is the code of the error of CommitDurable where the transaction is committed and the disk refuses to keep it.
// Asking again would not help: what a failed fsync lost, the next one does not report.
const SyncFailed = "sync_failed"

// syncLog makes what an SQLite file's write-ahead log holds durable. A descriptor of its own serves: SQLite keeps its
// locks on the file and on -shm, so closing this one cannot drop any.
func (db *DB) syncLog() error {
	f, err := os.OpenFile(db.path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another journal mode: NORMAL already waits there
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fault.Wrap(fault.Environment, err, "make the last commit to %s durable", db.location).WithCode(SyncFailed)
	}
	return nil
}

// Rollback ends tx without effect. Called after Commit, or again, it does nothing. A connection that cannot roll back is
// dropped, which does the same. It also works when ctx has ended.
func (tx *Tx) Rollback(ctx context.Context) error {
	if tx.ended {
		return nil
	}
	tx.ended = true
	tx.conn.rollback(ctx)
	return nil
}

// rollbackTimeout is how long a rollback may take before the connection is dropped instead.
const rollbackTimeout = 5 * time.Second

func (c *Conn) rollback(ctx context.Context) {
	c.open = false
	if c.broken {
		c.late = nil
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = c.endLate(ctx) // it is undone
	if c.copying.query != "" {
		_ = c.leaveCopy("rollback")
		return
	}
	err := c.say(ctx, "rollback")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") { // SQLite has ended it already
		c.broken = true
	}
}

// Active asks whether the transaction is still open: SQLite ends one by itself after some errors (disk full, I/O), and
// keeps one open whose COMMIT was refused.
func (tx *Tx) Active(ctx context.Context) (bool, error) {
	c := tx.conn
	if tx.ended || c.broken {
		return false, nil
	}
	if isPostgres(c.db.dialect) {
		return c.open, nil
	}
	_, err := c.Exec(ctx, "begin")
	if err == nil {
		tx.ended = true
		c.rollback(ctx)
		return false, nil
	}
	if strings.Contains(err.Error(), "within a transaction") {
		return true, nil
	}
	return false, err
}

// Savepoint starts a nested part.
func (tx *Tx) Savepoint(ctx context.Context) error {
	err := tx.conn.command(ctx, "savepoint "+savepoint(tx.depth+1))
	if err == nil {
		tx.depth++
		tx.loads = append(tx.loads, len(tx.conn.loaded))
	}
	return err
}

// RollbackTo undoes the innermost part, which stays open. On PostgreSQL tx works again after an error behind it.
func (tx *Tx) RollbackTo(ctx context.Context) error {
	if tx.depth == 0 {
		return fault.New(fault.Internal, "rollback to a savepoint that was never set")
	}
	tx.forgetStages()
	tx.conn.loaded = tx.conn.loaded[:tx.loads[tx.depth-1]]
	return tx.conn.command(ctx, "rollback to savepoint "+savepoint(tx.depth))
}

// Release ends the innermost part and keeps what it did.
func (tx *Tx) Release(ctx context.Context) error {
	if tx.depth == 0 {
		return fault.New(fault.Internal, "release of a savepoint that was never set")
	}
	err := tx.conn.command(ctx, "release savepoint "+savepoint(tx.depth))
	if err == nil {
		tx.depth--
		tx.loads = tx.loads[:tx.depth]
	}
	return err
}

func savepoint(depth int) string { return "batchctl_" + strconv.Itoa(depth) }
