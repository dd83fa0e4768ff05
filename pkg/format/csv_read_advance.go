package format

import (
	"bytes"
	"io"
	"math"

	"batchctl/pkg/fault"
)

// Until makes the input end at an offset: Next returns io.EOF instead of a record that begins there or behind. Where it is
// a border, as Advance finds them, the records before and behind are those of the whole input. 0 is no limit; Reset keeps
// it.
func (c *CSVReader) Until(offset int64) { c.until = limitOf(offset) }

func limitOf(offset int64) int64 {
	if offset <= 0 {
		return math.MaxInt64
	}
	return offset
}

// Advance passes over records until Position is at or behind an offset, or the input ends. Position is then a border: a
// place where Next would have come to as well. Records without quotes are passed over by their line ends, those with
// quotes as RFC 4180 has them from quote to quote; any other is read, since only reading tells where it ends. Bad ones are
// passed over as Next does.
func (c *CSVReader) Advance(to int64) error {
	for c.window.offset() < to {
		b := c.window.pending()
		b = b[:min(int64(len(b)), to-c.window.offset()-1)]
		size := 0
		if c.quoting && c.escape == c.quote && c.single && !c.lenient && len(c.comment) == 0 {
			size = c.plainRecords(b)
		} else {
			size = c.plainLines(b)
		}
		if size > 0 {
			c.window.at += size
			c.line += int64(bytes.Count(b[:size], newline))
			continue
		}
		err := c.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !fault.ClassOf(err).Data():
			return err
		}
	}
	return nil
}

// plainLines returns the size of the lines that end in b before the first quote.
func (c *CSVReader) plainLines(b []byte) int {
	if c.quoting {
		if quote := bytes.IndexByte(b, c.quote); quote >= 0 {
			b = b[:quote]
		}
	}
	return bytes.LastIndexByte(b, '\n') + 1
}

// plainRecords returns the size of the records that end in b, up to the first whose quotes are not in their places, or
// that is too large. Quotes are doubled in it, and it is read strictly.
func (c *CSVReader) plainRecords(b []byte) int {
	border, at := 0, 0 // of the last record's end; of the first byte that is not looked at, outside of quotes
	for quoted := false; ; quoted = true {
		open := bytes.IndexByte(b[at:], c.quote)
		rest := b[at:]
		if open >= 0 {
			rest = rest[:open]
		}
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			if quoted && at+end-border > c.max {
				return border
			}
			border = at + bytes.LastIndexByte(rest, '\n') + 1
		}
		if open < 0 {
			return border
		}
		open += at
		if open != border && b[open-1] != c.delimiter[0] {
			return border
		}
		if at = c.closingQuote(b, open) + 1; at == 0 {
			return border
		}
	}
}

// closingQuote returns the index of the quote that ends the field which one at open begins, -1 where that is not in b, or
// followed by anything but a delimiter or a line end.
func (c *CSVReader) closingQuote(b []byte, open int) int {
	for at := open + 1; ; at += 2 {
		i := bytes.IndexByte(b[at:], c.quote)
		at += i
		if i < 0 || at+1 >= len(b) {
			return -1
		}
		switch next := b[at+1]; {
		case next == c.quote:
			continue
		case next == c.delimiter[0], next == '\n', next == '\r' && at+2 < len(b) && b[at+2] == '\n':
			return at
		}
		return -1
	}
}
