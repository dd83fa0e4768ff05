package format

import (
	"strconv"

	"batchctl/pkg/record"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 1000

// maxKeys is how many keys a record may have, those of objects inside it included.
const maxKeys = 1 << 18

// jsonScanner checks one JSON value in memory against RFC 8259 and finds the fields of an object. It keeps the keys of
// the last object: where the next one has the same keys in the same order, nothing is looked up.
type jsonScanner struct {
	b  []byte // what is scanned; it lies in a window, so the bytes behind it can be looked at
	at int

	// What is wrong at at. Both empty after a failure: b ended before the value did.
	message string
	hint    string

	fields  []JSONField
	known   []knownKey
	shape   int64 // counts the changes of known
	keys    keySet
	scratch []byte // unescaped keys of this object
}

// knownKey is a key of the last object, as it stood there with its quotes, and as it reads.
type knownKey struct{ quoted, text []byte }

// fail notes what is wrong at an index and returns false.
func (s *jsonScanner) fail(at int, message, hint string) bool {
	s.at, s.message, s.hint = at, message, hint
	return false
}

// begin sets what is to be scanned.
func (s *jsonScanner) begin(b []byte, at int) {
	s.b, s.at, s.message, s.hint = b, at, "", ""
}

// blanks passes over blanks and returns the byte behind them, 0 at the end of b.
func (s *jsonScanner) blanks() byte {
	for s.at < len(s.b) {
		c := s.b[s.at]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.at++
	}
	return 0
}

// object scans the object at s.at and fills s.fields.
func (s *jsonScanner) object() bool {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	s.keys.begin()
	s.at++
	same := true
	if s.blanks() == '}' {
		s.at++
		return true
	}
	for n := 0; ; n++ {
		field := JSONField{keyStart: int32(s.at)}
		key, next := s.knownKeyAt(n, same)
		if key != nil {
			s.at = next
		} else {
			if same {
				same = false
				s.enterKnown(n)
			}
			var ok bool
			if key, ok = s.newKey(0); !ok {
				return false
			}
		}
		field.Key, field.keyEnd = key, int32(s.at)
		if !s.colon() || !s.value(&field, 1) {
			return false
		}
		s.fields = append(s.fields, field)
		last, ok := s.comma('}')
		if !ok {
			return false
		}
		if last {
			break
		}
	}
	if !same {
		s.learn()
	}
	return true
}

// knownKeyAt returns the nth key of the last object where it stands here too, and the index behind it.
func (s *jsonScanner) knownKeyAt(n int, same bool) ([]byte, int) {
	if !same || n >= len(s.known) {
		return nil, 0
	}
	k := &s.known[n]
	end := s.at + len(k.quoted)
	if end > len(s.b) || string(s.b[s.at:end]) != string(k.quoted) {
		return nil, 0
	}
	return k.text, end
}

// enterKnown makes the first n keys count for finding duplicates; they were taken without looking.
func (s *jsonScanner) enterKnown(n int) {
	for i := range n {
		s.keys.add(0, s.known[i].text)
	}
}

// learn keeps the keys of this object for the next one.
func (s *jsonScanner) learn() {
	s.shape++
	if len(s.fields) > MaxFields {
		s.known = s.known[:0]
		return
	}
	for i, f := range s.fields {
		if i == len(s.known) {
			s.known = append(s.known, knownKey{})
		}
		k := &s.known[i]
		k.text = append(k.text[:0], f.Key...)
		k.quoted = append(k.quoted[:0], s.b[f.keyStart:f.keyEnd]...)
	}
	s.known = s.known[:len(s.fields)]
}

// newKey scans a key of the numbered object and refuses one that the object has already.
func (s *jsonScanner) newKey(object int) (key []byte, ok bool) {
	start := s.at
	if start >= len(s.b) {
		return nil, false
	}
	if s.b[start] != '"' {
		return nil, s.fail(start, "a key in double quotes is expected, got "+describeByte(s.b[start]), "")
	}
	escaped, ok := s.text()
	if !ok {
		return nil, false
	}
	key = s.b[start+1 : s.at-1]
	if escaped {
		from := len(s.scratch)
		s.scratch = appendUnescaped(s.scratch, key)
		key = s.scratch[from:]
	}
	if s.keys.used >= maxKeys {
		return nil, s.fail(start, "more than "+strconv.Itoa(maxKeys)+" keys in one record", "")
	}
	if !s.keys.add(object, key) {
		return nil, s.fail(start, "key "+quoteShort(key)+" stands twice in one object", "")
	}
	return key, true
}

func (s *jsonScanner) colon() bool {
	c := s.blanks()
	if c != ':' {
		return s.expected(c, `":" behind the key is expected`)
	}
	s.at++
	s.blanks()
	return true
}

// comma passes over the comma behind an element, or the closing bracket: last is then true.
func (s *jsonScanner) comma(closing byte) (last, ok bool) {
	switch c := s.blanks(); c {
	case ',':
		s.at++
		if s.blanks() == closing && s.at < len(s.b) {
			return false, s.fail(s.at, `comma before "`+string(closing)+`"`, "")
		}
		return false, true
	case closing:
		s.at++
		return true, true
	default:
		return false, s.expected(c, `"," or "`+string(closing)+`" is expected`)
	}
}

// expected fails for the byte c at s.at, or because b ends there.
func (s *jsonScanner) expected(c byte, what string) bool {
	if s.at >= len(s.b) {
		return false
	}
	return s.fail(s.at, what+", got "+describeByte(c), "")
}

// value scans the value at s.at into f.
func (s *jsonScanner) value(f *JSONField, depth int) bool {
	if s.at >= len(s.b) {
		return false
	}
	f.Start = int32(s.at)
	switch c := s.b[s.at]; {
	case c == '"':
		f.Kind = record.Text
		escaped, ok := s.text()
		f.Start, f.End, f.Escaped = f.Start+1, int32(s.at)-1, escaped
		return ok
	case c == '-' || c >= '0' && c <= '9':
		integer, ok := s.number()
		f.Kind, f.End = record.Decimal, int32(s.at)
		if integer {
			f.Kind = record.Int
		}
		return ok
	case c == '{' || c == '[':
		f.Kind = record.JSON
		ok := s.nested(depth)
		f.End = int32(s.at)
		return ok
	case c == 't' || c == 'f' || c == 'n':
		ok := s.literal(f, c)
		f.End = int32(s.at)
		return ok
	default:
		return s.fail(s.at, "a value is expected, got "+describeByte(c), "")
	}
}

func (s *jsonScanner) literal(f *JSONField, first byte) bool {
	word := "null"
	f.Kind = record.Null
	switch first {
	case 't':
		word, f.Kind = "true", record.Bool
	case 'f':
		word, f.Kind = "false", record.Bool
	}
	rest := s.b[s.at:]
	if len(rest) < len(word) && word[:len(rest)] == string(rest) {
		return false
	}
	if len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.fail(s.at, "a value is expected, got "+quoteShort(wordAt(rest)), "texts stand in double quotes; the words are true, false and null")
	}
	s.at += len(word)
	return true
}

