package sqldb

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"unsafe"

	"batchctl/pkg/record"
)

// Value appends the next value of the row.
func (w *CopyWriter) Value(v record.Value) {
	if w.types != nil {
		w.binaryValue(v)
		return
	}
	w.next()
	switch v.Kind() {
	case record.Absent, record.Null:
		w.buffer = append(w.buffer, '\\', 'N')
	case record.Text, record.JSON:
		w.buffer = appendCopyText(w.buffer, v.Text())
	case record.Bytes:
		w.buffer = append(w.buffer, '\\') // escapes the one that bytes begin with
		fallthrough
	default:
		w.buffer = appendUnescaped(w.buffer, v)
	}
}

// Text appends the next value of the row, a text. It is Value for texts, in less time.
func (w *CopyWriter) Text(s string) {
	if w.types != nil {
		w.binaryString(w.nextType(), s, false)
		return
	}
	w.next()
	w.buffer = appendCopyText(w.buffer, s)
}

// appendUnescaped appends a value other than a text as PostgreSQL reads it.
func appendUnescaped(dst []byte, v record.Value) []byte {
	switch v.Kind() {
	case record.Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case record.Float:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case record.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case record.Bytes:
		return hex.AppendEncode(append(dst, '\\', 'x'), []byte(v.Text()))
	}
	return appendPlain(dst, v) // digits and punctuation only
}

func (w *CopyWriter) next() {
	if w.values > 0 {
		w.buffer = append(w.buffer, '\t')
	}
	w.values++
}

// appendCopyText appends a text with the characters escaped that COPY gives a meaning.
func appendCopyText(dst []byte, s string) []byte {
	if plainCopy(unsafe.Slice(unsafe.StringData(s), len(s))) {
		return append(dst, s...)
	}
	start := 0
	for i := range len(s) {
		if c := s[i]; int(c) < len(copyEscapes) && copyEscapes[c] != 0 {
			dst = append(append(dst, s[start:i]...), '\\', copyEscapes[c])
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

// copyEscapes has what follows the backslash for a character that COPY gives a meaning, else 0.
var copyEscapes = [...]byte{'\\': '\\', '\n': 'n', '\r': 'r', '\t': 't'}

// plainCopy reports whether a text has nothing that COPY gives a meaning. It may say no to one that has not.
func plainCopy(s []byte) bool {
	n := len(s)
	switch {
	case n >= 8:
		for rest := s; len(rest) > 8; rest = rest[8:] {
			if !plainEight(binary.LittleEndian.Uint64(rest)) {
				return false
			}
		}
		return plainEight(binary.LittleEndian.Uint64(s[n-8:]))
	case n >= 4:
		return plainEight(uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[n-4:]))<<32)
	}
	for _, c := range s {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return true
}

// plainEight reports whether eight bytes are all from blank on, and no backslash: y has a byte below b where (y-bb..bb)&^y
// has a top bit (Mycroft).
func plainEight(x uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	backslash := x ^ '\\'*ones
	return ((x-' '*ones)&^x|(backslash-ones)&^backslash)&tops == 0
}
