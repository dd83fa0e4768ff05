package readers

import (
	"context"
	"encoding/json"
	"io"

	"batchctl/pkg/fault"
	"batchctl/pkg/format"
)

// fitsPlaces refuses what cannot be divided by places in a file.
func (s *fileSource) fitsPlaces() error {
	switch {
	case !s.sharing.byLine:
		return notDivisible("the records of a %s file cannot be divided by their places", s.sharing.kind).
			WithHint("divide them by modulo or values of a column, or by: files; one object a line, type jsonl, can be divided by places")
	case s.trailer != nil && (s.trailer.conf.Expect.Source != "" || len(s.trailer.conf.Sums) > 0):
		return notDivisible("expect and sums of the trailer are about the whole file, which no partition reads").
			WithHint("divide it by a column, as in {by: modulo, column: id}; or leave expect out, and compare with a check of the step")
	case len(s.conf.Path) > 1:
		return notDivisible("by: range without a column divides one file, and path has %d", len(s.conf.Path)).WithHint("use by: files, or name a column")
	}
	return nil
}

// byPlaces divides a file into shares of about the same size, at places between two records.
func (s *fileSource) byPlaces(ctx context.Context, names []string, count int) ([]json.RawMessage, error) {
	switch len(names) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, notDivisible("by: range without a column divides one file, and %s are found: %s", countOf(len(names), "file"), list(names)).
			WithHint("use by: files, or name a column")
	}
	s.files, s.index, s.opened = names, 0, true
	defer s.close()
	size, err := s.textSize(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.openFile(); err != nil {
		return nil, err
	}
	begin := s.scan.Position().Offset
	var wanted []int64
	for i := 1; i < count; i++ {
		wanted = append(wanted, begin+int64(float64(size-begin)*float64(i)/float64(count)))
	}
	borders, err := s.borders(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return s.between(borders)
}

// textSize returns the size of the text of the file at hand, which may be compressed for nobody: the text before a place
// of a compressed file cannot be passed over.
func (s *fileSource) textSize(ctx context.Context) (int64, error) {
	input, err := s.openInput(s.name())
	if err != nil {
		return 0, err
	}
	defer input.Close()
	if kind := input.Compression(); kind != "none" {
		return 0, notDivisible("%s is compressed (%s), and can only be read from its beginning", s.name(), kind).
			WithHint("decompress it first; or divide it by a column, where each partition reads all of it and keeps its own records")
	}
	size, err := input.Size(ctx)
	if err != nil {
		return 0, s.failed(err)
	}
	return size, nil
}

// border is a place between two records of a file.
type border struct {
	format.Position
	tail string
}

// stride is how many bytes are passed over between two looks at the context.
const stride = 64 << 20

// borders returns the places behind the first records that end at or behind the wanted ones, each once: in front of each
// and behind each there are records. The file at hand is open at its first record, and wanted is in order.
func (s *fileSource) borders(ctx context.Context, wanted []int64) ([]border, error) {
	var found []border
	last := s.scan.Position().Offset
	for _, offset := range wanted {
		for at := s.scan.Position().Offset; at < offset; at = s.scan.Position().Offset {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			to := min(offset, at+stride)
			if err := s.scan.Advance(to); err != nil {
				return nil, s.failed(err)
			}
			if s.scan.Position().Offset < to {
				return found, nil
			}
		}
		place := border{Position: s.scan.Position()}
		if place.Offset <= last {
			continue
		}
		place.tail = checksum(s.scan.Tail())
		// A share with no record but blank lines would have to know whether it holds the trailer.
		if err := s.scan.Next(); err == io.EOF {
			return found, nil
		} else if err != nil && !fault.ClassOf(err).Data() {
			return nil, s.failed(err)
		}
		found = append(found, place)
		last = place.Offset
	}
	return found, nil
}

// between makes the shares that borders divide a file into.
func (s *fileSource) between(borders []border) ([]json.RawMessage, error) {
	var columns []string
	if s.sharing.columns != nil {
		columns = s.sharing.columns()
	}
	begin := int64(0)
	shares := []placeShare{{File: s.name(), From: &begin, Line: 1, Columns: columns}}
	for i := range borders {
		b := &borders[i]
		shares[i].To = &b.Offset
		shares = append(shares, placeShare{File: s.name(), From: &b.Offset, Line: b.Line, Tail: b.tail, Columns: columns})
	}
	all := make([]json.RawMessage, len(shares))
	for i := range shares {
		var err error
		if all[i], err = json.Marshal(&shares[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
