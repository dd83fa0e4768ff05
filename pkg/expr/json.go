package expr

import (
	"encoding/json"
	"strconv"
	"strings"

	"batchctl/pkg/record"
)

// step is one move inside a JSON value: to a member of an object, or to an element of an array.
type step struct {
	key   string
	index int // -1 where key counts
}

func (s step) String() string {
	if s.index >= 0 {
		return strconv.Itoa(s.index)
	}
	return s.key
}

// parsePath reads a.b[0].c, as json_get takes it. A step that is a number is an element.
func parsePath(path string) ([]step, bool) {
	path = strings.ReplaceAll(path, "[", ".")
	path = strings.ReplaceAll(path, "]", "")
	var steps []step
	for _, part := range strings.Split(strings.TrimPrefix(path, "."), ".") {
		if part == "" {
			return nil, false
		}
		s := step{key: part, index: -1}
		if i, err := strconv.Atoi(part); err == nil && i >= 0 {
			s.index = i
		}
		steps = append(steps, s)
	}
	return steps, true
}

// member returns the code of a value inside a JSON value; null where it is not there.
func member(value code, path []step, offset int) code {
	eval, label := value.eval, value.name("the value")
	return computed(record.Absent, offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return record.NullValue, err
		}
		if v.Kind() != record.JSON {
			return v, mismatch("%s is %s, which has no members", label, withKind(v))
		}
		return lookInside(v.Text(), path)
	})
}

// lookInside finds a value inside a JSON text. Texts without escapes, numbers, objects and arrays are cut out of it.
func lookInside(s string, path []step) (record.Value, error) {
	at := skipBlanks(s, 0)
	for _, st := range path {
		next, found, ok := enter(s, at, st)
		if !ok {
			return record.Value{}, mismatch("a value is not JSON: %q", clip(s))
		}
		if !found {
			return record.NullValue, nil
		}
		at = next
	}
	end, ok := skipValue(s, at)
	if !ok {
		return record.Value{}, mismatch("a value is not JSON: %q", clip(s))
	}
	return jsonScalar(s[at:end])
}

func jsonScalar(s string) (record.Value, error) {
	switch s[0] {
	case '{', '[':
		return record.OfJSON(s), nil
	case '"':
		text, err := jsonText(s)
		return record.OfText(text), err
	case 'n':
		return record.NullValue, nil
	case 't', 'f':
		return record.OfBool(s[0] == 't'), nil
	}
	var f record.Format
	if v, err := f.Parse(record.Int, s); err == nil {
		return v, nil
	}
	return f.Parse(record.Decimal, s)
}

func jsonText(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1], nil
	}
	var text string
	if err := json.Unmarshal([]byte(s), &text); err != nil {
		return "", mismatch("a value is not JSON: %q", clip(s))
	}
	return text, nil
}

// enter returns where the value begins that a step leads to from the value at a place; ok is false where s is not JSON.
func enter(s string, at int, st step) (next int, found, ok bool) {
	if at >= len(s) {
		return 0, false, false
	}
	if st.index < 0 && s[at] != '{' || st.index >= 0 && s[at] != '[' && s[at] != '{' {
		return 0, false, true
	}
	object, end := s[at] == '{', s[at]+2 // } and ] stand two behind { and [ in ASCII
	at = skipBlanks(s, at+1)
	for i := 0; at < len(s) && s[at] != end; i++ {
		match := !object && i == st.index
		if object {
			if match, at, ok = enterKey(s, at, st.String()); !ok {
				return 0, false, false
			}
		}
		if match {
			return at, true, true
		}
		if at, ok = skipValue(s, at); !ok {
			return 0, false, false
		}
		at = skipBlanks(s, at)
		if at < len(s) && s[at] == ',' {
			at = skipBlanks(s, at+1)
		}
	}
	return 0, false, at < len(s)
}

// enterKey reads a key and its colon.
func enterKey(s string, at int, key string) (match bool, next int, ok bool) {
	end, ok := skipValue(s, at)
	if !ok || s[at] != '"' {
		return false, 0, false
	}
	name, err := jsonText(s[at:end])
	at = skipBlanks(s, end)
	if err != nil || at >= len(s) || s[at] != ':' {
		return false, 0, false
	}
	return name == key, skipBlanks(s, at+1), true
}

func skipBlanks(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' || s[at] == '\r') {
		at++
	}
	return at
}

// skipValue returns the end of the value that begins at a place, without checking what is inside of it.
func skipValue(s string, at int) (end int, ok bool) {
	depth := 0
	for i := at; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i = skipText(s, i); i < 0 {
				return 0, false
			}
		case c == '{' || c == '[':
			depth++
			continue
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return 0, false
			}
		case c == ',' || c == ':' || c <= ' ':
			if depth == 0 {
				return 0, false
			}
			continue
		default:
			for i+1 < len(s) && !strings.ContainsRune(",:]}\"[{ \t\r\n", rune(s[i+1])) {
				i++
			}
		}
		if depth == 0 {
			return i + 1, true
		}
	}
	return 0, false
}

// skipText returns where the closing quote of the text stands that begins at a place, or -1.
func skipText(s string, at int) int {
	for at++; at < len(s); at++ {
		if s[at] == '\\' {
			at++
		} else if s[at] == '"' {
			return at
		}
	}
	return -1
}
