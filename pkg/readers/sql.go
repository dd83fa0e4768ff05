package readers

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
)

// sqlConf is the configuration of the sql reader.
type sqlConf struct {
	Connection string                        `yaml:"connection,required" help:"name of the connection that is read from"`
	Query      config.SQL                    `yaml:"query,required" help:"a select, with, or values; binds are written :name"`
	Args       config.Map[config.Expression] `yaml:"args" help:"values of binds, as expressions over params, steps and context; other binds are job parameters or built in"`
	Keyset     []string                      `yaml:"keyset" help:"columns of the result, unique together and never null, that order the rows; a restart goes on behind the last key"`
	Page       int                           `yaml:"page" help:"with keyset: read in short queries of this many rows, instead of one that stays open"`
}

// sqlReader reads the rows of a query: streamed in a snapshot on a connection of its own, or page by page.
type sqlReader struct {
	conf    *sqlConf
	env     *catalog.Env
	binds   *sqlBinds
	share   *columnShare // what is read of the result; nil: all
	columns []sqldb.Column
	schema  *record.Schema

	conn   *sqldb.Conn
	tx     *sqldb.Tx     // the snapshot; nil where pages are read
	cursor *sqldb.Cursor // of the stream; nil at its end, and where pages are read
	pages  *sqlPages     // nil where one query is streamed
	row    []record.Value
	key    sqlKeyset    // where the reader stands, with keyset
	passed sqlPassed    // and without
	rows   atomic.Int64 // read so far, earlier attempts included
	total  atomic.Int64 // that the database expects; 0 where it does not say
	state  sqlPhase
}

// sqlPhase is what a reader can be asked for.
type sqlPhase uint8

const (
	sqlClosed sqlPhase = iota
	sqlReading
	sqlEnded
)

// newSQL returns the reader of a configuration. It opens nothing.
func newSQL(conf *sqlConf, env *catalog.Env) (batch.Reader, error) {
	if conf.Page < 0 || conf.Page > 0 && len(conf.Keyset) == 0 {
		return nil, conf.Query.Node.Errorf("reader sql: page needs a keyset and a positive number of rows").
			WithHint("name the columns that order the rows: keyset: [id]")
	}
	for i, name := range conf.Keyset {
		for _, other := range conf.Keyset[:i] {
			if name == other {
				return nil, conf.Query.Node.Errorf("reader sql: column %q stands twice in keyset", name)
			}
		}
	}
	binds, err := newSQLBinds(conf, env)
	if err != nil {
		return nil, err
	}
	return &sqlReader{conf: conf, env: env, binds: binds, key: sqlKeyset{columns: conf.Keyset, wrong: conf.Query.Node.Errorf}}, nil
}

// Connection returns the name of the database that is read.
func (r *sqlReader) Connection() string { return r.conf.Connection }

// Statement returns the query as the definition has it, for a look at the tables it reads.
func (r *sqlReader) Statement() string { return r.conf.Query.Text }

// Restartable says how the reader finds its place again: by a key, which holds also while the step changes the table
// that it reads, or by position. Paged is true where no query stays open between reads.
func (r *sqlReader) Restartable() (byKey, paged bool) { return len(r.conf.Keyset) > 0, r.conf.Page > 0 }

// Open runs the query behind what from covers. Without a keyset it reads the rows up to there once more and refuses to go
// on where they are not the same.
func (r *sqlReader) Open(ctx context.Context, from batch.State) error {
	if err := r.Close(); err != nil {
		return err
	}
	state, err := r.restore(from)
	if err != nil {
		return err
	}
	db, err := r.env.Connect(r.conf.Connection)
	if err != nil {
		return err
	}
	if err := r.binds.evaluate(db.Dialect()); err != nil {
		return err
	}
	if r.conn, err = db.Conn(ctx); err != nil {
		return err
	}
	if err := r.start(ctx, state); err != nil {
		_ = r.Close()
		return err
	}
	return nil
}

func (r *sqlReader) start(ctx context.Context, state sqlState) (err error) {
	r.rows.Store(state.Rows)
	r.state = sqlReading
	if err := r.estimate(ctx); err != nil {
		return err
	}
	if r.conf.Page > 0 {
		r.pages = &sqlPages{}
		return r.pages.load(ctx, r)
	}
	if r.tx, err = r.conn.BeginSnapshot(ctx); err != nil {
		return err
	}
	if r.cursor, err = r.query(ctx, r.tx, 0); err != nil {
		return err
	}
	if len(r.conf.Keyset) > 0 {
		return nil
	}
	return r.skip(ctx, state)
}

