package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// copyBlockBytes is how much is sent at once. Where lib/pq sends it, it does so when it holds more than 63 KiB, in a buffer of
// 64: a block of a size between goes out at once, and nothing grows.
const copyBlockBytes = 63<<10 + 64

// copier is the statement that lib/pq makes of a COPY.
type copier interface {
	driver.Stmt
	CopyData(ctx context.Context, block string) (driver.Result, error)
}

// Load is what a COPY writes into, and how its rows are sent.
type Load struct {
	Table   string
	Columns []string
	Binary  []BinaryType // of the columns: rows are sent as PostgreSQL keeps them, where nothing is encrypted; nil: as text
	Filter  bool         // the statement may have a filter (BulkOf)
	Rows    int          // how many there are, about

	First *EncodedRows        // those that it begins with, ahead of those that are fed; nil: none
	Next  func() *EncodedRows // CopyLast: asked when the transaction ends, for those that the next one's COPY will begin with; nil: none
}

// inBinary is what the statement of a COPY in binary says.
const inBinary = " (format binary)"

// fewRows is up to how many rows PostgreSQL does better not to collect.
const fewRows = 2000

// sql returns the statement. PostgreSQL collects up to a thousand rows before it inserts them, and makes and drops room for
// each of them with every COPY (copyfrom.c, CopyMultiInsertBuffer): where there are few that costs more than it gains. A
// filter that calls a volatile function keeps it from that.
func (l *Load) sql(types []BinaryType) string {
	text := "copy " + quote(l.Table) + " (" + quoteColumns(l.Columns) + ") from stdin"
	if types == nil {
		return text
	}
	text += inBinary
	if l.Filter && l.Rows <= fewRows {
		text += " where pg_catalog.random() >= 0"
	}
	return text
}

// CopyWriter encodes rows in PostgreSQL's COPY formats (manual, COPY, "Text Format" and "Binary Format") and sends them in
// blocks.
type CopyWriter struct {
	session *session // nil: the rows are kept as EncodedRows
	load    Load
	query   string // of the COPY, and of what follows it as text
	first   int    // rows of load.First that it begins with
	begun   bool   // those were sent ahead of it
	whole   bool   // and are all
	stmt    copier // nil until the COPY has begun
	buffer  []byte
	scratch []byte
	types   []BinaryType // nil: rows are sent as text
	values  int          // of the row that is being written
	start   int          // of that row in the buffer
	unfit   bool         // it has a value that is not sent in binary
	before  int64        // rows of a COPY that was ended, for what follows is text
	err     error        // of the server or the connection, as opposed to feed's own
	left    bool         // the end is left to whoever comes next
}

// CopyIn loads rows into a table with COPY ... FROM STDIN and returns how many. feed writes them. Where it returns an
// error, or the server refuses a row (CopyLine says which), nothing was loaded and the transaction, or its innermost
// savepoint, has to be rolled back. PostgreSQL only.
func (tx *Tx) CopyIn(ctx context.Context, load Load, feed func(w *CopyWriter) error) (rows int64, err error) {
	return tx.copyIn(ctx, load, feed, nil)
}

