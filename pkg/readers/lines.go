package readers

import (
	"context"
	"regexp"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/format"
	"batchctl/pkg/record"
)

// lineConf is what the configurations of readers share whose records are lines.
type lineConf struct {
	fileConf
	SkipLines        int    `yaml:"skip_lines" help:"lines to pass over at the beginning of each file"`
	Comment          string `yaml:"comment" help:"lines that begin with it are passed over"`
	NullText         string `yaml:"null_text" help:"fields that are null, such as \"-\"; besides, empty fields of columns that are not text"`
	DecimalSeparator string `yaml:"decimal_separator" default:"." enum:".|," help:"point or comma"`
	DateFormat       string `yaml:"date_format" help:"pattern of date columns, such as dd.MM.yyyy; without it yyyy-MM-dd"`
	DatetimeFormat   string `yaml:"datetime_format" help:"pattern of datetime columns, such as dd.MM.yyyy HH:mm; without it ISO 8601"`

	HeaderRecord *headConf    `yaml:"header_record" help:"the first line of each file, which says what the file holds; it is no record, and must be there. Its columns are named groups of match"`
	Trailer      *trailerConf `yaml:"trailer" help:"the last line of each file, which counts what stands before it; it is no record, and must be there. Its columns are named groups of match"`
}

// linesConf is the configuration of the lines reader.
type linesConf struct {
	lineConf
	Match   string     `yaml:"match,required" help:"regular expression (RE2) that each line matches; its named groups, (?P<name>...), are the columns"`
	Columns columnList `yaml:"columns" help:"types of some columns; the others are text"`
}

// lineColumn is a column of a line.
type lineColumn struct {
	name string
	kind record.Kind
}

// lineReader reads lines as records, each cut into fields.
type lineReader struct {
	*fileSource
	conf    *lineConf
	scan    *format.CSVReader // knows lines, encodings and sizes; a line is one record, whatever is in it
	format  record.Format
	schema  *record.Schema
	columns []lineColumn
	// cut finds the fields of a line, in the order of the columns: from and to in bytes, or both -1 where it has none.
	cut    func(line string, fields []int) ([]int, error)
	fields []int
}

// newLines returns a reader of lines that match a regular expression.
func newLines(conf *linesConf, env *catalog.Env) (batch.Reader, error) {
	match, err := regexp.Compile(conf.Match)
	if err != nil {
		return nil, fault.New(fault.Definition, "reader lines: match is no regular expression: %v", err)
	}
	var columns []lineColumn
	var groups []int
	for i, name := range match.SubexpNames() {
		if name != "" {
			columns, groups = append(columns, lineColumn{name, record.Text}), append(groups, i)
		}
	}
	if columns == nil {
		return nil, fault.New(fault.Definition, "reader lines: match has no named group").
			WithHint(`name what is to be a column: (?P<level>[A-Z]+) (?P<text>.*)`)
	}
	r, err := newLineReader(&conf.lineConf, "lines", columns, &conf.Columns, env)
	if err != nil {
		return nil, err
	}
	r.cut = func(line string, fields []int) ([]int, error) {
		at := match.FindStringSubmatchIndex(line)
		if at == nil {
			return nil, fault.New(fault.Parse, "the line does not match %s", conf.Match)
		}
		for _, g := range groups {
			fields = append(fields, at[2*g], at[2*g+1])
		}
		return fields, nil
	}
	return r, nil
}

// noDelimiter stands in no text that anybody keeps in lines.
const noDelimiter = "\x1f\x1e\x1f\x1e"

// newLineReader returns a reader of columns; types are those of some of them. The caller says how lines are cut.
func newLineReader(conf *lineConf, kind string, columns []lineColumn, types *columnList, env *catalog.Env) (*lineReader, error) {
	source, err := newFileSource(&conf.fileConf, env)
	if err != nil {
		return nil, err
	}
	if conf.SkipLines < 0 {
		return nil, fault.New(fault.Definition, "reader %s: skip_lines is negative", kind)
	}
	scan, err := format.NewCSVReader(format.CSVReaderOptions{
		Delimiter: noDelimiter, NoQuote: true, Comment: conf.Comment, Lenient: true, MaxRecord: int(conf.MaxRecord),
	})
	if err != nil {
		return nil, fault.Wrap(fault.Definition, err, "reader %s", kind)
	}
	r := &lineReader{fileSource: source, conf: conf, scan: scan, columns: columns}
	source.scan, source.lines, source.start = scan, true, r.enterFile
	if err := source.head.define(conf.HeaderRecord, env); err != nil {
		return nil, err
	}
	source.head.line, source.head.next = r.lineAtHand, scan.Next
	source.head.row = func(columns *columnList) ([]record.Value, error) { return r.groups(source.head.match, columns) }
	if source.trailer, err = newTrailer(conf.Trailer, env); err != nil {
		return nil, err
	}
	if source.trailer != nil {
		source.trailer.line = r.lineAtHand
		source.trailer.row = func(columns *columnList) ([]record.Value, error) { return r.groups(source.trailer.match, columns) }
	}
	plain := csvConf{DecimalSeparator: conf.DecimalSeparator, DateFormat: conf.DateFormat, DatetimeFormat: conf.DatetimeFormat}
	if err := setFormat(&r.format, &plain, env); err != nil {
		return nil, err
	}
	if err := r.bind(types); err != nil {
		return nil, err
	}
	source.sharing = sharing{kind: kind, byLine: true, format: &r.format, open: r.Open, schema: r.Schema, take: r.take, value: r.valueAtHand}
	return r, nil
}

