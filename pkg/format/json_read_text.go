package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text scans the string at s.at, eight bytes at a time, and says whether it holds escapes.
func (s *jsonScanner) text() (escaped, ok bool) {
	start := s.at + 1
	words := s.b[: len(s.b)+padding : cap(s.b)]
	var high uint64
	for at := start; at < len(s.b); {
		word := binary.LittleEndian.Uint64(words[at : at+8])
		found := zeroByte(word^everyByte*'"') | zeroByte(word^everyByte*'\\') | (word-everyByte*' ')&^word
		found &= highBits
		if found == 0 {
			high |= word
			at += 8
			continue
		}
		high |= word & (found&-found - 1)
		at += bits.TrailingZeros64(found) >> 3
		if at >= len(s.b) {
			break
		}
		switch s.b[at] {
		case '"':
			s.at = at + 1
			if high&highBits != 0 && !utf8.Valid(s.b[start:at]) {
				return false, s.invalidText(start, at)
			}
			return escaped, true
		case '\\':
			escaped = true
			if at, ok = s.escape(at); !ok {
				return false, false
			}
		default:
			return false, s.fail(at, "control character in a text: "+describeByte(s.b[at]), `line ends stand as \n in a text, tabs as \t`)
		}
	}
	s.at = len(s.b)
	return false, false
}

// zeroByte returns a word in which the lowest high bit that is set stands for the first byte of x that is 0.
func zeroByte(x uint64) uint64 { return (x - everyByte) &^ x }

func (s *jsonScanner) invalidText(start, end int) bool {
	at := start + invalidAt(s.b[start:end])
	return s.fail(at, "byte "+hexByte(s.b[at])+" is not UTF-8", encodingHint)
}

// escape checks the escape at an index and returns the index behind it.
func (s *jsonScanner) escape(at int) (int, bool) {
	if at+1 >= len(s.b) {
		return at, false
	}
	c := s.b[at+1]
	if c != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
			return at, s.fail(at, `no such escape: \`+describeChar(c), `a backslash itself is written \\`)
		}
		return at + 2, true
	}
	unit, ok := s.hex(at)
	switch {
	case !ok:
		return at, false
	case unit>>10 == 0xdc00>>10:
		return at, s.loneSurrogate(at)
	case unit>>10 != 0xd800>>10:
		return at + 6, true
	}
	second := at + 6
	if len(s.b) < second+2 {
		if rest := s.b[min(second, len(s.b)):]; string(rest) == `\u`[:len(rest)] {
			return at, false
		}
	}
	if len(s.b) < second+2 || s.b[second] != '\\' || s.b[second+1] != 'u' {
		return at, s.loneSurrogate(at)
	}
	low, ok := s.hex(second)
	if ok && low>>10 != 0xdc00>>10 {
		return at, s.loneSurrogate(at)
	}
	return second + 6, ok
}

func (s *jsonScanner) loneSurrogate(at int) bool {
	return s.fail(at, "half a surrogate pair: "+string(s.b[at:at+6]), `characters beyond U+FFFF are written as two \u escapes`)
}

// hex returns the UTF-16 unit of the \u escape at an index.
func (s *jsonScanner) hex(at int) (unit rune, ok bool) {
	for i := at + 2; i < at+6; i++ {
		if i >= len(s.b) {
			return 0, false
		}
		digit := hexDigit(s.b[i])
		if digit < 0 {
			return 0, s.fail(at, `four hexadecimal digits behind \u are expected`, "")
		}
		unit = unit<<4 | digit
	}
	return unit, true
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// appendUnescaped appends the text that the inside of a checked JSON string stands for.
func appendUnescaped(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		switch c := text[i+1]; c {
		case 'u':
			r, size := unicodeEscape(text[i:])
			dst = utf8.AppendRune(dst, r)
			text = text[i+size:]
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default:
			dst = append(dst, c)
		}
		text = text[i+2:]
	}
}

// unicodeEscape returns the character that the escape, or pair of escapes, at the beginning of text stands for.
func unicodeEscape(text []byte) (r rune, size int) {
	r = unitAt(text)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	return utf16.DecodeRune(r, unitAt(text[6:])), 12
}

func unitAt(escape []byte) rune {
	return hexDigit(escape[2])<<12 | hexDigit(escape[3])<<8 | hexDigit(escape[4])<<4 | hexDigit(escape[5])
}

// describeByte returns a byte as a message shows it.
func describeByte(c byte) string {
	if c < ' ' || c >= 0x7f {
		return "byte " + hexByte(c)
	}
	return strconv.Quote(string(rune(c)))
}

func describeChar(c byte) string {
	if c < ' ' || c >= 0x7f {
		return "byte " + hexByte(c)
	}
	return string(rune(c))
}

func hexByte(c byte) string { return fmt.Sprintf("0x%02x", c) }

// quoteShort returns a text in quotes, cut where it is long.
func quoteShort(b []byte) string {
	if len(b) > 64 {
		b = append(bytes.Clone(b[:61]), "..."...)
	}
	return strconv.Quote(string(b))
}

// wordAt returns the beginning of b up to a blank or a mark.
func wordAt(b []byte) []byte {
	if i := bytes.IndexAny(b, " \t\r\n,:]}[{\""); i > 0 {
		return b[:i]
	}
	return b
}
