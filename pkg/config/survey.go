package config

import (
	"batchctl/pkg/fault"

	"gopkg.in/yaml.v3"
)

// surveyor walks a document once and counts what aliases would make of it.
type surveyor struct {
	document *Document
	errors   fault.List
	keys     int
	sizes    map[*yaml.Node]int  // of anchored nodes, aliases expanded
	open     map[*yaml.Node]bool // anchored nodes the walk is inside of
}

// survey checks depth, numbers of nodes and keys, the size that aliases expand to, and the keys of all mappings.
func (d *Document) survey(root *yaml.Node) error {
	s := surveyor{document: d, sizes: map[*yaml.Node]int{}, open: map[*yaml.Node]bool{}}
	s.walk(root, 1)
	return s.errors.Err()
}

func (s *surveyor) wrong(y *yaml.Node, format string, args ...any) *fault.Error {
	e := s.document.locate(fault.New(fault.Definition, format, args...).WithCode(defaultCode), y.Line, y.Column)
	s.errors = append(s.errors, e)
	return e
}

// walk returns the size of y: nodes with aliases expanded, at most a little above MaxNodes. It reports false once a limit
// is broken: then nothing else about the document matters.
func (s *surveyor) walk(y *yaml.Node, depth int) (size int, ok bool) {
	if y.Kind == yaml.AliasNode {
		return s.alias(y)
	}
	if depth > MaxDepth {
		s.wrong(y, "lists and mappings are nested more than %d deep", MaxDepth).WithHint("is a bracket left open?")
		return 0, false
	}
	if y.Anchor != "" {
		s.open[y] = true
		defer delete(s.open, y)
	}
	if y.Kind == yaml.MappingNode && !s.checkKeys(y) {
		return 0, false
	}
	size = 1
	for _, child := range y.Content {
		n, ok := s.walk(child, depth+1)
		size += n
		if !ok {
			return size, false
		}
		if size > MaxNodes {
			s.wrong(child, "the definition has more than %d values", MaxNodes).WithHint("move data out of it into files; every use of an alias counts anew")
			return size, false
		}
	}
	if y.Anchor != "" {
		s.sizes[y] = size
	}
	return size, true
}

func (s *surveyor) alias(y *yaml.Node) (size int, ok bool) {
	if s.open[y.Alias] {
		s.wrong(y, "alias *%s stands inside the value it refers to", y.Value).WithHint("write out what is meant here")
		return 0, false
	}
	return s.sizes[y.Alias], true
}

// checkKeys refuses keys that are no text, merge keys, and keys that stand twice.
func (s *surveyor) checkKeys(y *yaml.Node) bool {
	s.keys += len(y.Content) / 2
	if s.keys > MaxKeys {
		s.wrong(y, "the definition has more than %d keys", MaxKeys).WithHint("move data out of it into files")
		return false
	}
	lines := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			s.wrong(key, "a key must be one word or text").WithHint("quote values that begin with [, {, * or ?")
		case key.Tag == "!!merge":
			s.wrong(key, "merge keys (<<) are not supported").WithHint("write the keys out, or let an alias stand for the whole value: reader: *common")
		case lines[key.Value] > 0:
			s.wrong(key, "duplicate key %s", quoted(key.Value)).WithCode("duplicate_key").
				WithHint("it stands in line %d already; keep one of them", lines[key.Value])
		default:
			lines[key.Value] = key.Line
		}
	}
	return true
}
