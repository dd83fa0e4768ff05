package writers

import (
	"context"
	"io"
	"iter"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// kept is what a file holds of the rows of a writer.
type kept struct {
	name    string
	text    io.Reader
	columns []string // those that the writer wrote, nil where nobody knows
	cut     bool     // the text has no end yet
}

// Reread implements batch.Rereader: the rows of the file, or of the unfinished one as far as at covers.
func (w *fileWriter) Reread(ctx context.Context, at batch.State, _ map[string]record.Value) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		state, err := parseState(at)
		if err != nil {
			yield(record.Record{}, err)
			return
		}
		written, err := files.OpenWritten(w.output, state.Mark)
		if err != nil {
			yield(record.Record{}, err)
			return
		}
		defer written.Close()
		if written.Unfinished && !state.Begun {
			return
		}
		from := kept{name: written.Path, text: written, columns: state.Columns, cut: written.Unfinished && !state.Finished}
		if from.columns == nil {
			from.columns = w.columns.named
		}
		for row, err := range w.layout.reread(from) {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// allText is a bound for records that are read back: one may hold another one whole.
const allText = 1 << 30

func (l *csvLayout) reread(from kept) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		scan, err := format.NewCSVReader(format.CSVReaderOptions{
			Name: from.name, Delimiter: l.conf.Delimiter, Quote: l.conf.Quote[0], MaxRecord: allText,
		})
		if err == nil {
			err = scan.Reset(from.text, format.Start(), 0)
		}
		if err == nil {
			err = l.passHeader(scan, &from)
		}
		if err != nil {
			if err != io.EOF {
				yield(record.Record{}, err)
			}
			return
		}
		schema, err := textSchema(from.columns)
		if err != nil {
			yield(record.Record{}, err)
			return
		}
		for l.rereadRow(from.name, scan, schema, yield) {
		}
	}
}

// rereadRow yields the next row and reports whether more are wanted.
func (l *csvLayout) rereadRow(name string, scan *format.CSVReader, schema *record.Schema, yield func(record.Record, error) bool) bool {
	err := scan.Next()
	if err == io.EOF {
		return false
	}
	row := scan.Record()
	switch {
	case err != nil:
		yield(record.Record{}, notMended(err))
		return false
	case len(row.Fields) != schema.Len() && !l.footer.node.IsZero():
		return true
	case len(row.Fields) != schema.Len():
		yield(record.Record{}, notMended(fault.New(fault.Parse, "%d fields instead of %d", len(row.Fields), schema.Len()).
			At(fault.Position{File: name, Line: int(row.Line)})))
		return false
	}
	values := make([]record.Value, schema.Len())
	for i, f := range row.Fields {
		values[i] = l.field(string(scan.AppendField(nil, row.Raw, f)), f.Quoted)
	}
	return yield(record.Record{Schema: schema, Values: values}, nil)
}

// field is the value that a field was written for: null, or a text.
func (l *csvLayout) field(text string, quoted bool) record.Value {
	if null := l.conf.NullText; null != nil && !quoted && text == *null {
		return record.NullValue
	}
	if l.conf.EscapeFormulas && quoted && len(text) > 1 && text[0] == '\'' && strings.IndexByte("=+-@\t\r", text[1]) >= 0 {
		text = text[1:]
	}
	return record.OfText(text)
}

// passHeader passes over the header, which may name the columns.
func (l *csvLayout) passHeader(scan *format.CSVReader, from *kept) error {
	switch {
	case !l.header.text.node.IsZero():
		text, err := l.header.text.resolve(l.env)
		if err != nil || text == "" {
			return err
		}
		for range strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1 {
			if err := scan.SkipLine(); err != nil {
				return err
			}
		}
	case !l.header.off:
		if err := scan.Next(); err != nil {
			return err
		}
		from.columns = nil
		row := scan.Record()
		for _, f := range row.Fields {
			from.columns = append(from.columns, string(scan.AppendField(nil, row.Raw, f)))
		}
	}
	if from.columns == nil {
		return fault.New(fault.Environment, "%s does not say which columns it has", from.name).
			WithHint("it has no header, and the checkpoint that knew them is gone; name them under columns")
	}
	return nil
}

func textSchema(columns []string) (*record.Schema, error) {
	fields := make([]record.Field, len(columns))
	for i, name := range columns {
		fields[i] = record.Field{Name: name, Kind: record.Text}
	}
	return record.NewSchema(fields...)
}

// notMended makes an error of the data one of the file: what batchctl wrote can only be wrong where somebody changed it.
func notMended(err error) error {
	e := fault.Wrap(fault.Environment, err, "").WithCode("damaged_letter")
	return e.WithHint("the file was changed since it was written: it has to keep its form")
}

func (l *jsonlLayout) reread(from kept) iter.Seq2[record.Record, error] {
	return rereadObjects(format.NewJSONReader(format.JSONReaderOptions{Name: from.name, Lines: true, MaxRecord: allText}), from.text)
}

func (l *jsonLayout) reread(from kept) iter.Seq2[record.Record, error] {
	if from.cut {
		from.text = io.MultiReader(from.text, strings.NewReader("\n]\n"))
	}
	return rereadObjects(format.NewJSONReader(format.JSONReaderOptions{Name: from.name, MaxRecord: allText}), from.text)
}

func rereadObjects(scan *format.JSONReader, text io.Reader) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		err := scan.Reset(text, format.Start(), 0)
		for {
			if err == nil {
				err = scan.Next()
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(record.Record{}, notMended(err))
				return
			}
			row, err := objectRow(scan.Record())
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// objectRow returns an object as a row with memory of its own.
func objectRow(object *format.JSONRecord) (record.Record, error) {
	raw := string(object.Raw)
	fields := make([]record.Field, len(object.Fields))
	values := make([]record.Value, len(object.Fields))
	arena := new(record.Arena)
	for i := range object.Fields {
		f := &object.Fields[i]
		fields[i] = record.Field{Name: string(f.Key)}
		values[i] = f.Value(raw, arena).Clone()
	}
	schema, err := record.NewSchema(fields...)
	return record.Record{Schema: schema, Values: values}, err
}
