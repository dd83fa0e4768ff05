package config

import "slices"

// Paths is one path or pattern, or a list of them.
type Paths []Path

// DecodeYAML reads either form.
func (l *Paths) DecodeYAML(d *Decoder, n Node) error {
	if n.Kind() == List {
		if err := d.Decode(n, (*[]Path)(l)); err != nil {
			return err
		}
		if len(*l) == 0 {
			return n.Errorf("%s: the list is empty", d.What).WithHint("name at least one file")
		}
		*l = slices.DeleteFunc(*l, func(p Path) bool { return p == "" }) // while checking: not known yet
		return nil
	}
	var one Path
	err := d.Decode(n, &one)
	if one != "" {
		*l = Paths{one}
	}
	return err
}

// YAMLType implements Worded.
func (Paths) YAMLType() string { return "a path or a list of paths" }
