package readers

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// headConf says what the first record of each file is that tells what the file holds.
type headConf struct {
	Match   string            `yaml:"match,required" help:"regular expression (RE2) that the line matches"`
	Columns columnList        `yaml:"columns" help:"what stands in the line, by name and type: fields in their order, or keys of the object"`
	Add     []string          `yaml:"add" help:"columns of the line that every record of the file gets, in front of its own"`
	Expect  config.Expression `yaml:"expect" help:"condition over the line's columns and params; a file that does not keep it is not read"`
}

// head is what stands in the files of a source before their first records.
type head struct {
	first atomic.Pointer[string] // that of the first file; nil while nobody knows

	conf   *headConf // of the header record; nil where files have none
	match  *regexp.Regexp
	expect *expr.Program // nil: anything will do
	schema *record.Schema
	added  []int // the columns that records get
	// line, row and next are the reader's: the record at hand as it stands, its columns' values, and the record behind it.
	line func() (raw []byte, line int64)
	row  func(columns *columnList) ([]record.Value, error)
	next func() error

	values []record.Value // of the added columns, in the file at hand
	of     string         // the file that they were last read of for a record that stands alone
}

// define takes over what a definition says of header records; nil: there are none.
func (h *head) define(conf *headConf, env *catalog.Env) (err error) {
	if conf == nil {
		return nil
	}
	h.conf = conf
	if h.match, err = regexp.Compile(conf.Match); err != nil {
		return fault.New(fault.Definition, "header_record: match is no regular expression: %v", err)
	}
	if h.schema, err = conf.Columns.schema(); err != nil {
		return fault.Wrap(fault.Definition, err, "header_record")
	}
	for i, name := range conf.Add {
		at, ok := h.schema.Index(name)
		switch {
		case !ok:
			return fault.New(fault.Definition, "header_record: add: it has no column %q", name).WithCode("unknown_column").
				WithHint("%s", fault.DidYouMean(name, h.schema.Names()))
		case slices.Contains(conf.Add[:i], name):
			return fault.New(fault.Definition, "header_record: add: column %q stands twice", name)
		}
		h.added = append(h.added, at)
	}
	if conf.Expect.Source != "" {
		h.expect, err = condition("header_record", conf.Expect, expr.Options{Scope: env.Scope, Location: env.Location}, h.schema)
	}
	return err
}

// fields are the columns that records get.
func (h *head) fields() []record.Field {
	fields := make([]record.Field, len(h.added))
	for i, at := range h.added {
		fields[i] = h.schema.Field(at)
	}
	return fields
}

// value returns what the file at hand gives a column that records get from it.
func (h *head) value(column string) (v record.Value, added bool) {
	if !h.adds(column) || len(h.values) == 0 {
		return v, false
	}
	return h.values[slices.Index(h.conf.Add, column)], true
}

// adds reports whether records get a column of this name.
func (h *head) adds(name string) bool { return h.conf != nil && slices.Contains(h.conf.Add, name) }

// apart returns an error where the records have a column of their own that they would get.
func (h *head) apart(names []string) error {
	for _, name := range names {
		if h.adds(name) {
			return fault.New(fault.Definition, "header_record: add: the records have a column %q of their own", name).
				WithHint("call it otherwise under columns of the header record")
		}
	}
	return nil
}

// read reads the header record of a file, which is the scanner's next, where files have one.
func (h *head) read(s *fileSource) error {
	if h.conf == nil {
		return nil
	}
	err := h.next()
	if err == io.EOF {
		return fault.New(fault.Environment, "%s is empty: it has no header record", s.name()).WithCode("no_header").
			WithHint("a file without records still has its header record; get it again, then restart")
	}
	if err != nil {
		return headerFault(s.encodingFault(err))
	}
	raw, line := h.line()
	if !h.match.Match(raw) {
		return fault.New(fault.Environment, "the file does not begin with its header record: the line does not match %s", h.conf.Match).
			At(s.at(line)).WithCode("no_header").WithHint("lines before it are passed over by skip_lines; is it another file?")
	}
	values, err := h.row(&h.conf.Columns)
	if err != nil {
		e := fault.New(fault.Environment, "the header record cannot be read: %s", messageOf(err)).At(s.at(line)).WithCode("bad_header")
		e.Hint = fault.HintOf(err)
		return e
	}
	if err := h.judge(s, line, values); err != nil {
		return err
	}
	h.values = h.values[:0]
	for _, at := range h.added {
		h.values = append(h.values, values[at].Clone())
	}
	return nil
}

// judge evaluates expect.
func (h *head) judge(s *fileSource, line int64, values []record.Value) error {
	if h.expect == nil {
		return nil
	}
	kept, err := h.expect.Test(record.Record{Schema: h.schema, Values: values}, nil)
	if err != nil {
		return fault.Wrap(fault.Environment, err, "header_record: expect").At(s.at(line))
	}
	if kept {
		return nil
	}
	return fault.Wrap(fault.Environment, batch.ErrCheckFailed, "the file is not the one expected: expect %s, with %s",
		h.conf.Expect.Source, valuesFor(h.schema, values)).At(s.at(line)).WithCode("header_record").
		WithHint("put the right file there, then restart")
}

// readOf reads the header record of a file for one of its records that stands alone.
func (h *head) readOf(source string, s *fileSource) error {
	if len(h.added) == 0 || h.of == source {
		return nil
	}
	s.files, s.index = []string{source}, 0
	if err := s.openFile(); err != nil {
		return err
	}
	h.of = source
	return s.close()
}

// note keeps what the scanner has passed over before the first record of the first file.
func (h *head) note(s *fileSource) {
	if s.index > 0 || h.first.Load() != nil {
		return
	}
	at := s.scan.Position().Offset
	tail := s.scan.Tail()
	if int64(len(tail)) < at {
		return
	}
	text := string(bytes.TrimPrefix(tail, []byte("\xef\xbb\xbf")))
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	h.first.Store(&text)
}

// Header implements batch.Headed.
func (s *fileSource) Header() (text string, known bool) {
	if first := s.head.first.Load(); first != nil {
		return *first, true
	}
	return "", false
}

// valuesFor returns the columns of a row for a message: kind = H, count = 3.
func valuesFor(schema *record.Schema, row []record.Value) string {
	var text []byte
	for i, v := range row {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(text, schema.Field(i).Name+" = "...)
		text = v.AppendCanonical(text)
	}
	return string(text)
}

// condition compiles an expression that has to be true or false over the columns of a schema; what is the key that it
// stands under.
func condition(what string, e config.Expression, o expr.Options, schema *record.Schema) (*expr.Program, error) {
	compiled, err := expr.Compile(e.Source, o)
	var p *expr.Program
	if err == nil {
		p, err = compiled.Bind(schema)
	}
	if err != nil {
		offset, _ := expr.Offset(err)
		at := e.Node.ErrorAt(offset, "%s: expect: %s", what, err.Error()).WithCode(fault.CodeOf(err))
		at.Class, at.Hint = fault.ClassOf(err), fault.HintOf(err)
		return nil, at
	}
	if k := p.Kind(); k != record.Bool && k != record.Absent && k != record.Null {
		return nil, e.Node.Errorf("%s: expect: %s gives a %s, not true or false", what, e.Source, k).WithCode("type_mismatch").
			WithHint("compare it with something, as in count == counters.read_count")
	}
	return p, nil
}
