package format

import (
	"fmt"
	"io"

	"batchctl/pkg/fault"
)

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

// frameKey passes over a key of an object around the array and the colon behind it. first is true where the object has
// not been entered yet. At the object's end it returns nil.
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
