package job

import (
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Component is a reader, processor or writer as the definition has it: its kind, and the rest for the catalog.
type Component struct {
	Type string
	Kind config.Node // where Type stands, for messages
	Body config.Node // all keys but type; of a processor, what stands behind its name
	Node config.Node // the whole
}

// DecodeYAML takes a mapping with a type apart.
func (c *Component) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() != config.Mapping {
		return n.Errorf("%s: expected a mapping with a type, got %s", d.What, n.Words()).WithCode("wrong_type").
			WithHint("write %s: {type: %s, ...}", d.What, example(n, d.What))
	}
	kind, there := n.Get("type")
	if !there {
		return n.Errorf("key \"type\" is missing in the %s", d.What).WithCode("missing_key").
			WithHint("batchctl explain lists the types")
	}
	c.Kind, c.Body, c.Node = kind, n.Without("type"), n
	return decodeKind(d, kind, &c.Type)
}

// example returns a type for a hint: the word that stands where a mapping should, or a common one.
func example(n config.Node, what string) string {
	if n.Kind() == config.Scalar && kindName.MatchString(n.Text()) {
		return n.Text()
	}
	switch what {
	case "writer":
		return "sql"
	case "listener":
		return "slack"
	}
	return "csv"
}

// decodeKind reads the name of a kind, which must stand there as it is.
func decodeKind(d *config.Decoder, n config.Node, into *string) error {
	if n.Kind() != config.Scalar || !kindName.MatchString(n.Text()) {
		return n.Errorf("%s: expected the name of a type, got %s", d.What, n.Words()).WithCode("wrong_type").
			WithHint("batchctl explain lists the types")
	}
	*into = n.Text()
	return nil
}

// YAMLType implements config.Worded.
func (Component) YAMLType() string { return "a mapping with a type" }

// Chain is the processors of a step: a list of mappings with one key each, the kind.
type Chain []Component

// DecodeYAML takes the list apart.
func (c *Chain) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() != config.List {
		return n.Errorf("%s: expected a list, got %s", d.What, n.Words()).WithCode("wrong_type").
			WithHint(`each processor stands on a line of its own behind "- ": - filter: amount > 0`)
	}
	var wrong fault.List
	for _, item := range n.Items() {
		one, err := processor(d, item)
		wrong.Add(err)
		*c = append(*c, one)
	}
	return wrong.Err()
}

func processor(d *config.Decoder, n config.Node) (Component, error) {
	pairs := n.Pairs()
	switch {
	case n.Kind() != config.Mapping:
		return Component{}, n.Errorf("a processor is a name and its settings, got %s", n.Words()).WithCode("wrong_type").
			WithHint("write - filter: amount > 0")
	case len(pairs) == 0:
		return Component{}, n.Errorf("a processor is a name and its settings, got an empty mapping").WithHint("write - filter: amount > 0")
	case len(pairs) > 1:
		return Component{}, pairs[1].Key.Errorf("a second key in one processor: %q", pairs[1].Name).
			WithHint("each processor begins with \"- \"; settings of %s stand deeper than its name", pairs[0].Name)
	}
	c := Component{Kind: pairs[0].Key, Body: pairs[0].Value, Node: n}
	return c, decodeKind(d.For("processor"), pairs[0].Key, &c.Type)
}

// YAMLType implements config.Worded.
func (Chain) YAMLType() string { return "a list of processors" }
