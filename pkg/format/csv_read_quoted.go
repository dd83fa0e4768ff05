package format

import "bytes"

var newline = []byte{'\n'}

// outcome is how far the scan of a record has come at the index that is returned with it.
type outcome uint8

const (
	fieldNext   outcome = iota // a field begins there
	recordEnd                  // the record's line end, or the end of the input
	neverClosed                // an opening quote: its field does not end in the input in memory
	unfinished                 // nothing can be said before more of the input is in memory
	bareQuote                  // a quote within an unquoted field
	textBehind                 // something behind a closing quote that is neither delimiter nor line end
)

// scanQuoted splits a record that holds a quote. Its first line ends at end; the record may go on behind it.
func (c *CSVReader) scanQuoted(b []byte, end int) (err error, again bool) {
	at, result := c.quotedRecord(b, end)
	stop := at // what has to be in memory to judge the record
	if result == neverClosed || result == unfinished {
		stop = -1
	} else if result != recordEnd {
		stop = c.lineEnd(b, at)
	}
	switch {
	case stop > c.max || stop < 0 && len(b) > c.max+len(c.delimiter)+1: // a delimiter or CRLF may be cut in two
		return c.tooLarge(b, end), false
	case stop < 0 && !c.window.done:
		c.window.more()
		return nil, true
	case stop < 0 && c.window.err != nil:
		return c.window.err, false
	}
	switch result {
	case neverClosed:
		return c.refuseLine(b, at, c.lineEnd(b, at), "quoted field is never closed", "the quote that opens it stands here"), false
	case bareQuote:
		return c.refuseLine(b, at, stop, "quote in an unquoted field",
			`quote the field and double the quotes in it, as in "6"" pipe", or set lenient: true`), false
	case textBehind:
		return c.refuseLine(b, at, stop, "text behind the closing quote of a field",
			`double quotes inside a quoted field, as in "6"" pipe", or set lenient: true`), false
	}
	raw := trimReturn(b[:at])
	c.finish(raw, min(at+1, len(b)), int64(bytes.Count(raw, newline))+1)
	return c.inspect(raw), false
}

// lineEnd returns the index of the line end at or behind an index; -1 where it is not in memory.
func (c *CSVReader) lineEnd(b []byte, at int) int {
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		return at + i
	}
	if c.window.done {
		return len(b)
	}
	return -1
}

// quotedRecord splits the record at the beginning of b into fields.
func (c *CSVReader) quotedRecord(b []byte, end int) (int, outcome) {
	for at := 0; ; {
		var result outcome
		if at < len(b) && b[at] == c.quote {
			at, result = c.quotedField(b, at)
		} else {
			if at > end {
				if end = c.lineEnd(b, at); end < 0 {
					return at, unfinished
				}
			}
			at, result = c.plainFields(b, at, end)
		}
		if result != fieldNext {
			return at, result
		}
	}
}

// plainFields adds the unquoted fields from an index on, up to a quoted one or to the line end.
func (c *CSVReader) plainFields(b []byte, at, end int) (int, outcome) {
	for {
		quote := bytes.IndexByte(b[at:end], c.quote)
		if quote < 0 {
			line := trimReturn(b[:end])
			c.split(line, at, len(line))
			return end, recordEnd
		}
		quote += at
		start := c.fieldStart(b, at, quote)
		if start > at {
			c.split(b, at, start-len(c.delimiter))
		}
		if start == quote || c.lenient && isBlank(b[start:quote]) {
			return quote, fieldNext
		}
		if !c.lenient {
			return quote, bareQuote
		}
		i := bytes.Index(b[quote:end], c.delimiter)
		if i < 0 {
			c.add(CSVField{Start: int32(start), End: int32(len(trimReturn(b[:end])))})
			return end, recordEnd
		}
		c.add(CSVField{Start: int32(start), End: int32(quote + i)})
		at = quote + i + len(c.delimiter)
	}
}

// fieldStart returns where the field begins that holds an index.
func (c *CSVReader) fieldStart(b []byte, at, index int) int {
	if c.single {
		return at + bytes.LastIndexByte(b[at:index], c.delimiter[0]) + 1
	}
	for {
		i := bytes.Index(b[at:index], c.delimiter)
		if i < 0 {
			return at
		}
		at += i + len(c.delimiter)
	}
}

func isBlank(b []byte) bool { return len(bytes.TrimLeft(b, " \t")) == 0 }

// quotedField adds the field whose opening quote stands at an index.
func (c *CSVReader) quotedField(b []byte, open int) (int, outcome) {
	escaped := false
	for at := open + 1; ; {
		i := bytes.IndexByte(b[at:], c.quote)
		if i < 0 {
			return open, neverClosed
		}
		at += i
		switch {
		case c.escape != c.quote && c.escapedAt(b, open+1, at):
			escaped = true
			at++
			continue
		case c.escape == c.quote && at+1 < len(b) && b[at+1] == c.quote:
			escaped = true
			at += 2
			continue
		}
		next, result := c.behindQuote(b, at+1)
		if result == textBehind && c.lenient {
			escaped = true
			at++
			continue
		}
		if result == fieldNext || result == recordEnd {
			escaped = escaped || c.escape != c.quote && bytes.IndexByte(b[open+1:at], c.escape) >= 0
			c.add(CSVField{Start: int32(open + 1), End: int32(at), Quoted: true, Escaped: escaped})
		}
		return next, result
	}
}

// escapedAt reports whether an odd number of escapes stands before an index, none of them before from.
func (c *CSVReader) escapedAt(b []byte, from, at int) bool {
	n := 0
	for at-n > from && b[at-n-1] == c.escape {
		n++
	}
	return n%2 == 1
}

// behindQuote says what stands behind a closing quote: a delimiter, the record's end, or something that must not.
func (c *CSVReader) behindQuote(b []byte, at int) (int, outcome) {
	if c.lenient {
		for at < len(b) && (b[at] == ' ' || b[at] == '\t') && !bytes.HasPrefix(b[at:], c.delimiter) {
			at++
		}
	}
	rest := b[at:]
	switch {
	case bytes.HasPrefix(rest, c.delimiter):
		return at + len(c.delimiter), fieldNext
	case len(rest) == 0 && c.window.done, len(rest) > 0 && rest[0] == '\n':
		return at, recordEnd
	case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n', len(rest) == 1 && rest[0] == '\r' && c.window.done:
		return at + 1, recordEnd
	case !c.window.done && (len(rest) < 2 || len(rest) < len(c.delimiter)):
		return at, unfinished
	}
	return at, textBehind
}

// AppendField appends the text of a field to dst, escapes taken out. raw is the Raw of its record, or a copy.
func (c *CSVReader) AppendField(dst []byte, raw []byte, f CSVField) []byte {
	text := raw[f.Start:f.End]
	for f.Escaped {
		i := bytes.IndexByte(text, c.escape)
		if i < 0 || i+1 == len(text) {
			break
		}
		if next := text[i+1]; next == c.quote || next == c.escape {
			dst = append(append(dst, text[:i]...), next)
		} else {
			dst = append(dst, text[:i+2]...)
		}
		text = text[i+2:]
	}
	return append(dst, text...)
}
