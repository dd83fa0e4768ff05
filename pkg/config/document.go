// Package config decodes YAML strictly: every error with its place, all of them at once; defaults, ${...}, and what a
// secret is.
package config

import (
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"

	"gopkg.in/yaml.v3"
)

// Document is a parsed definition with its text, for snippets.
type Document struct {
	Path string // as the user named it, for messages
	Text []byte
	Root Node
	rows []string // the lines of Text without their breaks
}

func newDocument(path string, text []byte) *Document {
	return &Document{Path: path, Text: text, rows: splitLines(string(text))}
}

// splitLines cuts a text where YAML 1.1 does: CR LF, CR, LF, NEL, LS and PS, so that line numbers agree with the parser.
func splitLines(text string) []string {
	var rows []string
	start := 0
	for at := 0; at < len(text); {
		width := breakWidth(text[at:])
		if width == 0 {
			at++
			continue
		}
		rows = append(rows, text[start:at])
		at += width
		start = at
	}
	return append(rows, text[start:])
}

func breakWidth(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case s[0] == '\n', s[0] == '\r':
		return 1
	case strings.HasPrefix(s, "\u0085"):
		return 2
	case strings.HasPrefix(s, "\u2028"), strings.HasPrefix(s, "\u2029"):
		return 3
	}
	return 0
}

func (d *Document) position(line, column int) fault.Position {
	return fault.Position{File: d.Path, Line: line, Column: column}
}

// locate gives e a place in the document and the source line that stands there.
func (d *Document) locate(e *fault.Error, line, column int) *fault.Error {
	e.Pos = d.position(line, column)
	e.Snippet = d.row(line)
	return e
}

// row returns a line of the source, counted from 1.
func (d *Document) row(line int) string {
	if line < 1 || line > len(d.rows) {
		return ""
	}
	return d.rows[line-1]
}

// from returns what stands in a line behind the first column-1 characters.
func (d *Document) from(line, column int) string {
	row := d.row(line)
	for ; column > 1 && row != ""; column-- {
		_, width := utf8.DecodeRuneInString(row)
		row = row[width:]
	}
	return row
}

// within returns the line and column of a byte offset in a scalar's value, where the source shows the value's line as it
// is: plain and quoted scalars without escapes, block scalars.
func (d *Document) within(y *yaml.Node, offset int) (line, column int, ok bool) {
	if offset < 0 || offset > len(y.Value) {
		return 0, 0, false
	}
	begin := strings.LastIndexByte(y.Value[:offset], '\n') + 1
	end := len(y.Value)
	if i := strings.IndexByte(y.Value[begin:], '\n'); i >= 0 {
		end = begin + i
	}
	want := y.Value[begin:end]
	skip := strings.Count(y.Value[:begin], "\n")
	if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		skip++
	}
	row, first := d.row(y.Line+skip), 1
	if skip == 0 {
		row, first = d.from(y.Line, y.Column), y.Column
	}
	at := strings.Index(row, want)
	if at < 0 {
		return 0, 0, false
	}
	before := utf8.RuneCountInString(row[:at]) + utf8.RuneCountInString(want[:offset-begin])
	return y.Line + skip, first + before, true
}
