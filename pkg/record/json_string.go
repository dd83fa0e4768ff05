package record

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// AppendJSONString appends s as a JSON string (RFC 8259, section 7): quotes, backslashes and control characters
// escaped, bytes that are not UTF-8 replaced by U+FFFD, everything else as it is.
func AppendJSONString(dst []byte, s string) []byte {
	dst, _ = AppendJSONText(dst, s)
	return dst
}

// AppendJSONText is AppendJSONString; valid says whether all of s is UTF-8.
func AppendJSONText(dst []byte, s string) (_ []byte, valid bool) {
	dst = append(dst, '"')
	valid = true
	from, at := 0, 0
	for at < len(s) {
		if len(s) >= 8 {
			word := min(at, len(s)-8) // the last word may begin in what was looked at already
			if cleanASCII(binary.LittleEndian.Uint64(unsafeBytes(s)[word:])) {
				at = word + 8
				continue
			}
		}
		c := s[at]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[at:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:at]...), "\uFFFD"...)
				from, valid = at+1, false
			}
			at += size
			continue
		}
		if c < 0x20 || c == '"' || c == '\\' {
			dst = appendEscape(append(dst, s[from:at]...), c)
			from = at + 1
		}
		at++
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"'), valid
}

// cleanASCII reports whether none of eight bytes needs a second look: all are ASCII from blank on, without quote and
// backslash. It may say no to bytes that are fine.
func cleanASCII(x uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^('"'*ones), x^('\\'*ones)
	bad := x | (x - 0x20*ones) | (quote - ones) | (backslash - ones)
	return bad&tops == 0
}

const hexDigits = "0123456789abcdef"

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
