package format

import (
	"bytes"
	"fmt"
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

// cutAway consumes n pending bytes and returns the beginning of the element they belong to: cut, or where that is nil theirs.
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

// enter passes over what stands before the array's first element.
func (j *JSONReader) enter() error {
	for i, name := range j.options.Root {
		if err := j.enterObject(name, j.options.Root[:i]); err != nil {
			return err
		}
	}
	c, err := j.peek()
	if err != nil {
		return err
	}
	if c != '[' {
		err := j.broken("an array is expected, got %s", describeByte(c))
		switch {
		case c == '{' && len(j.options.Root) == 0:
			err.Hint = "set root: to the key that leads to the array, such as data.items; one object a line is type jsonl"
		case c == '{':
			err.Hint = "root: has to name the array, not the object around it"
		}
		return err
	}
	j.window.at++
	return nil
}

// enterObject passes over the beginning of an object up to the value of a key.
func (j *JSONReader) enterObject(name string, outer []string) error {
	var seen []string
	for first := true; ; first = false {
		key, err := j.frameKey(first)
		if err != nil {
			return err
		}
		if key == nil {
			err := j.broken("no key %q in %s", name, placeOfRoot(outer))
			return err.WithHint("%s", fault.DidYouMean(name, seen))
		}
		if string(key) == name {
			return nil
		}
		if len(seen) < 20 {
			seen = append(seen, fault.Printable(string(key)))
		}
		if err := j.skipValue(len(outer) + 1); err != nil {
			return err
		}
	}
}

func placeOfRoot(outer []string) string {
	if len(outer) == 0 {
		return "the outermost object"
	}
	return fmt.Sprintf("the object %q", outer[len(outer)-1])
}

// frameKey passes over a key of an object around the array and the colon behind it. first is true where the object has not been
// entered yet. At the object's end it returns nil.
func (j *JSONReader) frameKey(first bool) ([]byte, error) {
	open, close := byte(','), byte('}')
	if first {
		open, close = '{', 0
	}
	c, err := j.peek()
	if err != nil {
		return nil, err
	}
	if c != open && (close == 0 || c != close) {
		return nil, j.broken("%s is expected, got %s", describeByte(open), describeByte(c))
	}
	j.window.at++
	if c == close {
		return nil, nil
	}
	if c, err = j.peek(); err != nil {
		return nil, err
	}
	if first && c == '}' {
		j.window.at++
		return nil, nil
	}
	key, err := j.frameText()
	if err != nil {
		return nil, err
	}
	if c, err = j.peek(); err == nil && c != ':' {
		err = j.broken(`":" is expected, got %s`, describeByte(c))
	}
	if err != nil {
		return nil, err
	}
	j.window.at++
	return key, nil
}

// frameText consumes a string and returns its text, a copy.
func (j *JSONReader) frameText() ([]byte, error) {
	if c := j.window.pending()[0]; c != '"' {
		return nil, j.broken("a key in double quotes is expected, got %s", describeByte(c))
	}
	var f JSONField
	if err := j.scalar(&f); err != nil {
		return nil, err
	}
	return appendUnescaped(nil, j.record.Raw[f.Start:f.End]), nil
}

// scalar consumes a text, number or word, and keeps it as the record's raw text.
func (j *JSONReader) scalar(f *JSONField) error {
	for {
		b := j.window.pending()
		j.scan.begin(b, 0)
		ok := j.scan.value(f, 1)
		if ok && (j.scan.at < len(b) || j.window.done) {
			j.record.Raw = b[:j.scan.at]
			j.window.at += j.scan.at
			return nil
		}
		switch {
		case j.scan.message != "":
			return j.broken("%s", j.scan.message)
		case len(b) > j.max:
			return j.broken("a text of more than %s", sizeText(j.max))
		case !j.window.more() && !ok:
			return j.ending()
		}
	}
}

// skipValue passes over a value of any size, checking it.
func (j *JSONReader) skipValue(depth int) error {
	c, err := j.peek()
	switch {
	case err != nil:
		return err
	case depth > MaxDepth:
		return j.broken("nested too deeply")
	case c == '{':
		for first := true; ; first = false {
			key, err := j.frameKey(first)
			if key == nil || err != nil {
				return err
			}
			if err := j.skipValue(depth + 1); err != nil {
				return err
			}
		}
	case c == '[':
		return j.skipArray(depth)
	}
	return j.scalar(&JSONField{})
}

func (j *JSONReader) skipArray(depth int) error {
	j.window.at++
	if c, err := j.peek(); err != nil {
		return err
	} else if c == ']' {
		j.window.at++
		return nil
	}
	for {
		if err := j.skipValue(depth + 1); err != nil {
			return err
		}
		c, err := j.peek()
		if err != nil {
			return err
		}
		j.window.at++
		switch c {
		case ',':
		case ']':
			return nil
		default:
			return j.broken(`"," or "]" is expected, got %s`, describeByte(c))
		}
	}
}

// leave checks what stands behind the array's closing bracket. It returns io.EOF where that is in order.
func (j *JSONReader) leave() error {
	for i := len(j.options.Root) - 1; i >= 0; i-- {
		for {
			key, err := j.frameKey(false)
			if err != nil {
				return err
			}
			if key == nil {
				break
			}
			if string(key) == j.options.Root[i] {
				return j.broken("key %q stands twice in one object", key)
			}
			if err := j.skipValue(i + 1); err != nil {
				return err
			}
		}
	}
	for {
		if c := j.skipBlanks(); c != 0 {
			return j.broken("text behind the end: %s", describeByte(c))
		}
		if len(j.window.pending()) > 0 {
			return j.broken("text behind the end: NUL byte")
		}
		if !j.window.more() {
			break
		}
	}
	if j.window.err != nil {
		return j.window.err
	}
	j.ended = true
	return io.EOF
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