// copyIn is CopyIn, or CopyLast where ended is given.
func (tx *Tx) copyIn(ctx context.Context, load Load, feed func(w *CopyWriter) error, ended func(error) error) (rows int64, err error) {
	c := tx.conn
	if !tx.Dialect().BulkLoad() {
		return 0, fault.New(fault.Internal, "COPY is PostgreSQL's, and %s is not", c.db.Name())
	}
	if !c.plain {
		load.Binary = nil // lib/pq sends no other than text
	}
	load.First = load.First.as(load.Binary)
	query := load.sql(load.Binary)
	begun, err := c.enterCopy(ctx, query, load.First)
	if err != nil {
		return 0, err
	}
	c.remember(&load)
	w := &CopyWriter{load: load, query: query, types: load.Binary, begun: begun, left: ended != nil && c.plain, buffer: c.copyBuffer[:0]}
	rawErr := c.conn.Raw(func(dc any) error {
		w.session = dc.(*session)
		rows, err = w.session.copyIn(ctx, w, feed)
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

func (s *session) copyIn(ctx context.Context, w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	// The server ends what ctx ends: the connection is cut. A watch of lib/pq's for each call would be a goroutine each.
	stop := context.AfterFunc(ctx, s.link.cut)
	rows, err := s.feed(w, feed)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	return rows, err
}

func (s *session) feed(w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	err := w.sendFirst()
	if err == nil {
		err = feed(w)
	}
	if err == nil {
		err = w.finish()
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
	rows, err := s.endCopy(w)
	return w.before + rows, err
}

// endCopy ends a COPY and waits for the server's word.
func (s *session) endCopy(w *CopyWriter) (int64, error) {
	s.wire.hold()
	result, err := w.stmt.Exec(nil)
	s.wire.release(err)
	if err != nil {
		w.err = w.load.refusal(err)
		return 0, w.abort(w.err)
	}
	return result.RowsAffected()
}

// open begins the COPY. The first rows are encoded before that, while the server still begins what was sent ahead.
func (w *CopyWriter) open() error {
	stmt, err := w.session.PrepareContext(context.Background(), w.query)
	if err != nil {
		w.err = err
		return err
	}
	w.stmt = stmt.(copier)
	return nil
}

// finish sends what is left of the rows.
func (w *CopyWriter) finish() error {
	if w.types != nil && !w.whole {
		w.buffer = append(w.buffer, binaryTrailer...)
	}
	return w.send()
}

// abort ends a COPY whose rows must not stay. The reason stays what it was.
func (w *CopyWriter) abort(reason error) error {
	if w.stmt == nil {
		return reason
	}
	if w.session.wire.plain {
		_ = w.session.wire.failCopy()
	} else { // lib/pq has no CopyFail, so a row that no table accepts, one column too long, makes the server refuse them all
		_, _ = w.stmt.CopyData(context.Background(), strings.Repeat("\t", len(w.load.Columns)))
	}
	_ = w.stmt.Close()
	return reason
}

// Before returns how many rows were sent in binary, before those that are sent as text: a row that is refused behind
// them is counted without them (CopyLine).
func (w *CopyWriter) Before() int64 { return w.before }

// EndRow ends the row and sends a full block. An error is the server's, or the connection's: stop feeding and return it;
// or ErrAgain.
func (w *CopyWriter) EndRow() error {
	w.values = 0
	switch {
	case w.types == nil:
		w.buffer = append(w.buffer, '\n')
	case w.unfit:
		return w.asText()
	}
	w.start = len(w.buffer)
	if w.start < copyBlockBytes || w.session == nil {
		return nil
	}
	return w.send()
}

// asText takes the row back and ends the COPY, to send what follows in another one.
func (w *CopyWriter) asText() error {
	w.buffer, w.unfit = w.buffer[:w.start], false
	if w.session == nil {
		return ErrAgain
	}
	if err := w.finish(); err != nil {
		return err
	}
	rows, err := w.session.endCopy(w)
	if err != nil {
		return err
	}
	w.before, w.types, w.stmt, w.start = rows, nil, nil, 0
	w.query = w.load.sql(nil)
	return ErrAgain
}

// Row writes a row of all its values.
func (w *CopyWriter) Row(values []record.Value) error {
	for _, v := range values {
		w.Value(v)
	}
	err := w.EndRow()
	if err == ErrAgain && w.session != nil {
		return w.Row(values)
	}
	return err
}

// send sends the rows in the buffer.
func (w *CopyWriter) send() error {
	if len(w.buffer) == 0 {
		return nil
	}
	err := w.sendBlock(w.buffer)
	w.buffer, w.start = w.buffer[:0], 0
	return err
}

// sendBlock sends rows. Where they can be put on the wire they are, past lib/pq, which copies them before it sends them.
func (w *CopyWriter) sendBlock(rows []byte) error {
	head := ""
	if w.stmt == nil {
		if err := w.open(); err != nil {
			return err
		}
		if w.types != nil && !w.begun {
			head = binarySignature
		}
	}
	switch wire := w.session.wire; {
	case !wire.plain: // lib/pq adds the last newline
		_, w.err = w.stmt.CopyData(context.Background(), record.String(rows[:len(rows)-1]))
	case wire.refused.Load(): // lib/pq has the reason
		_, err := w.stmt.Exec(nil)
		w.err = w.load.refusal(err)
	default:
		w.err = wire.copyData(head, rows)
	}
	return w.err
}
