package readers

import (
	"io"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// enterFile passes over the beginning of a file, reads its header record and its header, and binds the columns at the first one. A file
// without any line has no header and needs none.
func (r *csvReader) enterFile() error {
	if err := skipLines(r.scan, r.conf.SkipLines); err != nil {
		return err
	}
	if err := r.head.read(r.fileSource); err != nil {
		return err
	}
	names, err := r.header()
	switch {
	case err == io.EOF && r.names == nil:
		return nil
	case err == io.EOF:
		return r.bind(r.names)
	case err != nil:
		return err
	case r.names != nil && r.named() && !slices.Equal(names, r.names):
		return r.otherColumns(names)
	}
	return r.bind(names)
}

// skipLines passes over lines, as many as there are.
func skipLines(scan *format.CSVReader, n int) error {
	for range n {
		if err := scan.SkipLine(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// named reports whether the names of the columns come from the header.
func (r *csvReader) named() bool {
	return r.conf.Header && (r.conf.Columns.typed || len(r.conf.Columns.columns) == 0)
}

// header returns the names of the file's columns: those of its first line, or of the definition.
func (r *csvReader) header() ([]string, error) {
	declared := r.conf.Columns.names()
	if !r.conf.Header {
		return declared, nil
	}
	if err := r.scan.Next(); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, headerFault(r.encodingFault(err))
	}
	rec := r.scan.Record()
	names := make([]string, len(rec.Fields))
	for i, f := range rec.Fields {
		names[i] = string(r.scan.AppendField(nil, rec.Raw, f))
	}
	if !r.named() {
		if len(declared) != len(names) {
			return nil, fault.New(fault.Definition, "columns has %s, but the header has %d: %s",
				countOf(len(declared), "name"), len(names), list(names)).At(r.at(rec.Line))
		}
		return declared, nil
	}
	return names, r.checkHeader(names, rec.Line)
}

// headerFault makes an error of a record one of the file: a header cannot be skipped.
func headerFault(err error) error {
	if !fault.ClassOf(err).Data() {
		return err
	}
	e := fault.New(fault.Environment, "the header cannot be read: %s", messageOf(err)).At(fault.PositionOf(err))
	e.Hint = fault.HintOf(err)
	return e
}

// messageOf returns an error's text without its position.
func messageOf(err error) string {
	return strings.TrimPrefix(err.Error(), fault.PositionOf(err).String()+": ")
}

func (r *csvReader) checkHeader(names []string, line int64) error {
	seen := map[string]int{}
	for i, name := range names {
		if strings.TrimSpace(name) == "" {
			return fault.New(fault.Environment, "column %d of the header has no name: %s", i+1, list(names)).At(r.at(line)).
				WithHint("name all columns yourself: columns: [a, b, ...]; where there is no header, header: false")
		}
		if first, twice := seen[name]; twice {
			return fault.New(fault.Environment, "columns %d and %d of the header are both called %q", first+1, i+1, name).At(r.at(line)).
				WithHint("name all columns yourself: columns: [a, b, ...]")
		}
		seen[name] = i
	}
	return nil
}

// otherColumns is the error for a file whose columns are not those of the first one, or of the run that is continued.
func (r *csvReader) otherColumns(names []string) error {
	line := r.scan.Record().Line
	if r.index > 0 {
		return fault.New(fault.Environment, "the columns are not those of %s: %s instead of %s", r.files[0], list(names), list(r.names)).
			At(r.at(line)).WithHint("files that are read together have the same columns in the same order")
	}
	return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "the columns are no longer those of the first run: %s instead of %s",
		list(names), list(r.names)).At(r.at(line)).WithCode("input_changed").WithHint("put the header back as it was, or start a new run")
}

// list returns names for a message.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// bind sets the columns and their types, once.
func (r *csvReader) bind(names []string) error {
	if r.schema != nil && slices.Equal(r.schema.Names()[len(r.head.added):], names) {
		r.names = names
		return nil
	}
	columns := make([]csvColumn, len(names))
	fields := make([]record.Field, len(names))
	for i, name := range names {
		columns[i] = csvColumn{name: name, kind: record.Text, plain: r.conf.NullText == nil}
		fields[i] = record.Field{Name: name, Kind: record.Text}
	}
	for _, c := range r.conf.Columns.columns {
		at := slices.Index(names, c.name)
		if at < 0 {
			return c.node.Errorf("reader csv: column %q is not in the header of %s", c.name, r.name()).
				WithHint("%s", fault.DidYouMean(c.name, names))
		}
		columns[at].kind, fields[at].Kind = c.kind, c.kind
		columns[at].plain = columns[at].plain && c.kind == record.Text
	}
	if err := r.head.apart(names); err != nil {
		return err
	}
	schema, err := record.NewSchema(append(r.head.fields(), fields...)...)
	if err != nil {
		return fault.Wrap(fault.Definition, err, "reader csv")
	}
	if r.conf.Trailer != nil {
		if err := r.trailer.columnsOf(schema); err != nil {
			return err
		}
	}
	r.names, r.schema, r.columns = names, schema, columns
	return nil
}
