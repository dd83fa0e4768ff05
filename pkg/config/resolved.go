package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Resolved returns the YAML of a node with every ${...} filled in that has a value now. Values of env.* and file:* are
// not: they may be secrets. It is for people, and leaves comments out.
func (d *Decoder) Resolved(n Node) string {
	if n.yaml == nil {
		return ""
	}
	out, err := yaml.Marshal(d.resolvedNode(n))
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (d *Decoder) resolvedNode(n Node) *yaml.Node {
	y := *n.yaml
	y.HeadComment, y.LineComment, y.FootComment = "", "", ""
	y.Content = nil
	if y.Kind == yaml.ScalarNode {
		if y.Value = d.resolvedText(n); y.Value != n.yaml.Value {
			y.Tag, y.Style = "", 0 // it may have become a number
		}
	}
	for _, child := range n.yaml.Content {
		y.Content = append(y.Content, d.resolvedNode(n.child(child)))
	}
	return &y
}

func (d *Decoder) resolvedText(n Node) string {
	text := n.Text()
	var out strings.Builder
	at := 0
	for _, r := range references(text) {
		if r.end < 0 {
			break
		}
		out.WriteString(text[at:r.start])
		out.WriteString(d.shownValue(n, r, text[r.start:r.end]))
		at = r.end
	}
	return out.String() + text[at:]
}

// shownValue is what a reference stands for, or its own text where that has no value now or may be a secret.
func (d *Decoder) shownValue(n Node, r reference, itself string) string {
	if strings.HasPrefix(r.name, "env.") || strings.HasPrefix(r.name, "file:") {
		return itself
	}
	check := *d
	check.Check = true
	value, later, err := check.resolve(n, r)
	if err != nil || later {
		return itself
	}
	return value
}
