package config

import (
	"iter"

	"batchctl/pkg/fault"

	"gopkg.in/yaml.v3"
)

// Node is a place in a document. The zero Node is no place at all. Aliases are followed: a Node is what they stand for.
type Node struct {
	document *Document
	yaml     *yaml.Node
}

// Kind is the shape of a node.
type Kind uint8

const (
	None    Kind = iota // the zero Node
	Scalar              // one value: text, a number, a boolean, a date, null
	List                // a sequence
	Mapping             // keys and values
)

// Kind returns the shape of n.
func (n Node) Kind() Kind {
	if n.yaml == nil {
		return None
	}
	switch n.yaml.Kind {
	case yaml.SequenceNode:
		return List
	case yaml.MappingNode:
		return Mapping
	}
	return Scalar
}

// IsZero reports whether n is no place at all: a key that is not there.
func (n Node) IsZero() bool { return n.yaml == nil }

// IsNull reports whether n is a scalar without a value: nothing, ~ or null.
func (n Node) IsNull() bool { return n.Kind() == Scalar && n.yaml.Tag == "!!null" }

// Text returns a scalar's value as YAML understands it, quotes and folding undone; "" for lists and mappings.
func (n Node) Text() string {
	if n.Kind() != Scalar {
		return ""
	}
	return n.yaml.Value
}

// Position returns where n begins.
func (n Node) Position() fault.Position {
	if n.yaml == nil {
		return fault.Position{}
	}
	return n.document.position(n.yaml.Line, n.yaml.Column)
}

// defaultCode is the code of errors of a definition that have none of their own.
const defaultCode = "bad_definition"

// Errorf returns an error of class definition at n, with the source line.
func (n Node) Errorf(format string, args ...any) *fault.Error {
	e := fault.New(fault.Definition, format, args...).WithCode(defaultCode)
	if n.yaml == nil {
		return e
	}
	return n.document.locate(e, n.yaml.Line, n.yaml.Column)
}

// Wrap returns err with n's position and source line; its class, code and hint stay, and it can be unwrapped. The message
// says what was being done, "" where err does.
func (n Node) Wrap(err error, format string, args ...any) *fault.Error {
	e := n.Errorf(format, args...)
	e.Class, e.Code, e.Hint, e.Err = fault.ClassOf(err), fault.CodeOf(err), fault.HintOf(err), err
	return e
}

// ErrorAt is Errorf at the byte offset of n's Text: where in an expression or a query the trouble lies. Where the source
// does not show the text as it is (escapes, folded lines), the error stands at n.
func (n Node) ErrorAt(offset int, format string, args ...any) *fault.Error {
	e := n.Errorf(format, args...)
	if n.Kind() != Scalar {
		return e
	}
	if line, column, ok := n.document.within(n.yaml, offset); ok {
		return n.document.locate(e, line, column)
	}
	return e
}

// Get returns the value of a mapping's key.
func (n Node) Get(key string) (Node, bool) {
	if n.Kind() != Mapping {
		return Node{}, false
	}
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		if n.child(n.yaml.Content[i]).yaml.Value == key {
			return n.child(n.yaml.Content[i+1]), true
		}
	}
	return Node{}, false
}

// Without returns a mapping without some of its keys; n stays as it is.
func (n Node) Without(keys ...string) Node {
	if n.Kind() != Mapping {
		return n
	}
	rest := *n.yaml
	rest.Content = nil
	for _, p := range n.Pairs() {
		if !contains(keys, p.Name) {
			rest.Content = append(rest.Content, p.Key.yaml, p.Value.yaml)
		}
	}
	return Node{n.document, &rest}
}

func contains(names []string, name string) bool {
	for _, one := range names {
		if one == name {
			return true
		}
	}
	return false
}

// Items returns the members of a list.
func (n Node) Items() []Node {
	if n.Kind() != List {
		return nil
	}
	items := make([]Node, len(n.yaml.Content))
	for i, y := range n.yaml.Content {
		items[i] = n.child(y)
	}
	return items
}

// OneOrMore returns the members of a list, and anything else as the one there is.
func (n Node) OneOrMore() []Node {
	if n.Kind() == List {
		return n.Items()
	}
	return []Node{n}
}

// Nested yields the entries of a mapping, and of all mappings within it, also in lists: each before those within it.
func (n Node) Nested() iter.Seq[Pair[Node]] {
	return func(yield func(Pair[Node]) bool) { n.nested(yield) }
}

func (n Node) nested(yield func(Pair[Node]) bool) (goOn bool) {
	for _, pair := range n.Pairs() {
		if !yield(pair) || !pair.Value.nested(yield) {
			return false
		}
	}
	for _, item := range n.Items() {
		if !item.nested(yield) {
			return false
		}
	}
	return true
}

// Pairs returns the entries of a mapping in their order.
func (n Node) Pairs() []Pair[Node] {
	if n.Kind() != Mapping {
		return nil
	}
	pairs := make([]Pair[Node], 0, len(n.yaml.Content)/2)
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		key := n.child(n.yaml.Content[i])
		pairs = append(pairs, Pair[Node]{Name: key.Text(), Key: key, Value: n.child(n.yaml.Content[i+1])})
	}
	return pairs
}

func (n Node) child(y *yaml.Node) Node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	return Node{n.document, y}
}

// flow reports whether n is written in braces or brackets.
func (n Node) flow() bool { return n.yaml != nil && n.yaml.Style&yaml.FlowStyle != 0 }

// plain reports whether n is a scalar without quotes that is not a block.
func (n Node) plain() bool {
	const marked = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind() == Scalar && n.yaml.Style&marked == 0
}

// Words says what n is, for messages: `text "many"`, `the number 5`, `a list`.
func (n Node) Words() string {
	switch n.Kind() {
	case None:
		return "nothing"
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	switch n.yaml.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.yaml.Value
	case "!!bool":
		return n.yaml.Value
	case "!!timestamp":
		return "the date " + n.yaml.Value
	}
	return "text " + quoted(n.yaml.Value)
}
