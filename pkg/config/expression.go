package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// tag returns the explicit YAML tag of a node as it was written, "" where there is none.
func (n Node) tag() string {
	if n.yaml == nil || n.yaml.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	return n.yaml.Tag
}

// expression reads the source of an expression. YAML has traps for expressions; what they leave behind is recognised.
func (d *Decoder) expression(n Node) (Expression, error) {
	e := Expression{Source: n.Text(), Node: n}
	wrong := func(why, example string) error {
		return n.Errorf("%s", d.named(why)).WithCode("expression_trap").
			WithHint("quote the expression: %s: %s", d.word(), singleQuoted(example))
	}
	switch {
	case n.tag() != "":
		return e, wrong("YAML took "+n.tag()+" for a tag, not for a part of the expression", strings.TrimSpace(n.tag()+" "+n.Text()))
	case n.Kind() == List:
		return e, wrong("expected an expression, got a list: YAML reads [...] itself", n.document.flowText(n))
	case n.Kind() == Mapping:
		return e, wrong("expected an expression, got a mapping: YAML reads {...} and \": \" itself", n.document.flowText(n))
	case n.IsNull() && n.plain():
		return e, d.nullExpression(n)
	case strings.TrimSpace(e.Source) == "":
		return e, n.Errorf("%s", d.named("the expression is empty")).WithHint("an empty text is %s: '\"\"'", d.word())
	case n.yaml.Tag == "!!timestamp" && n.plain():
		return e, n.Errorf("%s", d.named("the expression "+e.Source+" would be a subtraction")).WithCode("expression_trap").
			WithHint("write %s: date(\"%s\")", d.word(), e.Source)
	}
	return e, d.noReferences(n)
}

func (d *Decoder) noReferences(n Node) error {
	found := references(n.Text())
	if len(found) == 0 {
		return nil
	}
	first := found[0]
	e := n.ErrorAt(first.start, "%s", d.named("${...} is not expanded inside expressions")).WithCode("reference_in_expression")
	if insideQuotes(n.Text(), first.start) {
		return e.WithHint("join texts with +: %s", "\"...\" + "+nameOr(first.name, "params.name"))
	}
	return e.WithHint("write %s", nameOr(first.name, "params.name"))
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// insideQuotes reports whether a double-quoted text of an expression is open at an offset.
func insideQuotes(source string, offset int) bool {
	return strings.Count(source[:offset], `"`)%2 == 1
}

// nullExpression tells why there is nothing: a comment ate it, an anchor, or null was meant.
func (d *Decoder) nullExpression(n Node) error {
	e := n.Errorf("%s", d.named("the expression is missing")).WithCode("expression_trap")
	rest := n.document.from(n.yaml.Line, n.yaml.Column)
	switch {
	case n.Text() == "null" || n.Text() == "~":
		return e.WithHint("the expression for no value is nil")
	case n.yaml.Anchor != "":
		return e.WithHint("YAML took &%s for an anchor; quote the expression: %s: %s", n.yaml.Anchor, d.word(), singleQuoted("&"+n.yaml.Anchor))
	case strings.Contains(rest, "#"):
		_, comment, _ := strings.Cut(rest, "#")
		return e.WithHint("YAML takes what follows # for a comment; quote the expression: %s: %s", d.word(), singleQuoted("#"+comment))
	}
	return e.WithHint("write one behind the colon: %s: amount > 0", d.word())
}

// cutExpression recognises an expression in {...} that YAML ended at a comma: {fee: round(x, 2)} has the keys "fee" and
// "2)".
func (d *Decoder) cutExpression(n Node) error {
	if !n.flow() {
		return nil
	}
	for _, p := range n.Pairs() {
		if p.Value.Kind() == Scalar && p.Value.plain() && !balanced(p.Value.Text()) {
			return p.Value.Errorf("%s: the expression %s was cut off at a comma by YAML", p.Name, quoted(p.Value.Text())).WithCode("expression_trap").
				WithHint("in {...} quote the expression: %s: %s", p.Name, singleQuoted(n.document.whole(p.Value)))
		}
	}
	return nil
}

// balanced reports whether the brackets and quotes of an expression close.
func balanced(source string) bool {
	depth, quote := 0, rune(0)
	for _, r := range source {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		}
	}
	return depth == 0 && quote == 0
}

// Hint returns advice where the source shows that YAML may have cut the expression off, else "". It is for errors of the
// expression's own syntax.
func (e Expression) Hint() string {
	n := e.Node
	if !n.plain() || n.IsZero() {
		return ""
	}
	rest := n.document.from(n.yaml.Line, n.yaml.Column)
	if _, behind, found := strings.Cut(rest, e.Source); found && strings.HasPrefix(strings.TrimSpace(behind), "#") {
		return "YAML takes what follows \" #\" for a comment; quote the expression: " + singleQuoted(strings.TrimSpace(rest))
	}
	if !balanced(e.Source) {
		return "in {...} and [...] YAML ends a value at a comma; quote the expression: " + singleQuoted(e.Source+", ...")
	}
	return ""
}

// whole returns the expression that begins at a scalar, as far as its brackets and quotes reach in the line.
func (d *Document) whole(n Node) string {
	rest := d.from(n.yaml.Line, n.yaml.Column)
	for end := len(n.Text()); end < len(rest); end++ {
		if balanced(rest[:end]) {
			return rest[:end]
		}
	}
	return n.Text() + ", ..."
}

// flowText returns the rest of the source line that n begins on.
func (d *Document) flowText(n Node) string {
	text := strings.TrimSpace(d.from(n.yaml.Line, n.yaml.Column))
	if r := []rune(text); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return text
}

// singleQuoted returns s as YAML writes it in single quotes.
func singleQuoted(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
