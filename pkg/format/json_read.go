package format

import (
	"bytes"
	"io"
	"unicode/utf8"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// JSONReaderOptions say what a JSON text looks like.
type JSONReaderOptions struct {
	Name      string   // of the input, for messages
	Lines     bool     // one object a line; otherwise one text with an array of objects
	Root      []string // of an array: the keys that lead to it from the outermost object; none where it is outermost
	MaxRecord int      // bytes; DefaultMaxRecord where 0
}

// JSONReader reads objects one by one, strictly as RFC 8259 says: also keys that stand twice, invalid UTF-8 and halves
// of surrogate pairs are refused, and the end of an array and of the text around it is checked. A byte order mark at
// the beginning is dropped, as the RFC allows. Keys keep their order, numbers their text. It makes no allocation for a
// record.
//
// Of lines, empty ones are skipped; behind a bad one reading goes on with the next. In an array it goes on with the
// next element, where the end of the bad one can be found by its brackets; a text that is no array, not closed or goes
// on behind its end is an error of class environment, which cannot be skipped. In objects around an array only the keys
// of Root are checked for standing twice, each in its object.
type JSONReader struct {
	options JSONReaderOptions
	max     int
	window  window
	scan    jsonScanner
	record  JSONRecord
	line    int64 // of the first pending byte
	until   int64 // no line is read that begins here or behind
	before  int64 // elements before it
	ended   bool
	failed  error // what made it impossible to go on
}

// JSONRecord is one object. Its slices are valid until the next call of Next.
type JSONRecord struct {
	Raw    []byte      // as it stands in the input; of lines without blanks around it and the line end
	Line   int64       // of its first byte, from 1
	Start  int64       // offset of its first byte
	Fields []JSONField // none where the record is bad
	Shape  int64       // of records with the same one, fields at the same position have the same key; some may have fewer fields
}

// JSONField is a key and where its value stands within the record's Raw: a text without its quotes, anything else whole.
type JSONField struct {
	Key              []byte // unescaped
	Start, End       int32
	keyStart, keyEnd int32       // with its quotes
	Kind             record.Kind // Null, Bool, Int (a number written as an integer), Decimal (any other), Text, JSON (object or array)
	Escaped          bool
}

// NewJSONReader returns a reader without input; call Reset.
func NewJSONReader(o JSONReaderOptions) *JSONReader {
	j := &JSONReader{options: o, max: o.MaxRecord, until: limitOf(0)}
	if j.max <= 0 {
		j.max = DefaultMaxRecord
	}
	return j
}

// Reset begins to read input at a place between two records. The input must stand before bytes in front of
// from.Offset: up to 64 KiB, that Tail then returns.
func (j *JSONReader) Reset(input io.Reader, from Position, before int) error {
	j.line, j.before, j.ended, j.failed = from.Line, from.Elements, from.Ended, nil
	j.record = JSONRecord{}
	if err := j.window.reset(input, from.Offset, before); err != nil {
		return err
	}
	if from.Offset == 0 {
		dropByteOrderMark(&j.window)
	}
	return nil
}

// SetName says what the input is called in messages from now on.
func (j *JSONReader) SetName(name string) { j.options.Name = name }

// Position returns the place behind the last record that Next returned or refused.
func (j *JSONReader) Position() Position {
	return Position{Offset: j.window.offset(), Line: j.line, Elements: j.before, Ended: j.ended}
}

// Tail returns up to 64 KiB of the input before Position. It is valid until the next call of Next.
func (j *JSONReader) Tail() []byte { return j.window.tail() }

// Record returns the last record that Next returned or refused; of a refused one Raw may be cut.
func (j *JSONReader) Record() *JSONRecord { return &j.record }

// Next reads a record, for Record. At the end of the input it returns io.EOF. An error of class parse is about one
// record, and Next can be called again; any other error it returns from then on.
func (j *JSONReader) Next() error {
	if j.failed != nil {
		return j.failed
	}
	var err error
	if j.options.Lines {
		err = j.nextLine()
	} else {
		err = j.nextElement()
	}
	if err != nil && err != io.EOF && fault.ClassOf(err) != fault.Parse {
		j.failed = err
	}
	return err
}

func (j *JSONReader) nextLine() error {
	for {
		if j.window.offset() >= j.until {
			return io.EOF
		}
		b := j.window.pending()
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			if !j.window.done && len(b) <= j.max {
				j.window.more()
				continue
			}
			if j.window.err != nil {
				return j.window.err
			}
			if len(b) == 0 {
				return io.EOF
			}
			end = len(b)
		}
		j.record.Line, j.record.Start = j.line, j.window.offset()
		j.record.Fields = nil
		if end > j.max {
			return j.discardLine(b[:min(end, maxCut)])
		}
		j.window.at += min(end+1, len(b))
		j.line++
		if j.lineRecord(b[:end]) {
			return j.object()
		}
	}
}

