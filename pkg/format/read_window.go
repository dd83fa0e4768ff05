// Package format is CSV and JSON as bytes and offsets: tokenizers that can begin behind any record, and encoders. It opens
// no files.
package format

import "io"

const (
	// tailSize is how many bytes before the place of reading are kept, for TailBefore.
	tailSize = 64 << 10
	// blockSize is how many bytes are asked of the input at a time.
	blockSize = 256 << 10
	// padding is how many bytes may be looked at behind the end of what was read, so that a scan by words needs no
	// special end.
	padding = 8
	// DefaultMaxRecord is the size in bytes above which a record is refused.
	DefaultMaxRecord = 16 << 20
)

// NotUTF8 is the code of a CSVReader's errors about bytes that are not UTF-8.
const NotUTF8 = "not_utf8"

const encodingHint = "say which encoding the file has, as in encoding: cp949 on the reader; or convert it: iconv -f CP949 -t UTF-8"

// Position is a place between two records of an input: what a reader needs to go on there.
type Position struct {
	Offset   int64 // bytes before it
	Line     int64 // number of the line it lies in, from 1
	Elements int64 // JSON array: elements before it; 0 outside of arrays and before the first element
	Ended    bool  // JSON array: the array and the whole text around it have been checked to their end
}

// Start is the beginning of an input.
func Start() Position { return Position{Line: 1} }

// window is a stretch of an input in memory. Bytes before at have been consumed and are kept for a while; those from at
// to end are waiting. Its memory moves only in more.
type window struct {
	input io.Reader
	buf   []byte
	at    int
	end   int
	base  int64 // offset of buf[0] in the input
	done  bool  // the input has no more bytes
	err   error // why it has none, where that is not its end
}

// reset begins anew with an input that stands before bytes in front of offset; they become the tail.
func (w *window) reset(input io.Reader, offset int64, before int) error {
	if w.buf == nil {
		w.buf = make([]byte, tailSize+blockSize+padding)
	}
	w.input, w.done, w.err = input, false, nil
	w.base, w.at, w.end = offset-int64(before), before, before
	if _, err := io.ReadFull(input, w.buf[:before]); err != nil {
		return err
	}
	return nil
}

// pending returns the bytes read and not consumed. It is valid until more.
func (w *window) pending() []byte { return w.buf[w.at:w.end] }

// offset returns the place of the first pending byte in the input.
func (w *window) offset() int64 { return w.base + int64(w.at) }

// tail returns the consumed bytes still in memory, up to tailSize.
func (w *window) tail() []byte { return w.buf[max(0, w.at-tailSize):w.at] }

// more reads on and reports whether there are more pending bytes than before. It moves memory: what pending returned
// before is no longer valid.
func (w *window) more() bool {
	if w.done {
		return false
	}
	if drop := w.at - tailSize; drop > 0 {
		copy(w.buf, w.buf[drop:w.end])
		w.at, w.end, w.base = w.at-drop, w.end-drop, w.base+int64(drop)
	}
	limit := len(w.buf) - padding
	if w.end > limit/2 && limit-w.end < blockSize/2 {
		grown := make([]byte, 2*limit+padding)
		copy(grown, w.buf[:w.end])
		w.buf, limit = grown, 2*limit
	}
	before := w.end
	for w.end < limit && !w.done {
		n, err := w.input.Read(w.buf[w.end:limit])
		w.end += n
		if err != nil {
			w.done = true
			if err != io.EOF {
				w.err = err
			}
		}
	}
	return w.end > before
}
