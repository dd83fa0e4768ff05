package meta

import (
	"context"
	"errors"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// server says which history of which database a transaction id belongs to.
type server struct {
	system   int64 // drawn by initdb; replicas share it
	timeline int64 // rises when a replica is promoted, or a backup restored to a point in time
	database int64 // oid: the ids are those of the whole cluster, the rows are not
	position int64 // of its log, in bytes
}

// same reports whether a later look found the same history.
func (s server) same(now server) bool {
	return s.system == now.system && s.timeline == now.timeline && s.database == now.database && s.position <= now.position
}

// serverColumns: the timeline is taken from the name of the log's file, because the control file may still have the old
// one shortly after a promotion.
const serverColumns = `system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint,
	(select oid::bigint from pg_database where datname = current_database()), (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint`

func (s *server) columns() []any { return to(&s.system, &s.timeline, &s.database, &s.position) }

// begun gives a transaction its id, also where it is not going to write, and makes its COMMIT wait for the disk, whatever
// the durability is: the repository must not know of rows that a power cut takes away.
func begun(ctx context.Context, tx *sqldb.Tx) (transaction int64, s server, err error) {
	var ignored string
	_, err = one(ctx, tx, append(to(&transaction, &ignored), s.columns()...), `select txid_current(),
		set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, true), `+
		serverColumns+" from pg_control_system()")
	return transaction, s, askable(err)
}

func askServer(ctx context.Context, q sqldb.Querier) (s server, err error) {
	_, err = one(ctx, q, s.columns(), "select "+serverColumns+" from pg_control_system()")
	return s, askable(err)
}

func (l *intentLedger) serverNow(ctx context.Context) (s server, err error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return askServer(ctx, conn)
}

// askable says what is to be done where the server's functions may not be used, or are not there.
func askable(err error) error {
	switch fault.CodeOf(err) {
	case notPermitted:
		return fault.Wrap(fault.Environment, err, "checkpoint: intent has to know which PostgreSQL cluster it talks to").WithCode(notPermitted).
			WithHint("let an administrator run: grant execute on function pg_control_system() to the user of the connection")
	case "42883":
		return fault.Wrap(fault.Definition, err, "checkpoint: intent needs PostgreSQL 10 or newer").WithCode("42883").
			WithHint("use checkpoint: target, with a table in the database, or checkpoint: metadata")
	}
	return err
}

// harden makes the transaction ids that were given out up to now outlive a crash of the server. An id is in the server's
// memory only until its log has been flushed behind it; after a crash before that the server gives it out again, and
// would tell about a transaction of somebody else. A later transaction is committed durably, on another connection and
// while this one is being written. The channel has its one result.
func (l *intentLedger) harden(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	if l.options.TestUnhardened {
		done <- nil
		return done
	}
	go func() {
		done <- inTransaction(ctx, l.db, func(tx *sqldb.Tx) error {
			// Only the server's own disk matters here: what a replica lacks shows as another timeline.
			_, err := tx.Exec(ctx, "set local synchronous_commit = local; select pg_logical_emit_message(true, 'batchctl', '')")
			return err
		})
	}()
	return done
}

const lookFirst = "check that the connection leads where it did; if it does, look into the target: where the rows up to that record are there, go on with --adopt; otherwise delete what this step wrote and begin again with --fresh"

// unchanged refuses a server that is not the one that wrote up to a record, or has lost what it wrote.
func (l *intentLedger) unchanged(ordinal int64, then, now server) error {
	switch {
	case then.system != now.system:
		return l.moved(ordinal, fmt.Sprintf("leads to another PostgreSQL cluster now (system identifier %d, was %d)", now.system, then.system))
	case then.timeline != now.timeline:
		return l.moved(ordinal, fmt.Sprintf("failed over to a replica or was restored from a backup (timeline %d, was %d)", now.timeline, then.timeline))
	case then.database != now.database:
		return l.moved(ordinal, "leads to another database of the cluster now")
	case then.position > now.position:
		return l.moved(ordinal, "was put back to an older state")
	}
	return nil
}

func (l *intentLedger) moved(ordinal int64, what string) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "connection %s (%s) %s; whether it has the records up to %d cannot be asked",
		l.db.Name(), l.db.Location(), what, ordinal).WithCode("other_server").WithHint(lookFirst)
}
