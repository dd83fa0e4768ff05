package sqldb

import (
	"encoding/binary"
	"math"
	"net"
	"sync/atomic"
)

// wire is what a session receives, and what it sends. It knows where a message ends and hands lib/pq no byte of the next
// one, so that rows of a result can be taken from it before lib/pq has seen them.
type wire struct {
	net.Conn
	sending
	buffer   []byte // from:to is received and not handed out
	from, to int
	left     int         // bytes of the message that is being handed out
	err      error       // to be handed out behind them
	refused  atomic.Bool // an error of the server has come since a COPY began
}

// wireBytes is how much is read of a socket at once. PostgreSQL sends 8 KiB at a time, and lib/pq asks for 4.
const wireBytes = 32 << 10

// newWire returns the receiving side of a connection. Where messages cannot be told apart, because they may be
// encrypted, it has no rows.
func newWire(conn net.Conn, plain bool) *wire {
	w := &wire{Conn: conn, sending: sending{plain: plain}, buffer: make([]byte, wireBytes)}
	if !plain {
		w.left = math.MaxInt
	}
	return w
}

// headerBytes is the length of what a message begins with: its type, and how long it is, without the type.
const headerBytes = 5

// size is the length of the message whose header is the next to be handed out.
func (w *wire) size() int {
	return max(headerBytes, 1+int(binary.BigEndian.Uint32(w.buffer[w.from+1:])))
}

// have reads until n bytes are there. Where that fails, lib/pq is to meet the error when it has got what was there.
func (w *wire) have(n int) bool {
	for w.to-w.from < n && w.err == nil {
		if w.from > 0 {
			w.to = copy(w.buffer, w.buffer[w.from:w.to])
			w.from = 0
		}
		var read int
		read, w.err = w.Conn.Read(w.buffer[w.to:])
		w.to += read
	}
	return w.to-w.from >= n
}

// Read hands out the message that has begun, or the next one, as far as it has been received.
func (w *wire) Read(into []byte) (n int, err error) {
	if w.left == 0 {
		w.left = headerBytes // where no more comes, lib/pq is to see how little that was
		if w.have(headerBytes) {
			w.left = w.size()
			w.inspect()
		}
	}
	into = into[:min(len(into), w.left)]
	switch {
	case w.from == w.to && w.err == nil && len(into) >= len(w.buffer):
		n, err = w.Conn.Read(into)
	case w.have(1):
		n = copy(into, w.buffer[w.from:w.to])
		w.from += n
	default:
		err, w.err = w.err, nil
	}
	w.left -= n
	return n, err
}

// inspect looks at the message that is the next to be handed out.
func (w *wire) inspect() {
	switch w.buffer[w.from] {
	case 'E':
		w.refused.Store(true)
	case 'G': // the COPY may be in binary, which is not lib/pq's business: it would refuse to go on
		if w.have(headerBytes + 1) {
			w.buffer[w.from+headerBytes] = 0
		}
		w.refused.Store(false)
	}
}

// row takes the next message where that is a row, and returns what follows its header; it is valid until the next call.
// Anything else, and a row that is larger than the buffer, is left to lib/pq: then row returns nil.
func (w *wire) row() []byte {
	if w.left > 0 || !w.have(headerBytes) || w.buffer[w.from] != 'D' {
		return nil
	}
	size := w.size()
	if size > len(w.buffer) || !w.have(size) {
		return nil
	}
	row := w.buffer[w.from+headerBytes : w.from+size]
	w.from += size
	return row
}