// bind gives columns their types and makes the schema.
func (r *lineReader) bind(types *columnList) error {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.name
	}
	for _, c := range types.columns {
		at := -1
		for i, name := range names {
			if name == c.name {
				at = i
			}
		}
		if at < 0 {
			return c.node.Errorf("reader lines: match has no group %q", c.name).WithHint("%s", fault.DidYouMean(c.name, names))
		}
		r.columns[at].kind = c.kind
	}
	if err := r.head.apart(names); err != nil {
		return err
	}
	fields := r.head.fields()
	for _, c := range r.columns {
		fields = append(fields, record.Field{Name: c.name, Kind: c.kind})
	}
	var err error
	if r.schema, err = record.NewSchema(fields...); err != nil {
		return fault.Wrap(fault.Definition, err, "the columns")
	}
	if r.trailer == nil {
		return nil
	}
	return r.trailer.columnsOf(r.schema)
}

// enterFile passes over what stands before the first record of a file.
func (r *lineReader) enterFile() error {
	if err := skipLines(r.scan, r.conf.SkipLines); err != nil {
		return err
	}
	return r.head.read(r.fileSource)
}

// Open goes on behind from.
func (r *lineReader) Open(ctx context.Context, from batch.State) error {
	from, err := r.beginning(from)
	if err != nil {
		return err
	}
	if _, err := r.open(from); err != nil {
		return err
	}
	return r.enter(ctx, from)
}

// Read appends a line.
func (r *lineReader) Read(ctx context.Context, into *record.Chunk) error {
	if err := r.read(ctx, r.bad); err != nil {
		return err
	}
	return r.take(into)
}

// take appends the line at hand.
func (r *lineReader) take(into *record.Chunk) error {
	rec := r.scan.Record()
	if into.In.Schema() != r.schema {
		into.In.SetSchema(r.schema)
	}
	raw := into.In.Arena.Copy(rec.Raw)
	all := into.AddInput(len(r.head.values)+len(r.columns), record.Origin{Source: r.name(), Line: rec.Line, Raw: raw})
	if err := r.fill(all[copy(all, r.head.values):], raw, rec.Line); err != nil {
		into.DropInput()
		return r.bad(err)
	}
	return r.trailer.add(r.schema, all)
}

// fill sets the values of a row from the fields of a line.
func (r *lineReader) fill(row []record.Value, line string, number int64) (err error) {
	if r.fields, err = r.cut(line, r.fields[:0]); err != nil {
		return r.atLine(err, number)
	}
	for i := range row {
		from, to := r.fields[2*i], r.fields[2*i+1]
		if from < 0 {
			row[i] = record.NullValue
			continue
		}
		if row[i], err = r.value(r.columns[i].kind, line[from:to]); err != nil {
			return r.mismatch(err, number, r.columns[i].name)
		}
	}
	return nil
}

func (r *lineReader) atLine(err error, number int64) error {
	e := fault.Wrap(fault.Parse, err, "").At(r.at(number)).WithCode(fault.CodeOf(err))
	e.Hint = fault.HintOf(err)
	return e
}

// value returns what a field stands for.
func (r *lineReader) value(kind record.Kind, text string) (record.Value, error) {
	if r.conf.NullText != "" && text == r.conf.NullText || kind != record.Text && text == "" {
		return record.NullValue, nil
	}
	return r.format.Parse(kind, text)
}

// groups returns columns of the line at hand that are named groups of an expression.
func (r *lineReader) groups(match *regexp.Regexp, columns *columnList) ([]record.Value, error) {
	line := string(r.scan.Record().Raw)
	at := match.FindStringSubmatchIndex(line)
	var row []record.Value
	for _, c := range columns.columns {
		g := match.SubexpIndex(c.name)
		if g < 0 {
			return nil, fault.New(fault.Definition, "match has no group %q", c.name).WithHint("name it: (?P<%s>...)", c.name)
		}
		if at == nil || at[2*g] < 0 {
			row = append(row, record.NullValue)
			continue
		}
		v, err := r.value(c.kind, line[at[2*g]:at[2*g+1]])
		if err != nil {
			return nil, fault.Wrap(fault.Parse, err, "column %s", c.name)
		}
		row = append(row, v)
	}
	return row, nil
}

// valueAtHand returns what the line at hand has in a column; null where it has none, or not what its type asks for.
func (r *lineReader) valueAtHand(column string) record.Value {
	if v, added := r.head.value(column); added {
		return v
	}
	line := record.String(r.scan.Record().Raw)
	fields, err := r.cut(line, r.fields[:0])
	if err != nil {
		return record.NullValue
	}
	r.fields = fields
	for i, c := range r.columns {
		if c.name != column || fields[2*i] < 0 {
			continue
		}
		if v, err := r.value(c.kind, line[fields[2*i]:fields[2*i+1]]); err == nil {
			return v
		}
	}
	return record.NullValue
}

func (r *lineReader) lineAtHand() (raw []byte, line int64) {
	rec := r.scan.Record()
	return rec.Raw, rec.Line
}

// bad makes the error for the line at hand.
func (r *lineReader) bad(err error) error {
	rec := r.scan.Record()
	return r.refused(err, rec.Line, rec.Raw)
}

// State covers every line read so far.
func (r *lineReader) State() (batch.State, error) { return r.state(nil) }

// Close closes the file.
func (r *lineReader) Close() error { return r.close() }

// Schema returns the columns, which the definition knows.
func (r *lineReader) Schema(context.Context) (*record.Schema, error) { return r.schema, nil }

// Reparse implements batch.Reparser. A line stands alone.
func (r *lineReader) Reparse(_ context.Context, _ batch.State, origin record.Origin, fields string, into *record.Chunk) error {
	if origin.Raw == "" {
		return badLetter(format.AppendJSONRow(into, r.schema, fields, origin, &r.format), origin)
	}
	return r.reparse(origin, origin.Raw, into, func() error { return r.take(into) })
}
