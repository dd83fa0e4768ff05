package config

import (
	"strconv"

	"batchctl/pkg/record"
)

// Value returns a scalar as a value of the kind that YAML takes it for: null, a boolean, an int or a decimal in plain
// notation with their texts, and anything else, dates among it, as text. Lists and mappings are null. ${...} stays as
// it is.
func (n Node) Value() record.Value {
	text := n.Text()
	switch {
	case n.IsNull() || n.Kind() != Scalar:
		return record.NullValue
	case !n.plain():
		return record.OfText(text)
	case zeroPadded(text):
		return record.OfText(text) // a post code; older YAML takes it for an octal number
	case text == "true" || text == "false":
		return record.OfBool(text == "true").WithText(text)
	}
	if n.yaml.Tag == "!!int" {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(i, 10) == text {
			return record.OfInt(i).WithText(text)
		}
	}
	if n.yaml.Tag == "!!int" || n.yaml.Tag == "!!float" {
		if i, err := record.ParseNumber(text); err == nil && text[0] != '+' {
			return record.OfNumber(i).WithText(text)
		}
	}
	return record.OfText(text)
}

func zeroPadded(text string) bool {
	return len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'
}
