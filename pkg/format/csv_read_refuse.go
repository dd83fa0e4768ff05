package format

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"batchctl/pkg/fault"
)

// maxCut is how many bytes are kept of the raw text of a record that is too large.
const maxCut = 4 << 10

// inspect looks closely at the record just finished: unusual bytes were met, or it has quotes.
func (c *CSVReader) inspect(raw []byte) error {
	if c.overflow {
		c.overflow = false
		return c.refuse(0, "more than %d fields", MaxFields)
	}
	if !c.lenient {
		if at := c.strayReturn(raw); at >= 0 {
			return c.refuse(at, "carriage return in an unquoted field").
				WithHint("lines end with LF or CRLF; quote the field, or set lenient: true to take it as data")
		}
	}
	if at := bytes.IndexByte(raw, 0); at >= 0 {
		return c.refuse(at, "NUL byte").WithHint("a text file holds none: the file may be binary, damaged, or UTF-16")
	}
	if !utf8.Valid(raw) {
		at := invalidAt(raw)
		return c.refuse(at, "byte 0x%02x is not UTF-8", raw[at]).WithCode(NotUTF8).WithHint("%s", encodingHint)
	}
	return nil
}

// strayReturn returns the index of a carriage return in an unquoted field, or -1.
func (c *CSVReader) strayReturn(raw []byte) int {
	if bytes.IndexByte(raw, '\r') < 0 {
		return -1
	}
	for _, f := range c.record.Fields {
		if f.Quoted {
			continue
		}
		if i := bytes.IndexByte(raw[f.Start:f.End], '\r'); i >= 0 {
			return int(f.Start) + i
		}
	}
	return -1
}

// invalidAt returns the index of the first byte that is not UTF-8.
func invalidAt(b []byte) int {
	at := 0
	for at < len(b) {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// refuse returns the error for the record just finished, found at an index into its Raw.
func (c *CSVReader) refuse(at int, message string, args ...any) *fault.Error {
	c.record.Fields = nil
	return fault.New(fault.Parse, message, args...).At(placeIn(c.name, c.record.Raw, c.record.Line, at))
}

// placeIn returns the position of an index into a text whose first line has a number. Columns count characters.
func placeIn(name string, text []byte, line int64, at int) fault.Position {
	before := text[:at]
	line += int64(bytes.Count(before, newline))
	before = before[bytes.LastIndexByte(before, '\n')+1:]
	return fault.Position{File: name, Line: int(line), Column: utf8.RuneCount(before) + 1}
}

// refuseLine refuses a record for what stands at an index; reading goes on behind the line that holds it, which ends at
// end.
func (c *CSVReader) refuseLine(b []byte, at, end int, message, hint string) error {
	raw := trimReturn(b[:end])
	c.finish(raw, min(end+1, len(b)), int64(bytes.Count(raw, newline))+1)
	return c.refuse(min(at, len(raw)), "%s", message).WithHint("%s", hint)
}

// tooLarge refuses a record above the maximum; reading goes on behind its first line, which ends at end.
func (c *CSVReader) tooLarge(b []byte, end int) error {
	raw := bytes.Clone(b[:min(end, maxCut)])
	if err := c.discardLine(); err != nil {
		return err
	}
	c.count = 0
	c.finish(raw, 0, 0)
	return tooLarge(c.name, c.record.Line, c.max).
		WithHint("a quote that is never closed swallows the lines behind it; set max_record where such records are meant")
}

func tooLarge(name string, line int64, limit int) *fault.Error {
	return fault.New(fault.Parse, "record is larger than %s", sizeText(limit)).At(fault.Position{File: name, Line: int(line)})
}

func sizeText(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
