package readers

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/expr"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// trailerConf says what the last record of each file is that tells how much stands before it.
type trailerConf struct {
	Match   string             `yaml:"match,required" help:"regular expression (RE2) that the last line matches, and no other"`
	Columns columnList         `yaml:"columns" help:"what stands in the line, by name and type: fields in their order, or keys of the object"`
	Sums    config.Map[string] `yaml:"sums" help:"name -> column: the sum of a column of the file's records, an int or a decimal, for expect"`
	Expect  config.Expression  `yaml:"expect" help:"condition over the trailer's columns, the sums, counters.read_count, counters.read_skip_count and params"`
}

// trailer is the trailer of the files of a source, and what is counted of the file at hand.
type trailer struct {
	conf    *trailerConf
	match   *regexp.Regexp
	literal []byte // what a line that matches begins with
	scope   config.Scope
	options expr.Options
	schema  *record.Schema // of the columns, and the sums behind them
	// line and row return the record at hand as it stands, with its number, and its columns' values.
	line func() (raw []byte, line int64)
	row  func(columns *columnList) ([]record.Value, error)

	met    bool // in the file at hand
	first  int64
	bad    int64
	sums   []record.Number
	bound  *record.Schema
	places []int // of the summed columns in bound, -1 where it has none
}

func newTrailer(conf *trailerConf, env *catalog.Env) (*trailer, error) {
	if conf == nil {
		return nil, nil
	}
	match, err := regexp.Compile(conf.Match)
	if err != nil {
		return nil, fault.New(fault.Definition, "trailer: match is no regular expression: %v", err)
	}
	t := &trailer{conf: conf, match: match, literal: beginning(conf.Match), scope: env.Scope, sums: make([]record.Number, len(conf.Sums))}
	t.options.Location = env.Location
	var fields []record.Field
	for _, c := range conf.Columns.columns {
		fields = append(fields, record.Field{Name: c.name, Kind: c.kind})
	}
	for _, s := range conf.Sums {
		if slices.Contains(conf.Columns.names(), s.Name) {
			return nil, s.Key.Errorf("trailer: %q is a column already, and cannot be a sum", s.Name).WithHint("call the sum otherwise, such as %s_sum", s.Name)
		}
		fields = append(fields, record.Field{Name: s.Name, Kind: record.Decimal})
	}
	if t.schema, err = record.NewSchema(fields...); err != nil {
		return nil, fault.Wrap(fault.Definition, err, "trailer")
	}
	if conf.Expect.Source == "" {
		return t, nil
	}
	_, err = t.program(0, 0)
	return t, err
}

// beginning returns the text that each match of a pattern begins with at the line's beginning, nil where there is none.
func beginning(pattern string) []byte {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat || len(tree.Sub) < 2 || tree.Sub[0].Op != syntax.OpBeginText {
		return nil
	}
	first := tree.Sub[1]
	if first.Op != syntax.OpLiteral || first.Flags&syntax.FoldCase != 0 {
		return nil
	}
	return []byte(string(first.Rune))
}

// is reports whether the record at hand is a trailer.
func (t *trailer) is() bool {
	raw, _ := t.line()
	return bytes.HasPrefix(raw, t.literal) && t.match.Match(raw)
}

// begin counts anew, from so many records of earlier files on.
func (t *trailer) begin(count int64) {
	if t == nil {
		return
	}
	t.met, t.first, t.bad = false, count, 0
	clear(t.sums)
}

// trailerState is what a restart needs of the file at hand.
type trailerState struct {
	First int64    `json:"first"`          // records of the files before
	Bad   int64    `json:"bad,omitempty"`  // bad ones of this file
	Sums  []string `json:"sums,omitempty"` // so far
}

func (t *trailer) state() *trailerState {
	if t == nil {
		return nil
	}
	s := &trailerState{First: t.first, Bad: t.bad}
	for _, n := range t.sums {
		s.Sums = append(s.Sums, n.String())
	}
	return s
}

// resume goes on with what a state has counted. A trailer that came to the definition since knows nothing of the records
// read before.
func (t *trailer) resume(s *trailerState) error {
	if t == nil {
		return nil
	}
	if s == nil || len(s.Sums) != len(t.sums) {
		return fault.Wrap(fault.Environment, batch.ErrNotRestartable, "trailer and its sums are not those that the step began with: nothing was counted so far").
			WithHint("put them back as they were, or begin again with --fresh, which leaves rows that are in a table")
	}
	t.met, t.first, t.bad = false, s.First, s.Bad
	for i, text := range s.Sums {
		n, err := record.ParseNumber(text)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the reader's state is damaged")
		}
		t.sums[i] = n
	}
	return nil
}

