package config

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"

	"gopkg.in/yaml.v3"
)

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError turns an error of the YAML parser into one with a place and advice. The parser names at most a line, and
// that of the construct it was inside of; where it stood is seen from how far it had read.
func (d *Document) syntaxError(err error) *fault.Error {
	problem, named := err.Error(), 0
	if m := yamlError.FindStringSubmatch(problem); m != nil {
		problem = m[2]
		named, _ = strconv.Atoi(m[1])
	}
	line := d.failingLine()
	if strings.Contains(problem, "end of stream") && named > 0 {
		line = min(named, len(d.rows))
	}
	e := d.diagnose(problem, line)
	if e == nil {
		e = d.locate(fault.New(fault.Definition, "YAML syntax: %s", problem), line, firstColumn(d.row(line)))
	}
	return e.WithCode("yaml_syntax")
}

// diagnose finds the symptom that explains a problem the parser met at a line. The parser may have looked one line
// ahead, so the line before is examined as well.
func (d *Document) diagnose(problem string, line int) *fault.Error {
	before := line - 1
	for before > 0 && strings.TrimSpace(d.row(before)) == "" {
		before--
	}
	for _, s := range symptoms() {
		if !strings.Contains(problem, s.problem) {
			continue
		}
		for _, at := range []int{line, before} {
			if m := s.line.FindStringSubmatchIndex(d.row(at)); m != nil {
				return s.explain(d, at, m)
			}
		}
	}
	return nil
}

// explain makes the error of a symptom that was found in a line; its place is the group "at", else the line's first
// character.
func (s symptom) explain(d *Document, line int, match []int) *fault.Error {
	row := d.row(line)
	value := ""
	if group := s.line.SubexpIndex("value"); group > 0 {
		value = row[match[2*group]:match[2*group+1]]
	}
	fill := func(template string) string {
		filled := string(s.line.ExpandString(nil, template, row, match))
		return strings.ReplaceAll(filled, "'"+value+"'", singleQuoted(value))
	}
	column := firstColumn(row)
	if group := s.line.SubexpIndex("at"); group > 0 {
		column = 1 + utf8.RuneCountInString(row[:match[2*group]])
	}
	e := fault.New(fault.Definition, "%s", fill(s.message)).WithHint("%s", fill(s.hint))
	return d.locate(e, line, column)
}

func firstColumn(row string) int {
	return 1 + utf8.RuneCountInString(row) - utf8.RuneCountInString(strings.TrimLeft(row, " \t"))
}

// oneLine hands a text out line by line and counts.
type oneLine struct {
	rest  string
	lines int
}

func (o *oneLine) Read(into []byte) (int, error) {
	if o.rest == "" {
		return 0, io.EOF
	}
	end := strings.IndexByte(o.rest, '\n') + 1
	if end == 0 {
		end = len(o.rest)
	}
	n := copy(into, o.rest[:end])
	o.rest = o.rest[n:]
	if n == end {
		o.lines++
	}
	return n, nil
}

// failingLine returns the line that the parser had reached when it gave up. It asks for a line only when it needs it.
func (d *Document) failingLine() int {
	source := &oneLine{rest: string(d.Text)}
	decoder := yaml.NewDecoder(source)
	for {
		var ignored yaml.Node
		if err := decoder.Decode(&ignored); err != nil {
			return max(1, min(source.lines, len(d.rows)))
		}
	}
}
