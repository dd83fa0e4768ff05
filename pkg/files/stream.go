package files

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"batchctl/pkg/fault"
)

// A Stream is an input that is there once, such as standard input. It is taken by one reader.
//
// What reads it waits in a goroutine of its own, because nothing can interrupt a read of a pipe or a terminal. That goroutine
// ends with the input, or with the process.
type Stream struct {
	name string
	from io.Reader

	mu     sync.Mutex
	taker  string
	full   chan []byte
	empty  chan []byte
	block  []byte // the one at hand
	rest   []byte // of it
	failed error  // set before full is closed
}

// ErrInterrupted means that nothing came of a Stream until somebody did not want to wait any longer.
var ErrInterrupted = errors.New("interrupted")

const (
	streamBlock  = 64 << 10 // bytes
	streamBlocks = 3        // one is read, one waits, one is filled
)

// NewStream returns the stream of an input; name is for messages.
func NewStream(name string, from io.Reader) *Stream { return &Stream{name: name, from: from} }

// Take makes the stream somebody's, who is named for messages. Nobody else can have it.
func (s *Stream) Take(who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taker != "" {
		return fault.New(fault.Environment, "%s was read by %s already, and is there only once", s.name, s.taker).WithCode("stream_taken").
			WithHint("write it to a file first, and read that as often as needed")
	}
	s.taker = who
	s.full, s.empty = make(chan []byte), make(chan []byte, streamBlocks)
	for range streamBlocks {
		s.empty <- make([]byte, streamBlock)
	}
	go s.fill()
	return nil
}

// fill reads blocks ahead. At the end of the input it closes full.
func (s *Stream) fill() {
	defer close(s.full)
	for block := range s.empty {
		n, err := s.from.Read(block[:streamBlock])
		if n > 0 {
			s.full <- block[:n]
		} else {
			s.empty <- block
		}
		if err != nil {
			if err != io.EOF {
				s.failed = err
			}
			return
		}
	}
}

// Read reads what has come of a stream that was taken, and waits for more, but not behind the moment that one of the
// channels is closed: then it returns ErrInterrupted.
func (s *Stream) Read(b []byte, until ...<-chan struct{}) (int, error) {
	if len(s.rest) == 0 {
		if err := s.next(until); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *Stream) next(until []<-chan struct{}) error {
	if s.block != nil {
		s.empty <- s.block
		s.block = nil
	}
	var first, second <-chan struct{}
	if len(until) > 0 {
		first = until[0]
	}
	if len(until) > 1 {
		second = until[1]
	}
	var open bool
	select {
	case s.block, open = <-s.full: // what is there counts more than that it is not waited for
	default:
		select {
		case s.block, open = <-s.full:
		case <-first:
			return ErrInterrupted
		case <-second:
			return ErrInterrupted
		}
	}
	if !open {
		if s.failed != nil {
			return trouble("read", s.name, s.failed)
		}
		return io.EOF
	}
	s.rest = s.block
	return nil
}

// StreamInput is OpenInput for what can be read once, from its beginning.
func StreamInput(from io.Reader, name string, o InputOptions) (*Input, error) {
	in := &Input{name: name, raw: &counted{from: from}}
	if err := in.beginStream(o); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

func (in *Input) beginStream(o InputOptions) error {
	text := bufio.NewReaderSize(in.raw, rawBuffer)
	first, err := text.Peek(sniffed)
	if err != nil && err != io.EOF {
		return err
	}
	in.text = text
	in.compression = o.Compression
	if o.Compression == "" || o.Compression == "auto" {
		in.compression = compressionOf(first)
	}
	if in.compression != "none" {
		expanded, err := in.decompress(text, o.MaxExpansion)
		if err != nil {
			return err
		}
		in.text = bufio.NewReaderSize(expanded, textBuffer)
	}
	return in.decode(o.Encoding)
}
