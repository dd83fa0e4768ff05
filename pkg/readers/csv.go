package readers

import (
	"context"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// csvConf is the configuration of the csv reader.
type csvConf struct {
	fileConf
	Delimiter        string     `yaml:"delimiter" default:"','" help:"between fields; one or more characters, \\t for a tab"`
	Quote            string     `yaml:"quote" default:"'\"'" help:"around fields that hold delimiters or line ends; an empty text: quotes are data"`
	Escape           string     `yaml:"escape" help:"before a quote inside a quoted field; without it such quotes are doubled"`
	Comment          string     `yaml:"comment" help:"lines that begin with it are passed over"`
	Header           bool       `yaml:"header" default:"true" help:"the first line names the columns; where it is false, columns does"`
	Columns          columnList `yaml:"columns" help:"types of some columns, the others stay text; or the names of all, which override the header's"`
	NullText         *string    `yaml:"null_text" help:"unquoted fields that are null, such as \"NULL\" (in quotes: YAML reads NULL as nothing). Without it, empty fields of columns that are not text are null"`
	SkipLines        int        `yaml:"skip_lines" help:"lines to pass over at the beginning of each file, before the header"`
	DecimalSeparator string     `yaml:"decimal_separator" default:"." enum:".|," help:"point or comma"`
	DateFormat       string     `yaml:"date_format" help:"pattern of date columns, such as dd.MM.yyyy; without it yyyy-MM-dd"`
	DatetimeFormat   string     `yaml:"datetime_format" help:"pattern of datetime columns, such as dd.MM.yyyy HH:mm; without it ISO 8601"`
	Lenient          bool       `yaml:"lenient" help:"take stray quotes as data, fill short records with null, cut long ones"`

	HeaderRecord *headConf    `yaml:"header_record" help:"a line at the beginning of each file, before that with the names of the columns, that says what the file holds; it is no record, and must be there"`
	Trailer      *trailerConf `yaml:"trailer" help:"the last line of each file, which counts what stands before it; it is no record, and must be there"`
}

// csvReader reads the records of delimited text files that have the same columns.
type csvReader struct {
	*fileSource
	conf   *csvConf
	scan   *format.CSVReader
	format record.Format

	names   []string // of the columns, from the first header or the definition; nil before
	schema  *record.Schema
	columns []csvColumn
}

// csvColumn is what a reader does with a column.
type csvColumn struct {
	name  string
	kind  record.Kind
	plain bool // text, and no text means null
}

// newCSV returns the reader of a configuration. It opens nothing.
func newCSV(conf *csvConf, env *catalog.Env) (batch.Reader, error) {
	source, err := newFileSource(&conf.fileConf, env)
	if err != nil {
		return nil, err
	}
	scan, err := newCSVScanner(conf)
	if err != nil {
		return nil, err
	}
	r := &csvReader{fileSource: source, conf: conf, scan: scan}
	source.scan, source.start, source.lines = scan, r.enterFile, true
	if err := source.head.define(conf.HeaderRecord, env); err != nil {
		return nil, err
	}
	source.head.line, source.head.row, source.head.next = r.lineAtHand, r.rowAtHand, scan.Next
	if source.trailer, err = newTrailer(conf.Trailer, env); err != nil {
		return nil, err
	}
	if source.trailer != nil {
		source.trailer.line, source.trailer.row = r.lineAtHand, r.rowAtHand
	}
	if err := setFormat(&r.format, conf, env); err != nil {
		return nil, err
	}
	source.sharing = sharing{
		kind: "csv", byLine: true, format: &r.format, open: r.Open, schema: r.Schema, take: r.take, value: r.valueAtHand,
		columns: func() []string { return r.names },
	}
	if !conf.Header && len(conf.Columns.columns) == 0 {
		return nil, fault.New(fault.Definition, "reader csv: header: false needs columns").
			WithHint("name them in their order: columns: [id, name], or with types: columns: {id: int, name: text}")
	}
	if conf.SkipLines < 0 {
		return nil, fault.New(fault.Definition, "reader csv: skip_lines is negative")
	}
	return r, nil
}

func newCSVScanner(conf *csvConf) (*format.CSVReader, error) {
	o := format.CSVReaderOptions{
		Delimiter: conf.Delimiter, NoQuote: conf.Quote == "", Comment: conf.Comment,
		Lenient: conf.Lenient, MaxRecord: int(conf.MaxRecord),
	}
	if o.Delimiter == `\t` {
		o.Delimiter = "\t"
	}
	if len(conf.Quote) > 1 || len(conf.Escape) > 1 {
		return nil, fault.New(fault.Definition, "reader csv: quote and escape must be one ASCII character each")
	}
	if o.Delimiter == "" {
		return nil, fault.New(fault.Definition, "reader csv: the delimiter is empty")
	}
	if conf.Quote != "" {
		o.Quote = conf.Quote[0]
	}
	if conf.Escape != "" {
		o.Escape = conf.Escape[0]
	}
	scan, err := format.NewCSVReader(o)
	if err != nil {
		return nil, fault.Wrap(fault.Definition, err, "reader csv")
	}
	return scan, nil
}

func setFormat(f *record.Format, conf *csvConf, env *catalog.Env) (err error) {
	f.Location = env.Location
	if conf.DecimalSeparator != "" {
		f.DecimalSeparator = conf.DecimalSeparator[0]
	}
	if f.Date, err = layoutOf("date_format", conf.DateFormat); err != nil {
		return err
	}
	f.DateTime, err = layoutOf("datetime_format", conf.DatetimeFormat)
	return err
}

func layoutOf(key, pattern string) (string, error) {
	if pattern == "" {
		return "", nil
	}
	layout, err := record.Layout(pattern)
	if err != nil {
		return "", fault.Wrap(fault.Definition, err, "reader csv: %s", key)
	}
	return layout, nil
}

// Open reads the header of the file that from stands in, and goes on behind from.
func (r *csvReader) Open(ctx context.Context, from batch.State) error {
	from, err := r.beginning(from)
	if err != nil {
		return err
	}
	if r.names, err = r.open(from); err != nil {
		return err
	}
	return r.enter(ctx, from)
}

// Read appends a record. A field is text, or checked for its column's type.
func (r *csvReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := r.read(ctx, r.bad); err != nil {
		return err
	}
	return r.take(into)
}

// take appends the record at hand.
func (r *csvReader) take(into *record.Chunk) error {
	rec := r.scan.Record()
	if len(rec.Fields) != len(r.columns) && !r.conf.Lenient {
		return r.bad(fault.New(fault.Parse, "%s, expected %d", countOf(len(rec.Fields), "field"), len(r.columns)).At(r.at(rec.Line)).
			WithHint("quote fields that hold the delimiter, or set lenient: true to fill short records with null and cut long ones"))
	}
	if into.In.Schema() != r.schema {
		into.In.SetSchema(r.schema)
	}
	arena := &into.In.Arena
	raw := arena.Copy(rec.Raw)
	all := into.AddInput(len(r.head.values)+len(r.columns), record.Origin{Source: r.name(), Line: rec.Line, Raw: raw})
	row := all[copy(all, r.head.values):]
	if len(rec.Fields) < len(row) {
		for i := len(rec.Fields); i < len(row); i++ {
			row[i] = record.NullValue
		}
		row = row[:len(rec.Fields)]
	}
	if err := r.fill(row, rec, raw, arena); err != nil {
		into.DropInput()
		return r.bad(err)
	}
	return r.trailer.add(r.schema, all)
}

// fill sets the values of a row from the fields of a record whose text is raw.
func (r *csvReader) fill(row []record.Value, rec *format.CSVRecord, raw string, arena *record.Arena) error {
	fields, columns := rec.Fields[:len(row)], r.columns[:len(row)]
	for i := range row {
		f, c := &fields[i], &columns[i]
		text := raw[f.Start:f.End]
		if f.Escaped {
			text = record.String(r.scan.AppendField(arena.Alloc(len(text))[:0], rec.Raw, *f))
		}
		if c.plain {
			row[i].SetText(text)
			continue
		}
		if err := r.set(&row[i], c, text, f.Quoted); err != nil {
			return r.mismatch(err, rec.Line, c.name)
		}
	}
	return nil
}

// set makes v what a field stands for. A quoted field of a text column is never null, so that texts which read like
// null_text survive; other columns have no use for a quoted one.
func (r *csvReader) set(v *record.Value, c *csvColumn, text string, quoted bool) error {
	isNull := text == ""
	if null := r.conf.NullText; null != nil {
		isNull = text == *null && (c.kind != record.Text || !quoted)
	} else if c.kind == record.Text {
		isNull = false
	}
	if isNull {
		*v = record.NullValue
		return nil
	}
	return r.format.ParseInto(v, c.kind, text)
}

// valueAtHand returns what the record at hand has in a column; null where it has none, or not what its type asks for.
func (r *csvReader) valueAtHand(column string) record.Value {
	if v, added := r.head.value(column); added {
		return v
	}
	rec, i := r.scan.Record(), slices.Index(r.names, column)
	if i < 0 || i >= len(rec.Fields) || len(rec.Fields) != len(r.columns) && !r.conf.Lenient {
		return record.NullValue
	}
	f := rec.Fields[i]
	text := rec.Raw[f.Start:f.End]
	if f.Escaped {
		text = r.scan.AppendField(nil, rec.Raw, f)
	}
	var v record.Value
	if err := r.set(&v, &r.columns[i], record.String(text), f.Quoted); err != nil {
		return record.NullValue
	}
	return v
}

func (r *csvReader) lineAtHand() (raw []byte, line int64) {
	rec := r.scan.Record()
	return rec.Raw, rec.Line
}

// rowAtHand returns the record at hand as a row of other columns: those of a header record or a trailer.
func (r *csvReader) rowAtHand(list *columnList) ([]record.Value, error) {
	rec, columns := r.scan.Record(), list.columns
	if len(columns) > 0 && len(rec.Fields) != len(columns) {
		return nil, fault.New(fault.Parse, "it has %s, expected %d", countOf(len(rec.Fields), "field"), len(columns))
	}
	var row []record.Value
	for i, c := range columns {
		text := string(r.scan.AppendField(nil, rec.Raw, rec.Fields[i]))
		var v record.Value
		if err := r.set(&v, &csvColumn{name: c.name, kind: c.kind}, text, rec.Fields[i].Quoted); err != nil {
			return nil, fault.Wrap(fault.Parse, err, "column %s", c.name)
		}
		row = append(row, v)
	}
	return row, nil
}

// bad makes the error for the record at hand.
func (r *csvReader) bad(err error) error {
	rec := r.scan.Record()
	return r.refused(err, rec.Line, rec.Raw)
}

// State covers every record read so far.
func (r *csvReader) State() (batch.State, error) { return r.state(r.names) }

// Close closes the file.
func (r *csvReader) Close() error { return r.close() }

// Schema reads the header of the first file, or takes the columns of the definition. A file that is not there yet has
// none.
func (r *csvReader) Schema(ctx context.Context) (*record.Schema, error) {
	if r.once != nil {
		return r.declared()
	}
	err := r.Open(ctx, nil)
	closed := r.Close()
	switch {
	case fault.CodeOf(err) == noSuchFile, err == nil && r.names == nil:
		return r.declared()
	case err != nil:
		return nil, err
	}
	return r.schema, closed
}

// declared returns the columns of the definition where they are all there are.
func (r *csvReader) declared() (*record.Schema, error) {
	if r.named() {
		return nil, nil
	}
	err := r.bind(slices.Clone(r.conf.Columns.names()))
	return r.schema, err
}
