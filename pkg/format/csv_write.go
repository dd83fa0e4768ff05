package format

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/record"
)

// CSVWriterOptions say what a delimited text is to look like. The zero value is RFC 4180 with lines that end with LF.
type CSVWriterOptions struct {
	Delimiter string // "," where empty; one or more bytes
	Quote     byte   // '"' where 0
	CRLF      bool   // lines end with CR LF
	NullText  string // stands, unquoted, for null and absent
	// MarkText quotes every text that reads like NullText, so that null and text can be told apart when they are read:
	// with an empty NullText null is nothing and an empty text is "", as in PostgreSQL's COPY.
	MarkText       bool
	QuoteAll       bool // every field is quoted but null
	EscapeFormulas bool // see CSVWriter
}

// CSVWriter makes delimited text of records. It makes no allocation for a record.
//
// A value is written with the text it was read with, else in its canonical form. It is quoted where RFC 4180 asks for it:
// where it holds the delimiter, the quote, CR or LF; quotes inside are doubled. Blanks at its ends are data and no reason
// to quote. A line that holds nothing, or nothing but \., is one field quoted: readers pass over empty lines, and
// PostgreSQL's COPY ends at a lone \. .
//
// With EscapeFormulas a text that a spreadsheet would compute, because it begins with = + - @ TAB or CR and is no plain
// number, gets an apostrophe in front (OWASP, "CSV Injection"). Such a file does not read back as what was written.
type CSVWriter struct {
	delimiter []byte
	lineEnd   string
	null      string
	o         CSVWriterOptions
	simple    bool // a look at the whole line tells whether any of its fields needs quotes
	special   specials
}

// NewCSVWriter returns a writer, or an error that says which of the options cannot work together.
func NewCSVWriter(o CSVWriterOptions) (*CSVWriter, error) {
	if o.Delimiter == "" {
		o.Delimiter = ","
	}
	if o.Quote == 0 {
		o.Quote = '"'
	}
	w := &CSVWriter{
		delimiter: []byte(o.Delimiter), lineEnd: "\n", null: o.NullText, o: o,
		simple: !o.QuoteAll && !o.EscapeFormulas && len(o.Delimiter) == 1, special: newSpecials(o.Delimiter, o.Quote),
	}
	if o.CRLF {
		w.lineEnd = "\r\n"
	}
	return w, w.check()
}

func (w *CSVWriter) check() error {
	switch {
	case bytes.ContainsAny(w.delimiter, "\r\n\x00") || !utf8.Valid(w.delimiter):
		return errors.New("the delimiter must be UTF-8 without line ends and NUL")
	case w.o.Quote >= utf8.RuneSelf || w.o.Quote < ' ':
		return errors.New("the quote must be one printable ASCII character")
	case bytes.IndexByte(w.delimiter, w.o.Quote) >= 0:
		return fmt.Errorf("the delimiter %q must not contain the quote %q", w.delimiter, w.o.Quote)
	case w.special.in(w.null):
		return fmt.Errorf("the null text %q must not contain delimiter, quote or line ends", w.null)
	}
	return nil
}

// AppendRecord appends one line: the values of r at positions, in their order; a negative position is absent.
func (w *CSVWriter) AppendRecord(dst []byte, r record.Record, positions []int) []byte {
	if w.simple {
		start := len(dst)
		dst = w.appendPlain(dst, r, positions)
		if w.isPlain(dst[start:], len(positions)) {
			return append(dst, w.lineEnd...)
		}
		dst = dst[:start]
	}
	start := len(dst)
	for i, at := range positions {
		if i > 0 {
			dst = append(dst, w.delimiter...)
		}
		if at < 0 || at >= len(r.Values) || r.Values[at].IsNull() {
			dst = append(dst, w.null...)
			continue
		}
		dst = w.appendValue(dst, &r.Values[at])
	}
	return w.endLine(dst, start)
}

// AppendLine appends one line of texts: the names of the columns.
func (w *CSVWriter) AppendLine(dst []byte, texts []string) []byte {
	start := len(dst)
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, w.delimiter...)
		}
		if w.o.EscapeFormulas && isFormula(text) {
			dst = w.appendFormula(dst, text)
			continue
		}
		dst = w.appendText(dst, text, w.o.QuoteAll)
	}
	return w.endLine(dst, start)
}

// AppendRaw appends a text as it is, and a line end where it has none.
func (w *CSVWriter) AppendRaw(dst []byte, text string) []byte {
	dst = append(dst, text...)
	if strings.HasSuffix(text, "\n") {
		return dst
	}
	return append(dst, w.lineEnd...)
}

// appendPlain appends the values without quotes, in the hope that none needs them. isPlain then looks at the whole line
// at once, which is faster than a look at each field.
func (w *CSVWriter) appendPlain(dst []byte, r record.Record, positions []int) []byte {
	delimiter := w.delimiter[0]
	for i, at := range positions {
		if i > 0 {
			dst = append(dst, delimiter)
		}
		if at < 0 || at >= len(r.Values) || r.Values[at].IsNull() {
			dst = append(dst, w.null...)
			continue
		}
		start := len(dst)
		if text := r.Values[at].Text(); text != "" {
			dst = append(dst, text...)
		} else {
			dst = r.Values[at].AppendCanonical(dst)
		}
		if w.o.MarkText && string(dst[start:]) == w.null {
			return append(dst, w.o.Quote) // no plain line has it
		}
	}
	return dst
}

// isPlain reports whether a line of so many fields, none of them quoted, reads as these fields.
func (w *CSVWriter) isPlain(line []byte, fields int) bool {
	if fields == 1 && (len(line) == 0 || string(line) == `\.`) {
		return false
	}
	return bytes.IndexByte(line, w.o.Quote) < 0 && bytes.IndexByte(line, '\n') < 0 && bytes.IndexByte(line, '\r') < 0 &&
		bytes.Count(line, w.delimiter) == fields-1
}

func (w *CSVWriter) appendValue(dst []byte, v *record.Value) []byte {
	var space [64]byte
	text := v.Text()
	if text == "" {
		text = record.String(v.AppendCanonical(space[:0]))
	}
	if w.o.EscapeFormulas && v.Kind() >= record.Text && isFormula(text) {
		return w.appendFormula(dst, text)
	}
	return w.appendText(dst, text, w.o.QuoteAll || w.o.MarkText && text == w.null)
}

func (w *CSVWriter) appendText(dst []byte, text string, quoted bool) []byte {
	if !quoted && !w.special.in(text) {
		return append(dst, text...)
	}
	dst = append(dst, w.o.Quote)
	dst = w.appendDoubled(dst, text)
	return append(dst, w.o.Quote)
}

// appendDoubled appends text with every quote in it twice.
func (w *CSVWriter) appendDoubled(dst []byte, text string) []byte {
	for {
		at := strings.IndexByte(text, w.o.Quote)
		if at < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:at+1]...), w.o.Quote)
		text = text[at+1:]
	}
}

// appendFormula quotes in any case, since some spreadsheets look behind a delimiter that they, but not we, take for one.
func (w *CSVWriter) appendFormula(dst []byte, text string) []byte {
	dst = append(dst, w.o.Quote, '\'')
	dst = w.appendDoubled(dst, text)
	return append(dst, w.o.Quote)
}

func (w *CSVWriter) endLine(dst []byte, start int) []byte {
	switch line := dst[start:]; {
	case len(line) == 0:
		dst = append(dst, w.o.Quote, w.o.Quote)
	case string(line) == `\.`:
		dst = append(dst[:start], w.o.Quote, '\\', '.', w.o.Quote)
	}
	return append(dst, w.lineEnd...)
}
