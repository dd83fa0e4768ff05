package format

import (
	"bytes"
	"io"

	"batchctl/pkg/fault"
)

// nextElement reads the next element of the array.
func (j *JSONReader) nextElement() error {
	if j.ended {
		return io.EOF
	}
	if j.before == 0 {
		if err := j.enter(); err != nil {
			return err
		}
	}
	c, err := j.peek()
	switch {
	case err != nil:
		return err
	case c == ']':
		j.window.at++
		return j.leave()
	case j.before > 0 && c != ',':
		return j.broken(`"," or "]" is expected behind element %d, got %s`, j.before, describeByte(c))
	case j.before > 0:
		j.window.at++
		if c, err = j.peek(); err != nil {
			return err
		}
		if c == ']' {
			return j.broken(`comma before "]" behind element %d`, j.before)
		}
	}
	return j.element()
}

// element reads the element that the pending bytes begin with.
func (j *JSONReader) element() error {
	j.record = JSONRecord{Line: j.line, Start: j.window.offset(), Shape: j.record.Shape}
	for {
		b := j.window.pending()
		j.scan.begin(b, 0)
		if b[0] == '{' && j.scan.object() && j.scan.at <= j.max {
			j.consume(j.scan.at)
			j.accept()
			return nil
		}
		if b[0] != '{' || j.scan.message != "" || len(b) > j.max {
			return j.badElement()
		}
		if !j.window.more() {
			return j.ending()
		}
	}
}

// consume takes n pending bytes as the record's raw text.
func (j *JSONReader) consume(n int) {
	j.record.Raw = j.window.pending()[:n]
	j.window.at += n
	j.line += int64(bytes.Count(j.record.Raw, newline))
	j.before++
}

// badElement refuses the element that the pending bytes begin with. Where it ends is told by its brackets.
func (j *JSONReader) badElement() error {
	message, hint, at := j.scan.message, j.scan.hint, j.scan.at
	size, err := j.skipElement()
	if err != nil {
		return err
	}
	if message == "" && j.record.Raw[0] == '{' || at > j.max {
		return tooLarge(j.options.Name, j.record.Line, j.max).WithHint("set max_record where such records are meant")
	}
	j.scan.begin(j.record.Raw, 0) // a cut text is not scanned: it does not lie in the window
	if j.record.Raw[0] != '{' && size <= j.max {
		return j.notAnObject()
	}
	if message == "" {
		message = "a JSON object is expected"
	}
	j.scan.fail(at, message, hint)
	return j.refuse()
}

// skipElement consumes the pending element by its brackets and texts alone, and keeps its raw text, cut where it is
// larger than a record may be.
func (j *JSONReader) skipElement() (size int, err error) {
	var cut []byte
	var end elementEnd
	at := 0
	for {
		n, found := end.find(j.window.pending()[at:])
		at, size = at+n, size+n
		if found {
			break
		}
		if size > j.max {
			cut, at = j.cutAway(cut, at), 0
		}
		if !j.window.more() {
			return size, j.ending()
		}
	}
	if size == 0 {
		return 0, j.broken("a value is expected behind element %d, got %s", j.before, describeByte(j.window.pending()[0]))
	}
	if size > j.max {
		j.record.Raw = j.cutAway(cut, at)
		j.before++
		return size, nil
	}
	j.consume(at)
	j.record.Raw = bytes.TrimRight(j.record.Raw, " \t\r\n")
	return size, nil
}

// cutAway consumes n pending bytes and returns the beginning of the element they belong to: cut, or where that is nil
// theirs.
func (j *JSONReader) cutAway(cut []byte, n int) []byte {
	b := j.window.pending()[:n]
	if cut == nil {
		cut = bytes.Clone(b[:min(n, maxCut)])
	}
	j.line += int64(bytes.Count(b, newline))
	j.window.at += n
	return cut
}

// elementEnd finds the end of an element that need not be JSON. A line end ends a text that is not closed.
type elementEnd struct {
	depth   int
	text    bool
	escaped bool
}

// find looks through b, which goes on where the last call's ended, and returns how much of it belongs to the element.
func (e *elementEnd) find(b []byte) (n int, found bool) {
	for i, c := range b {
		switch {
		case e.escaped:
			e.escaped = false
		case e.text:
			e.escaped = c == '\\'
			e.text = c != '"' && c != '\n'
		case c == '"':
			e.text = true
		case c == '{' || c == '[':
			e.depth++
		case (c == ',' || c == '}' || c == ']') && e.depth == 0:
			return i, true
		case c == '}' || c == ']':
			if e.depth--; e.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}

// peek passes over blanks and returns the byte behind them. That there is none is an error.
func (j *JSONReader) peek() (byte, error) {
	for {
		if c := j.skipBlanks(); c != 0 || len(j.window.pending()) > 0 {
			return c, nil
		}
		if !j.window.more() {
			return 0, j.ending()
		}
	}
}

// skipBlanks passes over blanks in memory and returns the byte behind them, 0 where there is none.
func (j *JSONReader) skipBlanks() byte {
	for i, c := range j.window.pending() {
		if !isJSONBlank(c) {
			j.window.at += i
			return c
		}
		if c == '\n' {
			j.line++
		}
	}
	j.window.at = j.window.end
	return 0
}

// ending is the error for an input that ends too soon.
func (j *JSONReader) ending() error {
	switch {
	case j.window.err != nil:
		return j.window.err
	case j.window.base == 0 && len(bytes.TrimSpace(j.window.buf[:j.window.end])) == 0:
		return j.broken("the file is empty, not even an array").WithHint("an array without elements is []")
	case j.before > 0:
		return j.broken("the file ends behind element %d, before the array is closed", j.before).WithHint("the file seems to be cut off")
	}
	return j.broken("the file ends too soon").WithHint("the file seems to be cut off")
}

// broken is an error for the input as a whole: reading cannot go on.
func (j *JSONReader) broken(message string, args ...any) *fault.Error {
	return fault.New(fault.Environment, message, args...).At(fault.Position{File: j.options.Name, Line: int(j.line)})
}
