package readers

import (
	"fmt"
	"hash/crc32"
	"io"
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

// seek moves the scanner to the place of a state in the open file, in a time that does not depend on the file's size,
// and refuses where what was read before is no longer what it was.
func (s *fileSource) seek(at *fileState) error {
	info, err := s.file.Stat()
	if err != nil {
		return s.failed(err)
	}
	if info.Size() < at.Offset {
		return s.changed("%s is shorter than when it was read: %d bytes, and %d of them were read already", s.name(), info.Size(), at.Offset)
	}
	before := min(at.Offset, tailSize)
	if _, err := s.file.Seek(at.Offset-before, io.SeekStart); err != nil {
		return s.failed(err)
	}
	place := format.Position{Offset: at.Offset, Line: at.Line, Elements: at.Elements, Ended: at.Ended}
	if err := s.scan.Reset(s.file, place, int(before)); err != nil {
		return s.failed(err)
	}
	if checksum(s.scan.Tail()) != at.Tail {
		return s.changed("%s was changed before line %d, in what was read already", s.name(), at.Line)
	}
	if s.lines && info.Size() > at.Offset && s.continued(at.Offset) {
		return s.changed("the last line read of %s had no line end, and has been continued", s.name())
	}
	s.done.Store(s.passed + at.Offset)
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

// continued reports whether the bytes around an offset belong to one line.
func (s *fileSource) continued(offset int64) bool {
	tail := s.scan.Tail()
	if tail[len(tail)-1] == '\n' {
		return false
	}
	next := make([]byte, 1)
	_, err := s.file.ReadAt(next, offset)
	return err == nil && next[0] != '\n' && next[0] != '\r'
}

// changed is the error for an input that does not fit the state.
func (s *fileSource) changed(message string, args ...any) error {
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, message, args...).WithCode("input_changed").
		WithHint("put the file back as it was; changes and additions behind the place of the restart are fine. To load it from its beginning, start a new run")
}
