package readers

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
)

// tailSize is how many bytes before the place of a restart must be the same as when they were read.
const tailSize = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C (RFC 3720) of b in hexadecimal. It is for finding accidents, and processors compute it.
func checksum(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli))
}

// seek moves the scanner to the place of a state in the open file, and refuses where what was read before is no longer
// what it was. In a file that is plain UTF-8 that takes a time that does not depend on the file's size; others are
// decompressed and decoded again.
func (s *fileSource) seek(ctx context.Context, at *fileState) error {
	input, err := s.openInput(s.name()) // the scanner has read on in the one at hand
	if err != nil {
		return err
	}
	if err := s.input.Close(); err != nil {
		return errors.Join(s.failed(err), input.Close())
	}
	s.input = input
	before := min(at.Offset, tailSize)
	err = input.GoTo(ctx, at.Offset-before)
	if err == nil {
		place := format.Position{Offset: at.Offset, Line: at.Line, Elements: at.Elements, Ended: at.Ended}
		err = s.scan.Reset(input, place, int(before))
	}
	switch {
	case err == io.ErrUnexpectedEOF || err == io.EOF:
		return s.changed("%s is shorter than when it was read: %d bytes of its text were read already", s.name(), at.Offset)
	case err != nil:
		return s.failed(err)
	case checksum(s.scan.Tail()) != at.Tail:
		return s.changed("%s was changed before line %d, in what was read already", s.name(), at.Line)
	case s.lines && s.continued(at.Offset):
		return s.changed("the last line read of %s had no line end, and has been continued", s.name())
	}
	s.progress()
	return nil
}

// stillNamed refuses to go on with files that path does not name any more: whoever changed it means other files, and
// would not be told that the old ones were read. New files of a pattern are not looked for.
func (s *fileSource) stillNamed(names []string) error {
	for _, name := range names {
		path := s.absolute(name)
		named := slices.ContainsFunc([]config.Path(s.conf.Path), func(p config.Path) bool {
			matches, err := filepath.Match(string(p), path)
			return err == nil && matches || s.relative(string(p)) == name
		})
		if !named {
			return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the step began to read %s, and path does not name it any more", name).
				WithCode("input_changed").WithHint("put path back as it was, and change the file itself if it has to be; or begin again with --fresh, which leaves rows that are in a table")
		}
	}
	return nil
}

// stillThere refuses to go on where a file is gone that was found at the first run and has not been read to its end:
// better now than when its turn comes.
func (s *fileSource) stillThere(names []string) error {
	for _, name := range names {
		if _, err := os.Stat(s.absolute(name)); errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.Environment, "%s is gone: the step found it when it began, and has not read it to its end", name).
				WithCode(noSuchFile).WithHint("put it back, then restart; a file that is to be left out may be empty")
		}
	}
	return nil
}

// continued reports whether the bytes around an offset belong to one line.
func (s *fileSource) continued(offset int64) bool {
	tail := s.scan.Tail()
	if tail[len(tail)-1] == '\n' {
		return false
	}
	next, more := s.input.Peek(offset)
	return more && next != '\n' && next != '\r'
}

// changed is the error for an input that does not fit the state.
func (s *fileSource) changed(message string, args ...any) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, message, args...).WithCode("input_changed").
		WithHint("put the file back as it was; changes and additions behind the place of the restart are fine. To load it from its beginning, start a new run")
}
