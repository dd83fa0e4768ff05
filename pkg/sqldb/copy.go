package sqldb

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// copyBlockBytes is how much is sent at once; larger blocks gained nothing.
const copyBlockBytes = 60 << 10

// copier is the statement that lib/pq makes of a COPY.
type copier interface {
	driver.Stmt
	CopyData(ctx context.Context, block string) (driver.Result, error)
}

// CopyWriter encodes rows in PostgreSQL's COPY text format (manual, COPY, "Text Format") and sends them in blocks.
type CopyWriter struct {
	ctx     context.Context
	stmt    copier
	buffer  []byte
	values  int // of the row that is being written
	columns int
	err     error // of the server or the connection, as opposed to feed's own
}

// CopyIn loads rows into a table with COPY ... FROM STDIN and returns how many. feed writes them. Where it returns an
// error, or the server refuses a row (CopyLine says which), nothing was loaded and the transaction, or its innermost
// savepoint, has to be rolled back. PostgreSQL only.
func (tx *Tx) CopyIn(ctx context.Context, table string, columns []string, feed func(w *CopyWriter) error) (rows int64, err error) {
	if !tx.Dialect().BulkLoad() {
		return 0, fault.New(fault.Internal, "COPY is PostgreSQL's, and %s is not", tx.conn.db.Name())
	}
	query := "copy " + quote(table) + " (" + quoteColumns(columns) + ") from stdin"
	w := &CopyWriter{ctx: ctx, columns: len(columns), buffer: tx.conn.copyBuffer[:0]}
	rawErr := tx.conn.conn.Raw(func(dc any) error {
		rows, err = dc.(*session).copyIn(ctx, query, w, feed)
		return nil
	})
	tx.conn.copyBuffer = w.buffer[:0]
	if err == nil {
		err = rawErr
	}
	if err != nil && w.stmt != nil && w.err == nil && ctx.Err() == nil {
		return 0, err // feed's own
	}
	return rows, tx.conn.fail(ctx, err)
}

func (s *session) copyIn(ctx context.Context, query string, w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	stop := context.AfterFunc(ctx, s.link.cut)
	rows, err := s.feed(ctx, query, w, feed)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	return rows, err
}

func (s *session) feed(ctx context.Context, query string, w *CopyWriter, feed func(w *CopyWriter) error) (int64, error) {
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return 0, err
	}
	w.stmt = stmt.(copier)
	if err := feed(w); err != nil {
		return 0, w.abort(err)
	}
	if err := w.send(); err != nil {
		return 0, w.abort(err)
	}
	result, err := w.stmt.Exec(nil) // ends the COPY and waits for the server's word
	if err != nil {
		w.err = err
		return 0, w.abort(err)
	}
	return result.RowsAffected()
}

// abort ends a COPY whose rows must not stay: lib/pq has no CopyFail, so a row that no table accepts, one column too
// long, makes the server refuse them all. The reason stays what it was.
func (w *CopyWriter) abort(reason error) error {
	_, _ = w.stmt.CopyData(w.ctx, strings.Repeat("\t", w.columns))
	_ = w.stmt.Close()
	return reason
}

// Value appends the next value of the row.
func (w *CopyWriter) Value(v record.Value) {
	if w.values > 0 {
		w.buffer = append(w.buffer, '\t')
	}
	w.values++
	switch v.Kind() {
	case record.Absent, record.Null:
		w.buffer = append(w.buffer, '\\', 'N')
	case record.Text, record.JSON:
		w.buffer = appendCopyText(w.buffer, v.Text())
	case record.Int:
		w.buffer = strconv.AppendInt(w.buffer, v.Int(), 10)
	case record.Float:
		w.buffer = strconv.AppendFloat(w.buffer, v.Float(), 'g', -1, 64)
	case record.Bool:
		w.buffer = strconv.AppendBool(w.buffer, v.Bool())
	case record.Bytes:
		w.buffer = append(w.buffer, '\\', '\\', 'x')
		w.buffer = hex.AppendEncode(w.buffer, []byte(v.Text()))
	default:
		w.buffer = appendPlain(w.buffer, v) // digits and punctuation only
	}
}

// EndRow ends the row and sends a full block. An error is the server's, or the connection's: stop feeding and return it.
func (w *CopyWriter) EndRow() error {
	w.values = 0
	w.buffer = append(w.buffer, '\n')
	if len(w.buffer) < copyBlockBytes {
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

// send sends the rows in the buffer without the last newline, which lib/pq adds. It copies the block before it returns.
func (w *CopyWriter) send() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.stmt.CopyData(w.ctx, record.String(w.buffer[:len(w.buffer)-1]))
	w.buffer = w.buffer[:0]
	w.err = err
	return err
}

// appendCopyText appends a text with the characters escaped that COPY gives a meaning.
func appendCopyText(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		var escape byte
		switch s[i] {
		case '\\':
			escape = '\\'
		case '\n':
			escape = 'n'
		case '\r':
			escape = 'r'
		case '\t':
			escape = 't'
		default:
			continue
		}
		dst = append(append(dst, s[start:i]...), '\\', escape)
		start = i + 1
	}
	return append(dst, s[start:]...)
}
