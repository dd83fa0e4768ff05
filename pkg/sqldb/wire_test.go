package sqldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
)

// scripted is a connection that delivers so many bytes at a time, then an error.
type scripted struct {
	net.Conn
	bytes []byte
	step  int
	err   error
}

func (s *scripted) Read(into []byte) (int, error) {
	if len(s.bytes) == 0 {
		return 0, s.err
	}
	n := copy(into, s.bytes[:min(s.step, len(s.bytes))])
	s.bytes = s.bytes[n:]
	return n, nil
}

func message(kind byte, size int) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+size))
	return append(m, bytes.Repeat([]byte{kind | 0x80}, size)...)
}

// However the bytes arrive, rows that fit the buffer are taken, and everything else comes to the driver in full.
func TestWireTellsRowsFromOtherMessages(t *testing.T) {
	t.Parallel()
	stream := slices.Concat(message('D', 0), message('N', 7), message('D', 100), message('D', wireBytes), message('D', wireBytes-headerBytes),
		message('S', 3*wireBytes), message('D', 1), message('C', 0), message('Z', 1))
	wantRows := []int{0, 100, wireBytes - headerBytes, 1}
	wantRest := slices.Concat(message('N', 7), message('D', wireBytes), message('S', 3*wireBytes), message('C', 0), message('Z', 1))
	for _, step := range []int{1, 3, 4, 5, 6, 1000, wireBytes, 1 << 20} {
		for _, ask := range []int{1, 5, 4096, wireBytes, 1 << 20} {
			w := newWire(&scripted{bytes: stream, step: step, err: io.ErrClosedPipe}, true)
			rows, rest, err := drain(w, ask)
			if !slices.Equal(rows, wantRows) || !bytes.Equal(rest, wantRest) || err != io.ErrClosedPipe {
				t.Errorf("%d bytes at a time, %d asked for: got rows %v, %d other bytes (%v)", step, ask, rows, len(rest), err)
			}
		}
	}
}

// drain takes rows while there are any, as the driver reads the message in between in full.
func drain(w *wire, ask int) (rows []int, rest []byte, err error) {
	into := make([]byte, ask)
	for {
		if row := w.row(); row != nil {
			rows = append(rows, len(row))
			continue
		}
		for begun := false; !begun || w.left > 0; begun = true {
			n, err := w.Read(into)
			rest = append(rest, into[:n]...)
			if err != nil {
				return rows, rest, err
			}
		}
	}
}

func TestWireHandsOutWhatCameBeforeAnError(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset")
	for _, torn := range [][]byte{nil, {'D'}, message('D', 50)[:40], []byte("Ecould not fork\x00")} {
		w := newWire(&scripted{bytes: torn, step: 7, err: lost}, true)
		if w.row() != nil {
			t.Fatalf("%q became a row", torn)
		}
		var got []byte
		into := make([]byte, 16)
		n, err := w.Read(into)
		for ; err == nil; n, err = w.Read(into) {
			got = append(got, into[:n]...)
		}
		if err != lost || !bytes.Equal(got, torn) {
			t.Errorf("%q: got %q, then %v", torn, got, err)
		}
	}
}

func TestWireTakesNoRowsFromWhatMayBeEncrypted(t *testing.T) {
	t.Parallel()
	stream := message('D', 100)
	w := newWire(&scripted{bytes: stream, step: 50}, false)
	got := make([]byte, len(stream))
	if w.row() != nil {
		t.Error("got a row")
	}
	if _, err := io.ReadFull(w, got); err != nil || !bytes.Equal(got, stream) {
		t.Errorf("got %q (%v)", got, err)
	}
}

// lib/pq would refuse a COPY in binary; it hears of a text, and of whatever else the server says as it is.
func TestWireHidesThatACopyIsBinary(t *testing.T) {
	t.Parallel()
	begun := []byte{'G', 0, 0, 0, 9, 1, 0, 1, 0, 1}
	for _, step := range []int{1, 4, 5, 6, 1000} {
		w := newWire(&scripted{bytes: slices.Concat(message('N', 3), begun, message('E', 2)), step: step, err: io.EOF}, true)
		got, err := io.ReadAll(w)
		want := slices.Concat(message('N', 3), []byte{'G', 0, 0, 0, 9, 0, 0, 1, 0, 1}, message('E', 2))
		if !bytes.Equal(got, want) || err != nil || !w.refused.Load() {
			t.Errorf("%d bytes at a time: got %x (%v), refused is %v", step, got, err, w.refused.Load())
		}
	}
}
