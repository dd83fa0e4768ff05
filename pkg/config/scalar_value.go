package config

import (
	"batchctl/pkg/record"
)

// AnyScalar is one value of whatever kind: what YAML takes it for, see Node.Value. One whole ${...} keeps the kind that
// its name has; one within a text makes a text.
type AnyScalar struct{ record.Value }

// DecodeYAML reads the value.
func (a *AnyScalar) DecodeYAML(d *Decoder, n Node) error {
	if n.Kind() != Scalar {
		return d.mismatch(n, "one value").WithHint("write a text, a number, true or false")
	}
	if err := d.refuseTag(n); err != nil {
		return err
	}
	text, found, err := d.expand(n, false)
	switch {
	case err != nil:
		return err
	case found.later:
		return errLater
	case !found.any:
		a.Value = n.Value()
		return nil
	}
	a.Value = record.OfText(text)
	if all := references(n.Text()); len(all) == 1 && all[0].end == len(n.Text()) && all[0].start == 0 {
		if v, known := d.Scope.Lookup(all[0].name); known == Now {
			a.Value = v
		}
	}
	return nil
}

// YAMLType implements Worded.
func (AnyScalar) YAMLType() string { return "a value" }