// add adds a record's columns to the sums. Null and absent count nothing.
func (t *trailer) add(schema *record.Schema, row []record.Value) error {
	if t == nil || len(t.sums) == 0 {
		return nil
	}
	if schema != t.bound {
		if err := t.bind(schema); err != nil {
			return err
		}
	}
	for i, at := range t.places {
		if at < 0 || at >= len(row) {
			continue
		}
		v := row[at]
		switch v.Kind() {
		case record.Null, record.Absent:
		case record.Int, record.Decimal:
			sum, err := t.sums[i].Add(v.Number())
			if err != nil {
				return fault.Wrap(fault.Environment, err, "sum of column %s", t.conf.Sums[i].Value)
			}
			t.sums[i] = sum
		default:
			return t.notSummable(i, v.Kind())
		}
	}
	return nil
}

func (t *trailer) bind(schema *record.Schema) error {
	t.places = t.places[:0]
	for i, s := range t.conf.Sums {
		at, ok := schema.Index(s.Value)
		switch {
		case !ok:
			at = -1
		case !slices.Contains([]record.Kind{record.Int, record.Decimal, record.Absent}, schema.Field(at).Kind):
			return t.notSummable(i, schema.Field(at).Kind)
		}
		t.places = append(t.places, at)
	}
	t.bound = schema
	return nil
}

// columnsOf returns an error where records of a schema cannot have the columns that are summed.
func (t *trailer) columnsOf(schema *record.Schema) error {
	for _, s := range t.conf.Sums {
		if _, ok := schema.Index(s.Value); !ok {
			return s.Key.Errorf("trailer: the records have no column %q to be summed", s.Value).WithHint("%s", fault.DidYouMean(s.Value, schema.Names()))
		}
	}
	return t.bind(schema)
}

func (t *trailer) notSummable(i int, kind record.Kind) error {
	column := t.conf.Sums[i].Value
	return t.conf.Sums[i].Key.Errorf("trailer: column %s is of type %s, and cannot be summed", column, kind).
		WithHint("give it a type in the reader's columns: {%s: decimal}", column)
}

// meet evaluates what the trailer at hand says about the file's records, which are so many with the bad ones.
func (t *trailer) meet(s *fileSource) error {
	_, line := t.line()
	row, err := t.row(&t.conf.Columns)
	if err != nil {
		e := fault.New(fault.Environment, "the trailer cannot be read: %s", messageOf(err)).At(s.at(line)).WithCode("bad_trailer")
		e.Hint = fault.HintOf(err)
		return e
	}
	t.met = true
	if t.conf.Expect.Source == "" {
		return nil
	}
	read := s.count - t.first - t.bad
	p, err := t.program(read, t.bad)
	if err != nil {
		return err
	}
	for _, n := range t.sums {
		row = append(row, record.OfNumber(n))
	}
	kept, err := p.Test(record.Record{Schema: t.schema, Values: row}, nil)
	if err != nil {
		return fault.Wrap(fault.Environment, err, "trailer: expect").At(s.at(line))
	}
	if kept {
		return nil
	}
	return t.broken(s, line, row, read)
}

// broken is the error for a trailer that does not fit, with the values that expect knows.
func (t *trailer) broken(s *fileSource, line int64, row []record.Value, read int64) error {
	return fault.Wrap(fault.Environment, batch.ErrCheckFailed, "the trailer does not fit the file: expect %s, with counters.read_count = %d, counters.read_skip_count = %d, %s",
		t.conf.Expect.Source, read, t.bad, valuesFor(t.schema, row)).At(s.at(line)).WithCode("trailer").
		WithHint("get the file again where it is not whole, then restart")
}

// missing is the error for a file that ends without its trailer.
func (t *trailer) missing(s *fileSource) error {
	return fault.New(fault.Environment, "%s ends without a trailer: its last line does not match %s", s.name(), t.conf.Match).
		WithCode("no_trailer").WithHint("it was not delivered whole, most likely: get it again, then restart; records read so far are kept")
}

// behind is the error for a record behind the trailer.
func (t *trailer) behind(s *fileSource) error {
	_, line := t.line()
	return fault.New(fault.Environment, "there are records behind the trailer").At(s.at(line)).WithCode("behind_trailer").
		WithHint("match must fit the last line of a file only")
}

// program is expect for the counts of a file.
func (t *trailer) program(read, bad int64) (*expr.Program, error) {
	o := t.options
	o.Scope = fileCounters{t.scope, read, bad}
	return condition("trailer", t.conf.Expect, o, t.schema)
}

// fileCounters are the names of a run, with the counters that a reader knows of one file.
type fileCounters struct {
	config.Scope
	read, bad int64
}

// Lookup implements config.Scope.
func (c fileCounters) Lookup(name string) (record.Value, config.Availability) {
	switch {
	case name == "counters.read_count":
		return record.OfInt(c.read), config.Now
	case name == "counters.read_skip_count":
		return record.OfInt(c.bad), config.Now
	case len(name) > 9 && name[:9] == "counters." || c.Scope == nil:
		return record.Value{}, config.NoSuchName
	}
	return c.Scope.Lookup(name)
}

// Names implements config.Scope.
func (c fileCounters) Names(namespace string) []string {
	if namespace == "counters" {
		return []string{"read_count", "read_skip_count"}
	}
	if c.Scope == nil {
		return nil
	}
	return c.Scope.Names(namespace)
}
