package readers

import (
	"context"
	"encoding/json"
	"os"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// placeShare is one of several files, or the records between two places of a file.
type placeShare struct {
	File string `json:"file"`
	// Of places: the offsets of its text that the share begins at and ends before. From is 0 in the first share, whose
	// records begin behind the header; the last has no To, so that what comes to the file later is its.
	From    *int64   `json:"from,omitempty"`
	To      *int64   `json:"to,omitempty"`
	Line    int64    `json:"line,omitempty"`    // of From
	Tail    string   `json:"tail,omitempty"`    // checksum of up to 64 KiB before From
	Columns []string `json:"columns,omitempty"` // of the header, when the file was divided
}

// sharing is what a source of files needs to be divided, and what it knows as one of the shares.
type sharing struct {
	kind   string // of the reader
	byLine bool   // records can be told apart from any place between two of them: not those of an array
	format *record.Format
	open   func(ctx context.Context, from batch.State) error // the reader's
	schema func(ctx context.Context) (*record.Schema, error) // as batch.Describer has it
	// columns returns those of the header; nil where files have none.
	columns func() []string
	// value returns what the record at hand has in a column; null where it cannot be told.
	value func(column string) record.Value
	// take reads the record at hand as the reader does.
	take func(into *record.Chunk) error

	place   *placeShare
	only    *shareTest
	scratch record.Chunk // for records of other shares
}

// Fits implements batch.Divisible.
func (s *fileSource) Fits(ctx context.Context, d batch.Division) error {
	kind, err := s.dividedBy(ctx, d)
	if err == nil && d.By == "values" {
		_, err = s.byValues(d, kind)
	}
	return err
}

// dividedBy returns the kind of the column that the records are divided by, Absent where there is none.
func (s *fileSource) dividedBy(ctx context.Context, d batch.Division) (record.Kind, error) {
	switch {
	case s.once != nil:
		return 0, notDivisible("standard input cannot be divided: each partition would have to read it").
			WithHint("write it to a file first; or leave partition out, and set workers")
	case d.By == "files":
		return record.Absent, nil
	case d.Column == "" && d.By == "range":
		return record.Absent, s.fitsPlaces()
	}
	kind, err := s.kindOf(ctx, d.Column)
	switch {
	case err != nil:
		return 0, err
	case kind == record.Absent && d.By == "range":
		return 0, notDivisible("by: range needs to know the type of column %s", d.Column).
			WithHint("name the columns of the reader with their types, as in columns: {%s: int}", d.Column)
	case kind == record.Absent:
		return kind, nil
	}
	if fits, hint := divisible(d.By, kind); !fits {
		if kind == record.Text && d.By == "modulo" {
			hint = "give it its type, columns: {" + d.Column + ": int}, or use range or values"
		}
		return 0, notDivisible("by: %s does not fit column %s, which is %s", d.By, d.Column, kind).WithHint("%s", hint)
	}
	return kind, nil
}

// kindOf returns the kind of a column, Absent where only the records can tell, or the file that is not there yet.
func (s *fileSource) kindOf(ctx context.Context, column string) (record.Kind, error) {
	schema, err := s.sharing.schema(ctx)
	if err != nil || schema == nil {
		return record.Absent, err
	}
	i, ok := schema.Index(column)
	if !ok {
		return 0, fault.New(fault.Definition, "partition: the records have no column %q", column).WithCode("unknown_column").
			WithHint("%s", fault.DidYouMean(column, schema.Names()))
	}
	return schema.Field(i).Kind, nil
}

func notDivisible(message string, args ...any) *fault.Error {
	return fault.New(fault.Definition, "partition: "+message, args...).WithCode("bad_partition")
}

// Divide implements batch.Divisible.
func (s *fileSource) Divide(ctx context.Context, d batch.Division) ([]json.RawMessage, error) {
	kind, err := s.dividedBy(ctx, d)
	if err != nil {
		return nil, err
	}
	names, err := s.find()
	if err != nil {
		return nil, err
	}
	switch {
	case d.By == "files":
		return s.byFiles(names)
	case d.Column == "":
		return s.byPlaces(ctx, names, d.Count)
	case d.By == "modulo":
		return marshalShares(moduloShares(d))
	case d.By == "range":
		return s.byRanks(ctx, d)
	}
	shares, err := s.byValues(d, kind)
	if err != nil {
		return nil, err
	}
	return marshalShares(shares)
}

// byValues makes a share for each value. Where columns have no types, values are the texts that are written.
func (s *fileSource) byValues(d batch.Division, kind record.Kind) ([]columnShare, error) {
	if kind == record.Absent {
		kind = record.Text
	}
	return valueShares(d, kind, s.sharing.format)
}

// byFiles makes a share of each file.
func (s *fileSource) byFiles(names []string) ([]json.RawMessage, error) {
	shares := make([]json.RawMessage, len(names))
	for i, name := range names {
		var err error
		if shares[i], err = json.Marshal(placeShare{File: name}); err != nil {
			return nil, err
		}
	}
	return shares, nil
}

// Take implements batch.Divisible.
func (s *fileSource) Take(share json.RawMessage) error {
	var is struct{ Column *string }
	if err := json.Unmarshal(share, &is); err != nil {
		return err
	}
	if is.Column == nil {
		place := new(placeShare)
		if err := json.Unmarshal(share, place); err != nil {
			return err
		}
		s.sharing.place = place
		if place.To != nil {
			s.scan.Until(*place.To)
		}
		return nil
	}
	var column columnShare
	err := json.Unmarshal(share, &column)
	if err == nil {
		s.sharing.only, err = newShareTest(column)
	}
	return err
}

// beginning returns a state, or where there is none the one that the share begins at; nil where all is read.
func (s *fileSource) beginning(from batch.State) (batch.State, error) {
	share := s.sharing.place
	if share == nil || from != nil {
		return from, nil
	}
	at := fileState{Files: []string{share.File}, Line: 1, Columns: share.Columns, Trailer: s.trailer.state()}
	if share.From != nil && *share.From > 0 {
		at.Offset, at.Line, at.Tail = *share.From, share.Line, share.Tail
	}
	return json.Marshal(at)
}

// mine reports whether the record at hand is the share's. bad is a record that could not be read, which goes where those
// without a value go.
func (s *fileSource) mine(bad bool) bool {
	only := s.sharing.only
	if only == nil {
		return true
	}
	v := record.NullValue
	if !bad {
		v = s.sharing.value(only.Column)
	}
	return only.has(v)
}

// passOn passes over a record of another share. A trailer's control totals are about all records.
func (s *fileSource) passOn(ctx context.Context) error {
	if s.count&1023 == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	if s.trailer == nil {
		return nil
	}
	s.sharing.scratch.Reset()
	if err := s.sharing.take(&s.sharing.scratch); err != nil && !fault.ClassOf(err).Data() {
		return err
	}
	return nil
}

// atBorder looks, at the end of what the scanner reads, whether it is where the share ends.
func (s *fileSource) atBorder() error {
	share := s.sharing.place
	if share == nil || share.To == nil || s.index > 0 {
		return nil
	}
	switch at := s.scan.Position().Offset; {
	case at < *share.To:
		return s.changed("%s is shorter than when it was divided: a partition ends at byte %d of its text", s.name(), *share.To)
	case at > *share.To:
		return s.changed("%s was changed since it was divided: no record ends at byte %d of its text any more", s.name(), *share.To)
	}
	return nil
}

// ends reports whether the share has the end of the file, where the trailer stands.
func (s *fileSource) ends() bool { return s.sharing.place == nil || s.sharing.place.To == nil }

// measureShare is measure for a part of a file.
func (s *fileSource) measureShare(share *placeShare) {
	total := int64(0)
	if share.To != nil {
		total = *share.To - *share.From
	} else if info, err := os.Stat(s.absolute(share.File)); err == nil {
		total = max(0, info.Size()-*share.From)
	}
	s.passed = -*share.From
	if s.index == 1 {
		s.passed = total
	}
	s.total.Store(total)
	s.done.Store(max(0, s.passed))
}
