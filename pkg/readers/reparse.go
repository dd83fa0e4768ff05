package readers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// Reparse implements batch.Reparser. Where the definition does not name the columns, their names come from the state, or
// else from the header of the first file.
func (r *csvReader) Reparse(ctx context.Context, covers batch.State, origin record.Origin, fields string, into *record.Chunk) error {
	if r.schema == nil {
		if err := r.learnColumns(ctx, covers); err != nil {
			return err
		}
	}
	if origin.Raw == "" {
		return badLetter(format.AppendJSONRow(into, r.schema, fields, origin, &r.format), origin)
	}
	return r.reparse(origin, origin.Raw, into, func() error { return r.take(into) })
}

func (r *csvReader) learnColumns(ctx context.Context, covers batch.State) error {
	columns, err := columnsOf(covers)
	if err != nil {
		return err
	}
	switch {
	case !r.named():
		return r.bind(r.conf.Columns.names())
	case columns != nil:
		r.files = []string{"the input"} // that an error of a column names
		return r.bind(columns)
	}
	schema, err := r.Schema(ctx)
	if err == nil && schema == nil {
		err = fault.New(fault.Environment, "nothing says which columns the records have").
			WithHint("put the input file back, whose header says so, or name the columns: columns: [id, name]")
	}
	return err
}

// columnsOf returns the columns that a state holds, nil where it holds none.
func columnsOf(covers batch.State) ([]string, error) {
	if covers == nil {
		return nil, nil
	}
	var at fileState
	if err := json.Unmarshal(covers, &at); err != nil {
		return nil, fault.New(fault.Internal, "the reader's state is damaged: %.200s", covers)
	}
	return at.Columns, nil
}

// Reparse implements batch.Reparser. The text of an object that stood in an array, or on a line, is that object.
func (r *objectReader) Reparse(ctx context.Context, covers batch.State, origin record.Origin, fields string, into *record.Chunk) error {
	if r.schema == nil {
		columns, err := columnsOf(covers)
		if err == nil {
			err = r.begin(columns)
		}
		if err != nil {
			return err
		}
		r.scan = format.NewJSONReader(format.JSONReaderOptions{Lines: r.lines, MaxRecord: int(r.conf.MaxRecord)})
		r.fileSource.scan = r.scan
	}
	text := cmp.Or(origin.Raw, fields)
	if !r.lines {
		text = "[" + text + "]"
	}
	return r.reparse(origin, text, into, func() error { return r.take(into) })
}

// reparse reads the one record that a text holds, appends it with take, and gives it its origin.
func (s *fileSource) reparse(origin record.Origin, text string, into *record.Chunk, take func() error) error {
	if err := s.head.readOf(origin.Source, s); err != nil {
		return err
	}
	s.files, s.index = []string{origin.Source}, 0
	s.scan.SetName(origin.Source)
	err := s.scan.Reset(strings.NewReader(text), format.Position{Line: max(origin.Line, 1)}, 0)
	if err == nil {
		err = s.scan.Next()
	}
	switch {
	case err == io.EOF:
		err = s.notOne(origin, "the text holds no record")
	case err == nil:
		if err = take(); err == nil {
			into.Origins[len(into.Origins)-1] = record.Origin{
				Source: into.In.Arena.CopyString(origin.Source), Line: origin.Line, Raw: into.In.Arena.CopyString(origin.Raw),
			}
			return s.nothingElse(origin, into)
		}
	}
	return badLetter(err, origin)
}

// badLetter makes an error of a data class one of a bad record.
func badLetter(err error, origin record.Origin) error {
	if err == nil || !fault.ClassOf(err).Data() {
		return err
	}
	var bad *batch.BadRecord
	if errors.As(err, &bad) {
		err = bad.Err
	}
	return &batch.BadRecord{Origin: origin, Err: err}
}

// nothingElse takes the record back where its text holds another one.
func (s *fileSource) nothingElse(origin record.Origin, into *record.Chunk) error {
	if err := s.scan.Next(); err == io.EOF {
		return nil
	}
	into.DropInput()
	return &batch.BadRecord{Origin: origin, Err: s.notOne(origin, "the text holds more than one record")}
}

func (s *fileSource) notOne(origin record.Origin, message string) error {
	return fault.New(fault.Parse, "%s", message).At(fault.Position{File: origin.Source, Line: int(origin.Line)}).
		WithHint("the raw text of a dead letter is one record")
}
