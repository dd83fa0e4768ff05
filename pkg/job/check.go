package job

import (
	"batchctl/pkg/config"
)

// Check is something that must hold when a step has written everything: an expression over counters.*, params.* and
// context.*, or a query whose first row's first column must be true, or whose first row must fulfil a rule.
type Check struct {
	Rule       config.Expression `yaml:"rule" help:"an expression; with a query over the columns of its first row"`
	Connection string            `yaml:"connection" help:"where the query is run"`
	Query      config.SQL        `yaml:"query" help:"a query of one row; its first column must be true where there is no rule"`
	Message    string            `yaml:"message" help:"what to say where it does not hold"`

	Node config.Node // the check as it stands
}

// Checks is a list of checks; a plain expression is one.
type Checks []Check

// DecodeYAML reads an expression, or a mapping.
func (c *Check) DecodeYAML(d *config.Decoder, n config.Node) error {
	c.Node = n
	if n.Kind() != config.Mapping {
		return d.For("check").Decode(n, &c.Rule)
	}
	type keys Check
	if err := d.For("check").Decode(n, (*keys)(c)); err != nil {
		return err
	}
	c.Node = n
	_, query := n.Get("query")
	_, connection := n.Get("connection")
	_, rule := n.Get("rule")
	switch {
	case query && !connection:
		return n.Errorf("check: the query has no connection").WithCode("missing_key").WithHint("add connection: NAME")
	case connection && !query:
		return n.Errorf("check: the connection has no query").WithCode("missing_key").WithHint("add query: select ...")
	case !query && !rule:
		return n.Errorf("check: neither a rule nor a query").WithCode("missing_key").
			WithHint("write - counters.write_count > 0, or - {connection: shop, query: select count(*) = 0 from ...}")
	}
	return nil
}

// YAMLType implements config.Worded.
func (Checks) YAMLType() string { return "a list of expressions, or of mappings with a query" }