// number scans a number and says whether it is written as an integer. One that touches the end of b may go on behind
// it; whoever scans a value that is cut there looks at more of the input.
func (s *jsonScanner) number() (integer, ok bool) {
	start, at, b := s.at, s.at, s.b
	if b[at] == '-' {
		at++
	}
	first := at
	at = digits(b, at)
	if at == first {
		return false, s.badNumber(start, at)
	}
	if b[first] == '0' && at > first+1 {
		return false, s.fail(start, "a number must not begin with 0", "write it in double quotes where it is a text, such as a post code")
	}
	integer = true
	if at < len(b) && b[at] == '.' {
		integer = false
		first = at + 1
		if at = digits(b, first); at == first {
			return false, s.badNumber(start, at)
		}
	}
	if at < len(b) && b[at]|0x20 == 'e' {
		integer = false
		at++
		if at < len(b) && (b[at] == '+' || b[at] == '-') {
			at++
		}
		first = at
		if at = digits(b, first); at == first {
			return false, s.badNumber(start, at)
		}
	}
	s.at = at
	return integer, true
}

func digits(b []byte, at int) int {
	for at < len(b) && b[at]-'0' <= 9 {
		at++
	}
	return at
}

func (s *jsonScanner) badNumber(start, at int) bool {
	if at >= len(s.b) {
		return false
	}
	return s.fail(start, "not a number: "+quoteShort(wordAt(s.b[start:])), "")
}

// nested scans an object or array inside a record.
func (s *jsonScanner) nested(depth int) bool {
	if depth >= MaxDepth {
		return s.fail(s.at, "nested too deeply", "")
	}
	closing, object := byte(']'), 0
	if s.b[s.at] == '{' {
		closing, object = '}', s.keys.object()
	}
	s.at++
	if s.blanks() == closing && s.at < len(s.b) {
		s.at++
		return true
	}
	for {
		if object > 0 {
			if _, ok := s.newKey(object); !ok || !s.colon() {
				return false
			}
		}
		var f JSONField
		if !s.value(&f, depth+1) {
			return false
		}
		if last, ok := s.comma(closing); last || !ok {
			return ok
		}
	}
}
