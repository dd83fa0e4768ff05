package processors

import (
	"slices"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// layout is the output schema of a processor over the versions of its input. Columns keep their places, so that a schema
// that follows a grown input has grown too.
type layout struct {
	out *record.Schema
}

// settle returns the output schema for the fields that an input schema leads to.
func (l *layout) settle(fields []record.Field, open bool) (*record.Schema, error) {
	if l.out != nil && l.out.Open() == open && containsAll(fields, l.out.Fields()) {
		return l.grow(fields)
	}
	var err error
	if open {
		l.out, err = record.NewOpenSchema(fields...)
	} else {
		l.out, err = record.NewSchema(fields...)
	}
	return l.out, err
}

func containsAll(fields, wanted []record.Field) bool {
	for _, f := range wanted {
		if !slices.Contains(fields, f) {
			return false
		}
	}
	return true
}

func (l *layout) grow(fields []record.Field) (_ *record.Schema, err error) {
	var more []record.Field
	for _, f := range fields {
		if _, known := l.out.Index(f.Name); !known {
			more = append(more, f)
		}
	}
	if len(more) > 0 {
		l.out, err = l.out.Grow(more...)
	}
	return l.out, err
}

// projection copies a row's values to other positions.
type projection struct {
	from []int // for each output column the position in the input, -1 where it has none
}

// projectionTo finds the values of out's columns in the input; source names them there.
func projectionTo(out, in *record.Schema, source func(name string) string) projection {
	p := projection{from: make([]int, out.Len())}
	for i := range p.from {
		at, ok := in.Index(source(out.Field(i).Name))
		if !ok {
			at = -1
		}
		p.from[i] = at
	}
	return p
}

// add appends the projected row to out and returns it.
func (p *projection) add(in record.Record, out *record.Batch) []record.Value {
	row := out.Add(len(p.from), 0)
	for i, at := range p.from {
		if at >= 0 && at < len(in.Values) {
			row[i] = in.Values[at]
		}
	}
	return row
}

// pass appends the row as it is to out and returns it.
func pass(in record.Record, out *record.Batch) []record.Value {
	row := out.Add(len(in.Values), 0)
	copy(row, in.Values)
	return row
}

// takeBack drops the row that was added last.
func takeBack(out *record.Batch) { out.Truncate(out.Len() - 1) }

// named is the name of a field with the place where it stands in the definition.
type named struct {
	name string
	node config.Node
}

// DecodeYAML reads the name.
func (f *named) DecodeYAML(d *config.Decoder, n config.Node) error {
	f.node = n
	return d.Decode(n, &f.name)
}

// YAMLType implements config.Worded.
func (named) YAMLType() string { return "the name of a field" }

// find returns a field's position. One that an open schema does not have yet is at -1, without an error.
func find(in *record.Schema, name string, node config.Node, role string) (int, error) {
	if at, ok := in.Index(name); ok {
		return at, nil
	}
	if in.Open() {
		return -1, nil
	}
	e := node.Errorf("%s: unknown field %q", role, name).WithCode("unknown_field")
	return -1, e.WithHint("%s", fault.DidYouMean(name, in.Names()))
}

// twice returns an error where a name stands twice in a list.
func twice(names []named, role string) error {
	for i, n := range names {
		if slices.ContainsFunc(names[:i], func(other named) bool { return other.name == n.name }) {
			return n.node.Errorf("%s: field %q stands twice", role, n.name)
		}
	}
	return nil
}
