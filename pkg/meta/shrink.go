package meta

import (
	"context"

	"batchctl/pkg/sqldb"
)

// PurgeDefinitions deletes the recorded definitions that no execution refers to any more.
func (s *Store) PurgeDefinitions(ctx context.Context) (deleted int64, err error) {
	err = s.write(ctx, func(tx *sqldb.Tx) error {
		deleted, err = exec(ctx, tx, "delete from BATCHCTL_DEFINITION where DEFINITION_HASH not in (select DEFINITION_HASH from BATCH_JOB_EXECUTION)")
		return err
	})
	return deleted, err
}

// Shrink gives the room that deleted rows leave in the file back to the file system, and returns how many bytes. The first
// time the file is written anew, for which others wait; it is left for another time while executions run. A server does
// this by itself.
func (s *Store) Shrink(ctx context.Context) (freed int64, err error) {
	if s.leased() {
		return 0, nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	conn, err := s.writerConn(ctx)
	if err != nil {
		return 0, s.explain(err)
	}
	before, err := pages(ctx, conn)
	if err == nil {
		err = s.shrink(ctx, conn)
	}
	if err != nil {
		return 0, s.explain(err)
	}
	after, err := pages(ctx, conn)
	return before - after, s.explain(err)
}

// pages returns how many bytes the file's pages have.
func pages(ctx context.Context, q sqldb.Querier) (bytes int64, err error) {
	var count, size int64
	if _, err := one(ctx, q, to(&count), "pragma page_count"); err != nil {
		return 0, err
	}
	_, err = one(ctx, q, to(&size), "pragma page_size")
	return count * size, err
}

// incremental is SQLite's auto_vacuum mode in which free pages are kept until they are asked for.
const incremental = 2

func (s *Store) shrink(ctx context.Context, conn *sqldb.Conn) error {
	var mode, free int64
	if _, err := one(ctx, conn, to(&mode), "pragma auto_vacuum"); err != nil {
		return err
	}
	if mode != incremental {
		return rewrite(ctx, conn)
	}
	for {
		last := free
		if _, err := one(ctx, conn, to(&free), "pragma freelist_count"); err != nil {
			return err
		}
		if free == 0 || free == last {
			return trim(ctx, conn)
		}
		// So few pages at a time that others need not wait for long.
		if err := run(ctx, conn, "pragma incremental_vacuum(1000)"); err != nil {
			return err
		}
	}
}

// rewrite makes the file one whose free pages can be given back, unless something is running.
func rewrite(ctx context.Context, conn *sqldb.Conn) error {
	var running int64
	_, err := one(ctx, conn, to(&running), "select count(*) from BATCH_JOB_EXECUTION where STATUS in ('STARTING', 'STARTED', 'STOPPING')")
	if err != nil || running > 0 {
		return err
	}
	for _, statement := range []string{"pragma auto_vacuum = incremental", "vacuum"} {
		if err := run(ctx, conn, statement); err != nil {
			return err
		}
	}
	return trim(ctx, conn)
}

// trim moves the write-ahead log into the file, and empties it where nobody reads it.
func trim(ctx context.Context, conn *sqldb.Conn) error {
	return run(ctx, conn, "pragma wal_checkpoint(truncate)")
}

// run runs a statement to its end: a pragma may do its work while its rows are read.
func run(ctx context.Context, conn *sqldb.Conn, statement string) error {
	return each(ctx, conn, func(*sqldb.Rows) error { return nil }, statement)
}
