package readers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/format"
)

// fileConf is what the configurations of all readers of files share.
type fileConf struct {
	Path      config.Paths `yaml:"path,required" help:"file to read, a pattern such as in/*.csv, or a list of both; files are read one after the other, those of a pattern by name"`
	OnMissing string       `yaml:"on_missing" default:"fail" enum:"fail|empty" help:"what to do where there is no such file: fail, or go on as if it had no records"`
	MaxRecord config.Size  `yaml:"max_record" default:"16MiB" help:"a larger record is refused"`

	Encoding     fileEncoding `yaml:"encoding" help:"of the text: utf-8, utf-16, cp949, shift_jis, latin1, windows-1252 and others; without it UTF-8, or UTF-16 where the file begins with that byte order mark"`
	Compression  string       `yaml:"compression" default:"auto" enum:"auto|none|gzip|zstd|bzip2" help:"of the file; auto: what its first bytes say, whatever its name is"`
	MaxExpansion int          `yaml:"max_expansion" default:"200" help:"a compressed file that expands to more than so many times its size, and to more than 64 MiB, is refused; 0: never"`
}

// fileEncoding is the name of an encoding as files.Encodings has it.
type fileEncoding string

// DecodeYAML reads the name in any spelling.
func (e *fileEncoding) DecodeYAML(d *config.Decoder, n config.Node) error {
	var name string
	if err := d.Decode(n, &name); err != nil || name == "" {
		return err
	}
	normal, err := files.NormalEncoding(name)
	if err != nil {
		return n.Errorf("%v", err).WithHint("%s", fault.HintOf(err))
	}
	*e = fileEncoding(normal)
	return nil
}

// YAMLType implements config.Worded.
func (fileEncoding) YAMLType() string { return "the name of an encoding" }

// maxRecord bounds max_record: places within a record are kept in 32 bits.
const maxRecord = 1 << 30

// scanner splits an input into records and knows where it stands: one of package format.
type scanner interface {
	SetName(name string)
	Reset(input io.Reader, from format.Position, before int) error
	Next() error
	Position() format.Position
	Tail() []byte
	Until(offset int64)
	Advance(to int64) error
}

// fileSource is the files of a reader, in order, and the place in them. It names a file as the definition does: by its
// path below the folder that relative paths start at.
type fileSource struct {
	conf *fileConf
	base string
	scan scanner
	// start is called with the scanner at the beginning of a file, and passes over what stands before the first record.
	start func() error
	// lines says that records end with lines, so that a last one without a line end can be continued.
	lines bool
	// trailer is nil where files have none.
	trailer *trailer
	head    head
	sharing sharing
	once    *once // nil where files are read

	files  []string     // names, found at the first run
	index  int          // of the file being read
	input  *files.Input // nil behind the last one, and while closed
	opened bool
	count  int64        // records read, bad ones included
	passed int64        // bytes of the files before index
	done   atomic.Int64 // bytes read, for progress
	total  atomic.Int64
}

// fileState is where a reader of files stands.
type fileState struct {
	Files    []string `json:"files"`
	File     int      `json:"file"`   // index into Files; their number at the end
	Offset   int64    `json:"offset"` // in the text: decompressed, in UTF-8
	Line     int64    `json:"line"`
	Elements int64    `json:"elements,omitempty"`
	Ended    bool     `json:"ended,omitempty"`
	Tail     string   `json:"tail,omitempty"` // checksum of up to 64 KiB before Offset
	Records  int64    `json:"records"`
	Columns  []string `json:"columns,omitempty"`
	Header   *string  `json:"header,omitempty"` // of the first file, behind it

	Trailer *trailerState `json:"trailer,omitempty"`
}

func newFileSource(conf *fileConf, env *catalog.Env) (*fileSource, error) {
	if conf.MaxRecord < 1 || conf.MaxRecord > maxRecord {
		return nil, fault.New(fault.Definition, "max_record must be between 1 byte and 1 GiB")
	}
	if conf.MaxExpansion < 0 {
		return nil, fault.New(fault.Definition, "max_expansion is negative")
	}
	s := &fileSource{conf: conf, base: env.Base, start: func() error { return nil }}
	return s, s.useStandardInput(env)
}

