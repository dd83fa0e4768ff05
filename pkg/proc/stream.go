package proc

import (
	"bytes"
	"os"
	"strings"
)

// maxTail is how much of the end of a stream is kept.
const maxTail = 4 << 10

// stream is what a program writes to one of its outputs.
type stream struct {
	file *os.File
	name string
	line func(stream, line string)
	keep int

	kept []byte // of the beginning
	tail []byte // of the end
	size int64
}

// read reads to the end, or until the file is closed. Its memory is bounded, whatever is written.
func (s *stream) read() {
	buffer := make([]byte, 0, MaxLine)
	for {
		n, err := s.file.Read(buffer[len(buffer):cap(buffer)])
		s.take(buffer[len(buffer) : len(buffer)+n])
		buffer = s.lines(buffer[:len(buffer)+n])
		if err != nil {
			s.say(buffer)
			return
		}
	}
}

func (s *stream) take(b []byte) {
	s.size += int64(len(b))
	s.kept = append(s.kept, b[:min(len(b), s.keep-len(s.kept))]...)
	s.tail = append(s.tail, b...)
	if over := len(s.tail) - maxTail; over > 0 {
		s.tail = s.tail[:copy(s.tail, s.tail[over:])]
	}
}

// lines hands out the lines of a buffer, and what fills it without an end, and returns the rest, moved to the beginning.
func (s *stream) lines(buffer []byte) []byte {
	rest := buffer
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		s.say(rest[:end])
		rest = rest[end+1:]
	}
	if len(rest) == cap(buffer) {
		s.say(rest)
		rest = nil
	}
	return buffer[:copy(buffer[:cap(buffer)], rest)]
}

func (s *stream) say(line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if s.line != nil && len(line) > 0 {
		s.line(s.name, strings.ToValidUTF8(string(line), "\ufffd"))
	}
}
