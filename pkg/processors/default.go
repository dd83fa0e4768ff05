package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// defaults gives fields that are null or absent a value. The value is of the column's type; where the column has none, of
// the type that YAML gives it.
type defaults struct {
	fields []defaultField
	layout layout
	whole  projection
}

type defaultField struct {
	name  string
	key   config.Node
	conf  literal
	value record.Value
	at    int
}

// literal is a scalar of the definition.
type literal struct {
	value record.Value // as YAML takes it
	node  config.Node
}

// DecodeYAML reads the scalar, ${...} replaced.
func (l *literal) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() != config.Scalar {
		return n.Errorf("%s: expected one value, got %s", d.What, n.Words())
	}
	l.node, l.value = n, n.Value()
	if l.value.Kind() == record.Text {
		var text string
		if err := d.Decode(n, &text); err != nil {
			return err
		}
		l.value = record.OfText(text)
	}
	return nil
}

// YAMLType implements config.Worded.
func (literal) YAMLType() string { return "a value" }

func newDefault(conf *config.Map[literal], _ *catalog.Env) (batch.Processor, error) {
	d := &defaults{}
	for _, p := range *conf {
		d.fields = append(d.fields, defaultField{name: p.Name, key: p.Key, conf: p.Value})
	}
	return d, nil
}

// Bind makes the values of their columns' types. Of records whose fields are not all known, missing columns are added.
func (d *defaults) Bind(in *record.Schema) (*record.Schema, error) {
	fields := in.Fields()
	for i := range d.fields {
		one := &d.fields[i]
		at, err := find(in, one.name, one.key, "default")
		if err != nil {
			return nil, err
		}
		if at < 0 {
			fields, at = append(fields, record.Field{Name: one.name}), len(fields)
		}
		if one.value, err = one.typed(fields[at].Kind); err != nil {
			return nil, err
		}
	}
	out, err := d.layout.settle(fields, in.Open())
	if err != nil {
		return nil, err
	}
	d.whole = projectionTo(out, in, func(name string) string { return name })
	for i := range d.fields {
		d.fields[i].at, _ = out.Index(d.fields[i].name)
	}
	return out, nil
}

// typed returns the value as one of the column's kind.
func (f *defaultField) typed(kind record.Kind) (record.Value, error) {
	v := f.conf.value
	if kind == record.Absent || kind == v.Kind() {
		return v, nil
	}
	if kind == record.Text && v.Text() != "" { // 007 and 1.50 as they are written
		return record.OfText(v.Text()), nil
	}
	converted, err := new(record.Format).Convert(v, kind)
	if err != nil {
		return v, f.conf.node.Errorf("default %s: %s", f.name, err).WithCode(fault.CodeOf(err)).WithHint("the column is a %s", kind)
	}
	return converted, nil
}

// Process copies the record and fills what is missing.
func (d *defaults) Process(_ context.Context, in record.Record, out *record.Batch) error {
	row := d.whole.add(in, out)
	for i := range d.fields {
		if one := &d.fields[i]; row[one.at].IsNull() {
			row[one.at] = one.value
		}
	}
	return nil
}
