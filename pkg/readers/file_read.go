package readers

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// read calls the scanner for the next record of any file. An error of a data class is a batch.BadRecord made by bad.
func (s *fileSource) read(ctx context.Context, bad func(error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.once != nil {
		s.once.ctx = ctx
	}
	for {
		err := io.EOF
		if s.input != nil {
			err = s.scan.Next()
		}
		if s.trailer != nil && s.input != nil {
			again, wrong := s.pastTrailer(err)
			if wrong != nil {
				return wrong
			}
			if again {
				continue
			}
		}
		switch {
		case err == nil:
			s.count++
			if s.count&31 == 0 {
				s.progress()
			}
			if s.sharing.only == nil || s.mine(false) {
				return nil
			}
			if err := s.passOn(ctx); err != nil {
				return err
			}
		case err == io.EOF:
			if err := s.end(); err != nil {
				return err
			}
		case fault.ClassOf(err).Data():
			s.count++
			if err = bad(err); s.mine(true) {
				return err
			}
		default:
			return s.failed(err)
		}
	}
}

// end passes on to the next file, at the end of the one at hand.
func (s *fileSource) end() error {
	if s.input != nil {
		if err := s.atBorder(); err != nil {
			return err
		}
	}
	return s.next()
}

// pastTrailer looks whether what the scanner returned is the trailer, behind it, or the end that lacks one. again: the
// trailer was met, and is no record.
func (s *fileSource) pastTrailer(scanned error) (again bool, err error) {
	switch {
	case scanned == io.EOF && !s.trailer.met && s.ends():
		return false, s.trailer.missing(s)
	case scanned == io.EOF:
		return false, nil
	case s.trailer.met && (scanned == nil || fault.ClassOf(scanned).Data()):
		return false, s.trailer.behind(s)
	case scanned == nil && s.trailer.is() && !s.ends():
		return false, s.trailer.behind(s)
	case scanned == nil && s.trailer.is():
		return true, s.trailer.meet(s)
	}
	return false, nil
}

// refused makes the error for a bad record, with a copy of what was read of it.
func (s *fileSource) refused(err error, line int64, raw []byte) error {
	if s.trailer != nil {
		s.trailer.bad++
	}
	if s.input != nil && s.input.Encoding() != "" && bytes.IndexByte(raw, 0xff) >= 0 {
		err = s.notDecodable(err)
		raw = bytes.ReplaceAll(raw, []byte{0xff}, []byte("\ufffd"))
	}
	return &batch.BadRecord{Origin: record.Origin{Source: s.name(), Line: line, Raw: string(raw)}, Err: err}
}

// encodingFault names the encoding in an error about bytes that are not of it; the scanner knows UTF-8 only.
func (s *fileSource) encodingFault(err error) error {
	if fault.CodeOf(err) != format.NotUTF8 || s.input == nil || s.input.Encoding() == "" {
		return err
	}
	return s.notDecodable(err)
}

func (s *fileSource) notDecodable(err error) error {
	return fault.New(fault.ClassOf(err), "bytes that are not %s", s.input.Encoding()).At(fault.PositionOf(err)).
		WithCode("not_decodable").WithHint("is encoding: %s right? a single bad record can be skipped", s.input.Encoding())
}

// at returns the position of a line of the file at hand.
func (s *fileSource) at(line int64) fault.Position {
	return fault.Position{File: s.name(), Line: int(line)}
}

// mismatch is the error for a field that is not what its column's type asks for.
func (s *fileSource) mismatch(err error, line int64, column string) error {
	e := fault.Wrap(fault.Validation, err, "column %s", column).At(s.at(line)).WithCode(fault.CodeOf(err))
	if hint := fault.HintOf(err); len(hint) > 4 && hint[:4] == "set " {
		e.Hint = hint + " on the reader, or let the step skip such records"
	}
	return e
}

// countOf returns "1 field", "5 fields".
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
