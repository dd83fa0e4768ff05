package writers

import (
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
)

// inputHeader is the name of what stands before the first record of a step's input. Only a text that is written later than
// the reader is opened can know it.
const inputHeader = "input.header"

// lateText is a text whose ${...} are resolved when it is written, not when the step starts.
type lateText struct{ node config.Node }

// DecodeYAML keeps the text as it stands, after a check of its names.
func (t *lateText) DecodeYAML(d *config.Decoder, n config.Node) error {
	t.node = n
	check := *d
	check.Check = true
	check.Scope = config.NewNames(d.Scope).Declare(inputHeader)
	var text string
	return check.Decode(n, &text)
}

// YAMLType implements config.Worded.
func (lateText) YAMLType() string { return "text" }

// resolve returns the text with the values of now; "" where there is none.
func (t lateText) resolve(env *catalog.Env) (text string, err error) {
	if t.node.IsZero() {
		return "", nil
	}
	decoder := config.Decoder{Scope: env.Scope, Base: env.Base}
	err = decoder.Decode(t.node, &text)
	return text, err
}