// open goes on behind a state, or begins. It returns the columns that the state holds.
func (s *fileSource) open(from batch.State) (columns []string, err error) {
	if err := s.close(); err != nil {
		return nil, err
	}
	at := fileState{Line: 1}
	if s.once != nil {
		if at, err = s.once.open(from); err != nil {
			return nil, err
		}
	} else if from == nil {
		if at.Files, err = s.find(); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(from, &at); err != nil || at.File < 0 || at.File > len(at.Files) || at.Offset < 0 {
		return nil, fault.New(fault.Internal, "the reader's state is damaged: %.200s", from)
	} else if err := s.stillNamed(at.Files); err != nil {
		return nil, err
	} else if err := s.stillThere(at.Files[at.File:]); err != nil {
		return nil, err
	}
	s.files, s.index, s.count, s.opened = at.Files, at.File, at.Records, true
	if at.Header != nil {
		s.head.first.Store(at.Header)
	}
	s.measure()
	return at.Columns, nil
}

// enter opens the file that a state stands in, at its place.
func (s *fileSource) enter(ctx context.Context, from batch.State) error {
	if s.once != nil {
		s.once.ctx = ctx
	}
	at := fileState{Line: 1}
	if from != nil {
		if err := json.Unmarshal(from, &at); err != nil {
			return err
		}
	}
	if s.index == len(s.files) {
		return nil
	}
	if err := s.openFile(); err != nil {
		return err
	}
	if at.Offset == 0 {
		return nil
	}
	if err := s.seek(ctx, &at); err != nil {
		return err
	}
	return s.trailer.resume(at.Trailer)
}

// progress notes how much of the files is read.
func (s *fileSource) progress() { s.done.Store(s.passed + s.input.Consumed(s.scan.Position().Offset)) }

// next opens the file behind the one at hand. At the end of the last it returns io.EOF.
func (s *fileSource) next() error {
	if !s.opened {
		return fault.New(fault.Internal, "the reader is not open")
	}
	if s.input != nil {
		size := s.input.Consumed(s.scan.Position().Offset)
		err := s.input.Close()
		s.input = nil
		if err != nil {
			return s.failed(err)
		}
		s.index++
		s.passed += size
		s.done.Store(s.passed)
	}
	if s.index >= len(s.files) {
		return io.EOF
	}
	return s.openFile()
}

// failed names the file in an error of reading it; one that has a class stays as it is.
func (s *fileSource) failed(err error) error {
	if errors.Is(err, files.ErrInterrupted) {
		return s.once.interrupted()
	}
	var classified *fault.Error
	if errors.As(err, &classified) || errors.Is(err, batch.ErrNotRestartable) {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fault.Wrap(fault.Environment, err, "read %s", s.name())
}

// name returns the name of the file at hand.
func (s *fileSource) name() string { return s.files[s.index] }

// state returns where the source stands, with the reader's columns.
func (s *fileSource) state(columns []string) (batch.State, error) {
	at := fileState{Files: s.files, File: s.index, Line: 1, Records: s.count, Columns: columns}
	if s.index > 0 {
		at.Header = s.head.first.Load()
	}
	if s.input != nil {
		p := s.scan.Position()
		at.Offset, at.Line, at.Elements, at.Ended = p.Offset, p.Line, p.Elements, p.Ended
		at.Tail = checksum(s.scan.Tail())
		at.Trailer = s.trailer.state()
	}
	return json.Marshal(at)
}

// close closes the file at hand.
func (s *fileSource) close() error {
	s.opened = false
	if s.input == nil {
		return nil
	}
	err := s.input.Close()
	s.input = nil
	return err
}

// Progress returns the bytes read, and of how many, in all files.
func (s *fileSource) Progress() (done, total int64) {
	total = s.total.Load()
	return min(s.done.Load(), total), total
}

// measure adds up the sizes of the files, for Progress. A file that cannot be looked at counts nothing.
func (s *fileSource) measure() {
	total := int64(0)
	if share := s.sharing.place; share != nil && share.From != nil {
		s.measureShare(share)
		return
	}
	s.passed = 0
	if s.once != nil {
		return
	}
	for i, name := range s.files {
		if i == s.index {
			s.passed = total
		}
		if info, err := os.Stat(s.absolute(name)); err == nil {
			total += info.Size()
		}
	}
	if s.index == len(s.files) {
		s.passed = total
	}
	s.total.Store(total)
	s.done.Store(s.passed)
}
