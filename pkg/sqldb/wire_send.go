package sqldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
)

// sending is what a session sends. lib/pq sends one message and waits for the answer before it sends the next one. PostgreSQL
// takes messages ahead of its answers (manual, Frontend/Backend Protocol, "Message Flow"), so one that is certain to come
// next goes with the one before: what lib/pq sends later was sent already, and its answer is there.
type sending struct {
	plain   bool        // messages are not encrypted; where they are, each is sent when lib/pq sends it
	next    []byte      // goes with the next message that is sent
	rows    net.Buffers // behind that; nobody else sends them, and they have no answer
	early   []byte      // was sent before lib/pq sends it; its answer will come
	holding bool        // messages wait for the end of a COPY
	held    net.Buffers // those
	head    []byte      // of a message of rows
	parts   net.Buffers // of that message
}

// Codes of messages.
const (
	copyData  = 'd'
	copyDone  = 'c'
	copyFail  = 'f'
	queryCode = 'Q'
)

var errOutOfTurn = errors.New("another message was announced to the server than the one that came")

// Write sends what lib/pq sends, a message at a time, unless it was sent already.
func (w *wire) Write(message []byte) (int, error) {
	switch {
	case len(w.early) > 0:
		if !bytes.HasPrefix(w.early, message) {
			return 0, errOutOfTurn
		}
		w.early = w.early[:copy(w.early, w.early[len(message):])] // in place, for the memory is used again
		return len(message), nil
	case w.holding && message[0] != copyDone:
		w.held = append(w.held, message)
		return len(message), nil
	case len(w.held) == 0 && len(w.next) == 0:
		return w.Conn.Write(message)
	}
	return len(message), w.together(message)
}

// together sends a message with those that wait for it, and those that are to follow.
func (w *wire) together(message []byte) error {
	all := append(w.held, message)
	if len(w.next) > 0 {
		all = append(append(all, w.next), w.rows...)
	}
	clear(w.rows)
	w.early, w.next, w.rows = append(w.early[:0], w.next...), w.next[:0], w.rows[:0]
	w.held = all[:0]
	_, err := all.WriteTo(w.Conn)
	clear(w.held[:cap(w.held)])
	return err
}

// copyData sends rows of a COPY that lib/pq has begun, with what stands before them.
func (w *wire) copyData(head string, rows []byte) error {
	w.head = appendRowsHead(w.head[:0], head, len(rows))
	w.parts = append(w.parts[:0], w.head, rows)
	all := w.parts
	_, err := w.parts.WriteTo(w.Conn)
	clear(all)
	w.parts = all[:0]
	return err
}

// appendRowsHead appends what a message of so many bytes of rows begins with, and what stands before the rows.
func appendRowsHead(to []byte, head string, size int) []byte {
	to = binary.BigEndian.AppendUint32(append(to, copyData), uint32(4+len(head)+size))
	return append(to, head...)
}

// failCopy has the server refuse a COPY that lib/pq has begun.
func (w *wire) failCopy() error {
	_, err := w.Conn.Write([]byte{copyFail, 0, 0, 0, 5, 0}) // with no reason, for nobody reads it
	return err
}

// follow has a query follow the next message, behind those that follow it already. lib/pq has to send them later, in that
// order, before anything else.
func (s *sending) follow(text string) {
	s.next = append(s.next, queryCode)
	s.next = binary.BigEndian.AppendUint32(s.next, uint32(4+len(text)+1))
	s.next = append(append(s.next, text...), 0)
}

// followRows has rows follow the COPY that follows.
func (s *sending) followRows(rows *EncodedRows) {
	head, tail := "", ""
	if rows.writer.types != nil {
		head = binarySignature
		if rows.whole {
			tail = binaryTrailer
		}
	}
	full, rest := rows.blocks()
	for _, block := range full {
		s.rows = append(s.rows, appendRowsHead(nil, head, len(block)), block)
		head = ""
	}
	if len(rest)+len(tail) > 0 {
		s.rows = append(s.rows, appendRowsHead(nil, head, len(rest)+len(tail)), rest, []byte(tail))
	}
}

// hold keeps what is sent back until the end of a COPY is, to be sent with it.
func (s *sending) hold() { s.holding = s.plain }

// release ends that. What was to follow does not where there was an error.
func (s *sending) release(err error) {
	s.holding, s.held = false, s.held[:0]
	if err != nil {
		s.next, s.rows = s.next[:0], s.rows[:0]
	}
}
