package format

import (
	"encoding/binary"
	"strings"
	"unsafe"
)

// specials finds the bytes that make a field need quotes.
type specials struct {
	delimiter string
	quote     byte
	first     byte // of the delimiter
	masks     [4]uint64
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

func newSpecials(delimiter string, quote byte) specials {
	return specials{
		delimiter: delimiter, quote: quote, first: delimiter[0],
		masks: [4]uint64{uint64(delimiter[0]) * ones, uint64(quote) * ones, '\r' * ones, '\n' * ones},
	}
}

// in reports whether text holds the delimiter, the quote, CR or LF. It looks at eight bytes at a time: x has a byte b
// where x^bbbbbbbb has a zero one, and y has a zero byte where (y-01..01)&^y has a top bit (Mycroft).
func (s *specials) in(text string) bool {
	bytes := unsafe.Slice(unsafe.StringData(text), len(text))
	for len(bytes) >= 8 {
		x := binary.LittleEndian.Uint64(bytes)
		a, b, c, d := x^s.masks[0], x^s.masks[1], x^s.masks[2], x^s.masks[3]
		if ((a-ones)&^a|(b-ones)&^b|(c-ones)&^c|(d-ones)&^d)&tops != 0 {
			return s.found(text)
		}
		bytes = bytes[8:]
	}
	for _, c := range bytes {
		if c == s.first || c == s.quote || c == '\r' || c == '\n' {
			return s.found(text)
		}
	}
	return false
}

// found tells a delimiter of several bytes from its first byte alone. A text that ends as a delimiter begins counts too:
// with the delimiter || the fields a| and b, not quoted, would read as a and |b.
func (s *specials) found(text string) bool {
	if len(s.delimiter) == 1 || strings.Contains(text, s.delimiter) {
		return true
	}
	for n := 1; n < len(s.delimiter); n++ {
		if strings.HasSuffix(text, s.delimiter[:n]) {
			return true
		}
	}
	return strings.IndexByte(text, s.quote) >= 0 || strings.ContainsAny(text, "\r\n")
}

// isFormula reports whether a spreadsheet would compute text.
func isFormula(text string) bool {
	if text == "" || strings.IndexByte("=+-@\t\r", text[0]) < 0 {
		return false
	}
	return !isPlainNumber(text)
}

// isPlainNumber reports whether text is [+-]digits, with separators between them.
func isPlainNumber(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digits++
		case (c == '+' || c == '-') && i == 0, (c == '.' || c == ',') && digits > 0:
		default:
			return false
		}
	}
	return digits > 0
}