// lineRecord takes the text of a line, without blanks around it, as the record's raw text. It reports whether there is
// any.
func (j *JSONReader) lineRecord(line []byte) bool {
	from, to := 0, len(line)
	for from < to && isJSONBlank(line[from]) {
		from++
	}
	for to > from && isJSONBlank(line[to-1]) {
		to--
	}
	j.record.Raw = line[from:to]
	j.record.Start += int64(from)
	return from < to
}

func isJSONBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// object scans the record's raw text, which must be an object and nothing else.
func (j *JSONReader) object() error {
	raw := j.record.Raw
	j.scan.begin(raw, 0)
	if raw[0] != '{' {
		return j.notAnObject()
	}
	if !j.scan.object() {
		return j.refuse()
	}
	if j.scan.blanks(); j.scan.at < len(raw) {
		j.scan.fail(j.scan.at, "text behind the object", "type jsonl is one object a line; use type json for an array")
		return j.refuse()
	}
	j.accept()
	return nil
}

func (j *JSONReader) accept() {
	j.record.Fields, j.record.Shape = j.scan.fields, j.scan.shape
}

// notAnObject refuses a record that is another value, or none.
func (j *JSONReader) notAnObject() error {
	var f JSONField
	if j.scan.keys.begin(); j.scan.value(&f, 1) || j.scan.message == "" {
		hint := ""
		if f.Kind == record.JSON && j.options.Lines {
			hint = "type jsonl is one object a line; use type json for an array"
		}
		j.scan.fail(0, "a JSON object is expected, got "+kindOfJSON(f.Kind), hint)
	}
	return j.refuse()
}

func kindOfJSON(k record.Kind) string {
	switch k {
	case record.JSON:
		return "an array"
	case record.Text:
		return "a text"
	case record.Int, record.Decimal:
		return "a number"
	}
	return k.String()
}

// refuse returns the error that the scan of the record's raw text ended with.
func (j *JSONReader) refuse() *fault.Error {
	at, message := j.scan.at, j.scan.message
	if message == "" {
		at, message = len(j.record.Raw), "the object is not closed"
	}
	j.record.Fields = nil
	at = min(at, len(j.record.Raw))
	pos := placeIn(j.options.Name, j.record.Raw, j.record.Line, at)
	if pos.Line == int(j.record.Line) {
		pos.Column = j.columnBehindIndent(pos.Column)
	}
	err := fault.New(fault.Parse, "%s", message).At(pos)
	err.Hint = j.scan.hint
	return err
}

// columnBehindIndent returns the column of a place in the record's first line, given its column within the record; 0
// where the beginning of the line is no longer in memory.
func (j *JSONReader) columnBehindIndent(column int) int {
	start := j.record.Start - j.window.base
	if start < 0 {
		return 0
	}
	before := j.window.buf[:start]
	i := bytes.LastIndexByte(before, '\n')
	if i < 0 && j.window.base > 0 {
		return 0
	}
	return column + utf8.RuneCount(before[i+1:])
}

// discardLine refuses the pending line for its size and consumes it.
func (j *JSONReader) discardLine(cut []byte) error {
	j.record.Raw = bytes.Clone(cut)
	if err := j.skipLine(); err != nil {
		return err
	}
	return tooLarge(j.options.Name, j.record.Line, j.max).WithHint("set max_record where such records are meant")
}

// skipLine consumes the pending line, whatever it holds. Its error is what ended the input before its end.
func (j *JSONReader) skipLine() error {
	j.line++
	for {
		b := j.window.pending()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			j.window.at += i + 1
			return nil
		}
		j.window.at = j.window.end
		if !j.window.more() {
			return j.window.err
		}
	}
}
