package readers

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// fixedConf is the configuration of the fixed reader.
type fixedConf struct {
	lineConf
	Columns config.Map[fixedColumn] `yaml:"columns,required" help:"name -> where it stands in the line, its type, and what is trimmed"`
	Lenient bool                    `yaml:"lenient" help:"take lines that end before their last column; what is missing is null"`
}

// fixedColumn is a column of fixed width.
type fixedColumn struct {
	At   fixedSpan `yaml:"at,required" help:"characters of the line, from 1: 1-12, 13, or 14- to its end"`
	Type string    `yaml:"type" default:"text" enum:"text|int|decimal|float|bool|date|datetime|json" help:"of the values"`
	Trim string    `yaml:"trim" default:"both" enum:"both|left|right|none" help:"blanks that do not belong to the value"`
}

// fixedSpan is where a column stands, in characters from 0; to is 0 where it ends with the line.
type fixedSpan struct {
	from, to int
}

var spanForm = regexp.MustCompile(`^([0-9]{1,6})(-([0-9]{1,6})?)?$`)

// DecodeYAML reads 1-12, 13, or 14-.
func (s *fixedSpan) DecodeYAML(d *config.Decoder, n config.Node) error {
	var text string
	if n.Kind() == config.Scalar {
		text = n.Text()
	}
	wrong := n.Errorf("%s: expected characters of the line, got %s", d.What, n.Words()).WithHint("write 1-12 for the first twelve, 13 for one, 14- for the rest of the line")
	m := spanForm.FindStringSubmatch(text)
	if m == nil {
		return wrong
	}
	from, _ := strconv.Atoi(m[1]) // at most six digits
	to, _ := strconv.Atoi(m[3])
	switch {
	case m[2] == "":
		to = from
	case m[3] == "":
		to = 0
	case to < from:
		return wrong
	}
	if from < 1 {
		return wrong
	}
	*s = fixedSpan{from - 1, to}
	return nil
}

// YAMLType implements config.Worded.
func (fixedSpan) YAMLType() string { return "characters, as 1-12" }

// newFixed returns a reader of lines whose columns have a fixed width.
func newFixed(conf *fixedConf, env *catalog.Env) (batch.Reader, error) {
	var columns []lineColumn
	var spans []fixedColumn
	for _, c := range conf.Columns {
		kind, known := kindCalled(c.Value.Type)
		if !known {
			kind = record.Text
		}
		columns, spans = append(columns, lineColumn{c.Name, kind}), append(spans, c.Value)
	}
	if columns == nil {
		return nil, fault.New(fault.Definition, "reader fixed: columns is empty").WithHint("write where each stands: columns: {id: {at: 1-8, type: int}}")
	}
	r, err := newLineReader(&conf.lineConf, "fixed", columns, &columnList{}, env)
	if err != nil {
		return nil, err
	}
	f := &fixedCut{columns: columns, spans: spans, lenient: conf.Lenient}
	r.cut = f.cut
	return r, nil
}

// kindCalled returns the kind of a name.
func kindCalled(name string) (record.Kind, bool) {
	for k := record.Bool; k <= record.JSON; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return record.Absent, false
}

// fixedCut finds columns of fixed width in lines.
type fixedCut struct {
	columns []lineColumn
	spans   []fixedColumn
	lenient bool
	starts  []int // of the characters of the line at hand, in bytes, and its end
}

func (f *fixedCut) cut(line string, fields []int) ([]int, error) {
	f.measure(line)
	length := len(f.starts) - 1
	for i := range f.spans {
		span := f.spans[i].At
		to := span.to
		if to == 0 {
			to = max(length, span.from)
		}
		if to > length || span.from > length {
			if !f.lenient {
				return nil, fault.New(fault.Parse, "the line has %s, and column %s ends at %d", countOf(length, "character"), f.columns[i].name, to).
					WithHint("lenient: true takes short lines, with null for what is missing")
			}
			if span.from >= length {
				fields = append(fields, -1, -1)
				continue
			}
			to = length
		}
		from, end := trimmed(line, f.starts[span.from], f.starts[to], f.spans[i].Trim)
		fields = append(fields, from, end)
	}
	return fields, nil
}

// measure finds where the characters of a line begin.
func (f *fixedCut) measure(line string) {
	f.starts = f.starts[:0]
	for i := 0; i < len(line); {
		f.starts = append(f.starts, i)
		if line[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, n := utf8.DecodeRuneInString(line[i:])
		i += n
	}
	f.starts = append(f.starts, len(line))
}

// trimmed returns a stretch of a line without blanks at its sides.
func trimmed(line string, from, to int, sides string) (int, int) {
	text := line[from:to]
	if sides == "both" || sides == "left" {
		from = to - len(strings.TrimLeft(text, " "))
	}
	if sides == "both" || sides == "right" {
		to = from + len(strings.TrimRight(line[from:to], " "))
	}
	return from, to
}
