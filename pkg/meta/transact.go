package meta

import (
	"context"
	"errors"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// write runs fn in the one writing transaction that the repository has at a time, and commits it.
func (s *Store) write(ctx context.Context, fn func(tx *sqldb.Tx) error) error {
	if s.options.ReadOnly {
		return fault.New(fault.Environment, "job repository %s is opened for reading only", s.Location())
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.explain(s.writeLocked(ctx, fn))
}

func (s *Store) writeLocked(ctx context.Context, fn func(tx *sqldb.Tx) error) (err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	conn, err := s.writerConn(ctx)
	if err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx)) // err is the reason, and a connection that cannot is dropped
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// writerConn returns the writing connection; one that was lost, or given up after a cancelled statement, is replaced.
func (s *Store) writerConn(ctx context.Context) (*sqldb.Conn, error) {
	if s.writer != nil && s.writer.Lost() {
		_ = s.writer.Close() // there is nothing left on it
		s.writer = nil
	}
	if s.writer == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		s.writer = conn
	}
	return s.writer, nil
}

// read runs fn on one state of the repository.
func (s *Store) read(ctx context.Context, fn func(q sqldb.Querier) error) error {
	return s.explain(s.readSnapshot(ctx, fn))
}

func (s *Store) readSnapshot(ctx context.Context, fn func(q sqldb.Querier) error) (err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closed := conn.Close(); err == nil {
			err = closed
		}
	}()
	tx, err := conn.BeginSnapshot(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if ended := tx.Rollback(context.WithoutCancel(ctx)); err == nil {
			err = ended
		}
	}()
	return fn(tx)
}

// explain says of a database's error that it is the repository's, and what can be done about the known ones. What this
// package says itself passes through.
func (s *Store) explain(err error) error {
	code := fault.CodeOf(err)
	if code == checksumCode && errors.Is(err, batch.ErrNotRestartable) {
		return s.damagedCheckpoint()
	}
	if err == nil || !fromDatabase(code) {
		return err
	}
	if located := (*sqldb.FileError)(nil); errors.As(err, &located) {
		err = located.Err // the repository is named here
	}
	switch {
	case strings.HasPrefix(code, "SQLITE_CORRUPT"), strings.HasPrefix(code, "SQLITE_NOTADB"):
		return s.damagedFile(err)
	case code == "SQLITE_ERROR": // our own statements are right, so the tables are not
		return fault.Wrap(fault.Environment, err, "job repository %s is damaged: a table is not as batchctl made it", s.Location()).WithCode("damaged").
			WithHint("put back a copy of it")
	case strings.HasPrefix(code, "SQLITE_BUSY"), strings.HasPrefix(code, "SQLITE_LOCKED"):
		return fault.Wrap(fault.Environment, err, "job repository %s", s.Location()).
			WithHint("another process writes to it for very long; find it with: fuser %s", s.Location())
	case s.leased() && (code == "42501" || code == "3F000"):
		return s.noRight(err, code)
	case s.leased() && fault.ClassOf(err) == fault.Transient:
		return fault.Wrap(fault.Transient, err, "job repository %s", s.Location())
	}
	return fault.Wrap(fault.Environment, err, "job repository %s", s.Location())
}

// fromDatabase reports whether a code is a database's: a name of SQLite's, an SQLSTATE, or that of a lost connection.
func fromDatabase(code string) bool {
	return strings.HasPrefix(code, "SQLITE_") || code == sqldb.LostConnection || len(code) == 5 && strings.ToUpper(code) == code
}

func (s *Store) damagedFile(err error) error {
	return fault.Wrap(fault.Environment, err, "job repository %s is damaged", s.Location()).WithCode("damaged").
		WithHint("nothing was changed; move it and its -wal file away and put back a copy, or start with an empty one: " +
			"target databases keep their own checkpoints and refuse to be loaded twice")
}

// damagedCheckpoint is the error of a checkpoint in the repository itself, which knows no target that could be put right.
func (s *Store) damagedCheckpoint() error {
	return fault.New(fault.Environment, "a checkpoint in the job repository %s is damaged: its checksum is wrong", s.Location()).WithCode(checksumCode).
		WithHint("put back a copy of it; or move it away, and the steps that write only files begin anew")
}
