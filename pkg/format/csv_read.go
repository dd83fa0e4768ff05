package format

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// CSVReaderOptions say what a delimited text looks like. The zero value is RFC 4180.
type CSVReaderOptions struct {
	Name      string // of the input, for messages
	Delimiter string // "," where empty; one or more bytes
	Quote     byte   // '"' where 0
	NoQuote   bool   // quotes are data
	Escape    byte   // what makes a quote inside a quoted field data; the quote itself where 0 (doubled)
	Comment   string // lines that begin with it are skipped; none where empty
	Lenient   bool   // see CSVReader
	MaxRecord int    // bytes; DefaultMaxRecord where 0
}

// CSVReader splits a delimited text into records and fields, as RFC 4180 says, and keeps where each record stands, so
// that another reader can go on behind it. It makes no allocation for a record.
//
// Lines end with LF or CRLF; a carriage return alone is refused in an unquoted field (a quoted one keeps it), but for
// one at the very end of the input. A UTF-8 byte order mark at the beginning is dropped. Lines without any byte are
// skipped, so a record of one empty field is written as a quoted one. All other bytes are data: blanks are not trimmed.
// A quoted field keeps its line ends as they are. An escape character other than the quote counts only inside quoted
// fields, in front of a quote or another escape; elsewhere it is data.
//
// Strict reading refuses a quote inside an unquoted field and anything but a delimiter or line end behind a closing
// quote. Lenient reading takes such quotes, and carriage returns, as data, and drops blanks around a quoted field. A
// quoted field that never ends, NUL bytes, invalid UTF-8 and records above MaxRecord are refused by both.
//
// Behind a bad record reading goes on with the next line: the one after the line in which the fault was found, or,
// where a quoted field never ends, after the line in which it was opened. Behind a record above MaxRecord it goes on
// after the record's first line, since most often a quote that was not meant as one made it so large.
type CSVReader struct {
	name      string
	delimiter []byte
	single    bool // the delimiter is one byte
	quote     byte
	quoting   bool
	escape    byte
	comment   []byte
	lenient   bool
	max       int

	window   window
	line     int64 // of the first pending byte
	until    int64 // no record is read that begins here or behind
	record   CSVRecord
	fields   []CSVField // memory for record.Fields, the first count in use
	count    int
	overflow bool // there were more than MaxFields
}

// CSVRecord is one record of the input. Its slices are valid until the next call of Next.
type CSVRecord struct {
	Raw    []byte     // as it stands in the input, without the line end
	Line   int64      // of its first byte, from 1
	Start  int64      // offset of its first byte
	End    int64      // offset of the byte behind its line end
	Fields []CSVField // none where the record is bad
}

// CSVField is where a field stands within a record's Raw, without its quotes.
type CSVField struct {
	Start, End int32
	Quoted     bool
	Escaped    bool // holds escapes: its text is to be had from AppendField
}

// NewCSVReader returns a reader without input; call Reset. The error says which of the options cannot work together.
func NewCSVReader(o CSVReaderOptions) (*CSVReader, error) {
	c := &CSVReader{
		name: o.Name, delimiter: []byte(o.Delimiter), quote: o.Quote, quoting: !o.NoQuote, escape: o.Escape,
		comment: []byte(o.Comment), lenient: o.Lenient, max: o.MaxRecord, until: limitOf(0),
	}
	if o.Delimiter == "" {
		c.delimiter = []byte{','}
	}
	if c.quote == 0 {
		c.quote = '"'
	}
	if c.escape == 0 {
		c.escape = c.quote
	}
	if c.max <= 0 {
		c.max = DefaultMaxRecord
	}
	c.single = len(c.delimiter) == 1
	return c, c.check()
}

func (c *CSVReader) check() error {
	switch {
	case bytes.ContainsAny(c.delimiter, "\r\n\x00"):
		return fmt.Errorf("the delimiter must not contain line ends or NUL")
	case !utf8.Valid(c.delimiter):
		return fmt.Errorf("the delimiter is not UTF-8")
	case c.quoting && bytes.IndexByte(c.delimiter, c.quote) >= 0:
		return fmt.Errorf("the delimiter %q must not contain the quote %q", c.delimiter, c.quote)
	case c.quoting && bytes.IndexByte(c.delimiter, c.escape) >= 0:
		return fmt.Errorf("the delimiter %q must not contain the escape %q", c.delimiter, c.escape)
	case !plainMark(c.quote) || !plainMark(c.escape):
		return fmt.Errorf("quote and escape must be one ASCII character each, and no line end")
	case bytes.ContainsAny(c.comment, "\r\n"):
		return fmt.Errorf("the comment prefix must not contain line ends")
	}
	return nil
}

