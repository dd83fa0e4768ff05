package config

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"batchctl/pkg/fault"

	"gopkg.in/yaml.v3"
)

// Limits of a definition. They are far above what people write and low enough that a hostile file costs milliseconds.
const (
	MaxBytes = 256 << 10 // of the file
	MaxDepth = 50        // lists and mappings inside one another
	MaxNodes = 40_000    // values and keys, each use of an alias counted anew
	MaxKeys  = 10_000    // keys of all mappings together
)

// Parse reads one YAML document strictly: limits, duplicate keys, merge keys and several documents are errors, all that
// are found are reported together in a fault.List. path is only for messages.
func Parse(path string, text []byte) (*Document, error) {
	if err := checkBytes(path, text); err != nil {
		return nil, err
	}
	d := newDocument(path, bytes.TrimPrefix(text, []byte("\ufeff")))
	root, err := d.parse()
	if err != nil {
		return nil, fault.List{err}
	}
	d.Root = Node{document: d}.child(root)
	if err := d.survey(root); err != nil {
		return nil, err
	}
	return d, nil
}

// checkBytes refuses what is no YAML text at all before a parser sees it.
func checkBytes(path string, text []byte) error {
	wrong := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Definition, format, args...).WithCode(defaultCode).At(fault.Position{File: path})
	}
	switch {
	case len(text) > MaxBytes:
		return fault.List{wrong("the definition is larger than %d KiB", MaxBytes>>10).
			WithHint("split it into several jobs, or move data out of it into files")}
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fault.List{wrong("the definition is UTF-16").WithHint("save it as UTF-8")}
	}
	if at := firstBadByte(text); at >= 0 {
		line := 1 + bytes.Count(text[:at], []byte("\n"))
		e := wrong("the definition is not UTF-8 text: byte 0x%02x", text[at]).WithHint("save it as UTF-8")
		e.Pos.Line = line
		return fault.List{e}
	}
	return nil
}

// firstBadByte returns where text stops being UTF-8 without control characters, or -1.
func firstBadByte(text []byte) int {
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && width <= 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return at
		}
		at += width
	}
	return -1
}

// parse returns the content of the only document.
func (d *Document) parse() (*yaml.Node, *fault.Error) {
	decoder := yaml.NewDecoder(bytes.NewReader(d.Text))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, d.locate(fault.New(fault.Definition, "the definition is empty").WithCode(defaultCode), 1, 1).
			WithHint("a definition begins with job: NAME and has steps: below it, each with a reader and a writer")
	case err != nil:
		return nil, d.syntaxError(err)
	}
	if err := decoder.Decode(&second); errors.Is(err, io.EOF) {
		return first.Content[0], nil
	} else if err != nil {
		return nil, d.syntaxError(err)
	}
	e := fault.New(fault.Definition, "a second YAML document begins here").WithCode(defaultCode)
	return nil, d.locate(e, second.Line, second.Column).
		WithHint("a file holds one definition: remove the line --- or move the second one to a file of its own")
}