// query runs the query from where the reader stands.
func (r *sqlReader) query(ctx context.Context, q sqldb.Querier, limit int) (*sqldb.Cursor, error) {
	text := r.text()
	if len(r.conf.Keyset) > 0 {
		text = r.key.query(text, limit)
	}
	statement, args, err := r.binds.statement(q.Dialect(), text, r.shareOrKey)
	if err != nil {
		return nil, err
	}
	cursor, err := sqldb.OpenCursor(ctx, q, statement, args...)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	if err := r.describe(cursor.Columns()); err != nil {
		return nil, errors.Join(err, cursor.Close())
	}
	return cursor, nil
}

// Read appends the next row of the result.
func (r *sqlReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		switch r.state {
		case sqlClosed:
			return fault.New(fault.Internal, "the sql reader is not open")
		case sqlEnded:
			return io.EOF
		}
		found, bad, err := r.next(ctx, &into.In.Arena)
		if err != nil {
			return err
		}
		if !found {
			if err := r.end(ctx); err != nil {
				return err
			}
			continue
		}
		if repeated, err := r.advance(bad); repeated || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		origin := record.Origin{Source: r.conf.Connection, Line: r.rows.Add(1)}
		if bad != nil {
			return &batch.BadRecord{Origin: origin, Err: fault.Wrap(fault.ClassOf(bad), bad, "").At(fault.Position{File: origin.Source, Line: int(origin.Line)})}
		}
		into.In.SetSchema(r.schema)
		copy(into.AddInput(r.schema.Len(), origin), r.row)
		return nil
	}
}

// next fills row with the next row of the result. bad is an error of this row alone.
func (r *sqlReader) next(ctx context.Context, arena *record.Arena) (found bool, bad, err error) {
	if r.pages != nil {
		return r.pages.next(ctx, r, arena)
	}
	return scanSQL(r.cursor, r.row, arena)
}

func scanSQL(cursor *sqldb.Cursor, row []record.Value, arena *record.Arena) (found bool, bad, err error) {
	if !cursor.Next() {
		return false, nil, cursor.Err()
	}
	clear(row)
	bad = cursor.Scan(row, arena)
	if bad != nil && !fault.ClassOf(bad).Data() {
		return false, nil, bad
	}
	return true, bad, nil
}

// advance notes that row has been read. repeated says that it is the one the last attempt, or page, ended with.
func (r *sqlReader) advance(bad error) (repeated bool, err error) {
	if len(r.conf.Keyset) == 0 {
		r.passed.add(r.row)
		return false, nil
	}
	repeated, err = r.key.advance(r.row)
	if err != nil && bad != nil {
		return false, errors.Join(err, bad)
	}
	return repeated, err
}

// end is called behind the last row.
func (r *sqlReader) end(ctx context.Context) error {
	if len(r.conf.Keyset) > 0 {
		if err := r.checkNulls(ctx); err != nil {
			return err
		}
	}
	err := r.release()
	r.state = sqlEnded
	r.total.Store(r.rows.Load())
	return err
}

// State covers every row read so far.
func (r *sqlReader) State() (batch.State, error) {
	if len(r.conf.Keyset) > 0 {
		return r.key.state(r.rows.Load())
	}
	return r.passed.state(r.rows.Load())
}

// Close ends the query and gives its connection back.
func (r *sqlReader) Close() error {
	r.state = sqlClosed
	return r.release()
}

func (r *sqlReader) release() (err error) {
	if r.cursor != nil {
		err = r.cursor.Close()
		r.cursor = nil
	}
	r.pages = nil
	if r.tx != nil {
		// A snapshot has nothing to lose: where it cannot be ended, its connection is dropped.
		_ = r.tx.Rollback(context.Background())
		r.tx = nil
	}
	if r.conn != nil {
		err = errors.Join(err, r.conn.Close())
		r.conn = nil
	}
	if fault.ClassOf(err) == fault.Transient || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Locate names a row by its number and, where there is one, its key: row 17 (seller_id=3, id=99).
func (r *sqlReader) Locate(input record.Record, origin record.Origin) string {
	var b strings.Builder
	b.WriteString("row ")
	b.WriteString(record.OfInt(origin.Line).String())
	for i, name := range r.conf.Keyset {
		b.WriteString([]string{" (", ", "}[min(i, 1)])
		b.WriteString(name + "=" + input.Get(name).String())
	}
	if len(r.conf.Keyset) > 0 {
		b.WriteString(")")
	}
	return b.String()
}
