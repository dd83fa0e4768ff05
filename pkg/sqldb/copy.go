package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// copyBlockBytes is how much is sent at once. lib/pq sends when it holds more than 63 KiB, in a buffer of 64: a block of a
// size between goes out at once, and nothing grows.
const copyBlockBytes = 63<<10 + 64

// copier is the statement that lib/pq makes of a COPY.
type copier interface {
	driver.Stmt
	CopyData(ctx context.Context, block string) (driver.Result, error)
}

// CopyWriter encodes rows in PostgreSQL's COPY text format (manual, COPY, "Text Format") and sends them in blocks.
type CopyWriter struct {
	begin   func() (driver.Stmt, error) // nil: the rows are kept as EncodedRows
	stmt    copier                      // nil until begin was called
	buffer  []byte
	values  int // of the row that is being written
	columns int
	err     error // of the server or the connection, as opposed to feed's own
	left    bool  // the end is left to whoever comes next
}

// CopyIn loads rows into a table with COPY ... FROM STDIN and returns how many. feed writes them. Where it returns an
// error, or the server refuses a row (CopyLine says which), nothing was loaded and the transaction, or its innermost
// savepoint, has to be rolled back. PostgreSQL only.
func (tx *Tx) CopyIn(ctx context.Context, table string, columns []string, feed func(w *CopyWriter) error) (rows int64, err error) {
	return tx.copyIn(ctx, table, columns, feed, nil)
}

// copyIn is CopyIn, or CopyLast where ended is given.
func (tx *Tx) copyIn(ctx context.Context, table string, columns []string, feed func(w *CopyWriter) error, ended func(error) error) (rows int64, err error) {
	c := tx.conn
	if !tx.Dialect().BulkLoad() {
		return 0, fault.New(fault.Internal, "COPY is PostgreSQL's, and %s is not", c.db.Name())
	}
	query := "copy " + quote(table) + " (" + quoteColumns(columns) + ") from stdin"
	if err := c.enterCopy(ctx, query); err != nil {
		return 0, err
	}
	w := &CopyWriter{columns: len(columns), buffer: c.copyBuffer[:0]}
	rawErr := c.conn.Raw(func(dc any) error {
		s := dc.(*session)
		w.left = ended != nil && s.wire.plain
		rows, err = s.copyIn(ctx, query, w, feed)
		return nil
	})
	c.copyBuffer = w.buffer[:0]
	if err == nil {
		err = rawErr
	}
	if err != nil && w.stmt != nil && w.err == nil && ctx.Err() == nil {
		return 0, err // feed's own
	}
	if err == nil && w.left {
		c.late = &lateCopy{w, ended}
	}
	return rows, c.fail(ctx, err)
}

func (s *session) copyIn(ctx context.Context, query string, w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	stop := context.AfterFunc(ctx, s.link.cut)
	rows, err := s.feed(query, w, feed)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	return rows, err
}

func (s *session) feed(query string, w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	// The server ends what ctx ends: copyIn cuts the connection. A watch of lib/pq's for each call would be a goroutine each.
	w.begin = func() (driver.Stmt, error) { return s.PrepareContext(context.Background(), query) }
	err := feed(w)
	if err == nil {
		err = w.send()
	}
	if w.stmt == nil && w.err == nil {
		err = cmp.Or(w.open(), err)
	}
	if err != nil {
		return 0, w.abort(err)
	}
	if w.left {
		return 0, nil
	}
	return s.endCopy(w)
}

// endCopy ends a COPY and waits for the server's word.
func (s *session) endCopy(w *CopyWriter) (int64, error) {
	s.wire.hold()
	result, err := w.stmt.Exec(nil)
	s.wire.release(err)
	if err != nil {
		w.err = err
		return 0, w.abort(err)
	}
	return result.RowsAffected()
}

// open begins the COPY. The first rows are encoded before that, while the server still begins what was sent ahead.
func (w *CopyWriter) open() error {
	stmt, err := w.begin()
	if err != nil {
		w.err = err
		return err
	}
	w.stmt = stmt.(copier)
	return nil
}

// abort ends a COPY whose rows must not stay: lib/pq has no CopyFail, so a row that no table accepts, one column too
// long, makes the server refuse them all. The reason stays what it was.
func (w *CopyWriter) abort(reason error) error {
	if w.stmt == nil {
		return reason
	}
	_, _ = w.stmt.CopyData(context.Background(), strings.Repeat("\t", w.columns))
	_ = w.stmt.Close()
	return reason
}

// EndRow ends the row and sends a full block. An error is the server's, or the connection's: stop feeding and return it.
func (w *CopyWriter) EndRow() error {
	w.values = 0
	w.buffer = append(w.buffer, '\n')
	if len(w.buffer) < copyBlockBytes || w.begin == nil {
		return nil
	}
	return w.send()
}

// Row writes a row of all its values.
func (w *CopyWriter) Row(values []record.Value) error {
	for _, v := range values {
		w.Value(v)
	}
	return w.EndRow()
}

// send sends the rows in the buffer.
func (w *CopyWriter) send() error {
	if len(w.buffer) == 0 {
		return nil
	}
	err := w.sendBlock(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// sendBlock sends rows without the last newline, which lib/pq adds. It copies the block before it returns.
func (w *CopyWriter) sendBlock(rows []byte) error {
	if w.stmt == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	_, err := w.stmt.CopyData(context.Background(), record.String(rows[:len(rows)-1]))
	w.err = err
	return err
}