func plainMark(b byte) bool { return b != 0 && b != '\r' && b != '\n' && b < utf8.RuneSelf }

// Reset begins to read input at a place between two records. The input must stand before bytes in front of
// from.Offset: up to 64 KiB, that Tail then returns.
func (c *CSVReader) Reset(input io.Reader, from Position, before int) error {
	c.line = from.Line
	c.record = CSVRecord{}
	if err := c.window.reset(input, from.Offset, before); err != nil {
		return err
	}
	if from.Offset == 0 {
		dropByteOrderMark(&c.window)
	}
	return nil
}

func dropByteOrderMark(w *window) {
	w.more()
	if bytes.HasPrefix(w.pending(), []byte("\xef\xbb\xbf")) {
		w.at += 3
	}
}

// SetName says what the input is called in messages from now on.
func (c *CSVReader) SetName(name string) { c.name = name }

// Position returns the place behind the last record that Next returned or refused.
func (c *CSVReader) Position() Position { return Position{Offset: c.window.offset(), Line: c.line} }

// Tail returns up to 64 KiB of the input before Position. It is valid until the next call of Next.
func (c *CSVReader) Tail() []byte { return c.window.tail() }

// Record returns the last record that Next returned or refused; of a refused one Raw may be cut.
func (c *CSVReader) Record() *CSVRecord { return &c.record }

// SkipLine passes over one line whatever it holds. At the end of the input it returns io.EOF.
func (c *CSVReader) SkipLine() error {
	if len(c.window.pending()) == 0 && !c.window.more() {
		return c.ending()
	}
	return c.discardLine()
}

// Next reads a record, for Record. At the end of the input it returns io.EOF. An error of class parse is about one
// record, and Next can be called again; after any other error it cannot.
func (c *CSVReader) Next() error {
	for {
		if c.window.offset() >= c.until {
			return io.EOF
		}
		b := c.window.pending()
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			if !c.window.done && len(b) <= c.max {
				c.window.more()
				continue
			}
			if len(b) == 0 || c.window.err != nil {
				return c.ending()
			}
			end = len(b)
		}
		if c.skipped(b[:end]) {
			if err := c.discardLine(); err != nil {
				return err
			}
			continue
		}
		if err, again := c.scan(b, end); !again {
			return err
		}
	}
}

// ending returns io.EOF, or the error that ended the input.
func (c *CSVReader) ending() error {
	if c.window.err != nil {
		return c.window.err
	}
	return io.EOF
}

// skipped reports whether a line is empty or a comment.
func (c *CSVReader) skipped(line []byte) bool {
	if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
		return true
	}
	return len(c.comment) > 0 && bytes.HasPrefix(line, c.comment)
}

// discardLine consumes the pending line, however long it is.
func (c *CSVReader) discardLine() error {
	c.line++
	for {
		b := c.window.pending()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.window.at += i + 1
			return nil
		}
		c.window.at = c.window.end
		if !c.window.more() {
			return c.window.err
		}
	}
}

// scan splits the record at the beginning of b, whose first line ends at end. again is true where it took in more of
// the input and has to be called anew.
func (c *CSVReader) scan(b []byte, end int) (err error, again bool) {
	c.record.Line, c.record.Start = c.line, c.window.offset()
	c.record.Fields, c.count = nil, 0
	switch {
	case end > c.max:
		return c.tooLarge(b, end), false
	case c.quoting && bytes.IndexByte(b[:end], c.quote) >= 0:
		return c.scanQuoted(b, end)
	}
	line := trimReturn(b[:end])
	marks := c.split(line, 0, len(line))
	c.finish(line, min(end+1, len(b)), 1)
	if marks != 0 || c.overflow {
		return c.inspect(line), false
	}
	return nil, false
}

// finish notes the record raw, which takes size bytes and lines line ends of the input.
func (c *CSVReader) finish(raw []byte, size int, lines int64) {
	c.record.Raw = raw
	c.record.Fields = c.fields[:c.count]
	c.window.at += size
	c.line += lines
	c.record.End = c.window.offset()
}

// trimReturn drops a carriage return at the end of a line: that of a CRLF, or the last byte of the input.
func trimReturn(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
