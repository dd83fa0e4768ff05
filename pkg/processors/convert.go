package processors

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// convert changes the types of fields, strictly: what would lose something is an error of the record.
type convert struct {
	fields []conversion
	layout layout
	whole  projection
}

// conversion is one field to convert.
type conversion struct {
	name   string
	node   config.Node
	kind   record.Kind
	format record.Format
	at     int // -1 where the input has no such field yet
}

// target is what a field is converted to: a type, or a type with its form as text.
type target struct {
	Type      string `yaml:"type,required" enum:"text|int|decimal|float|bool|date|datetime|bytes|json" help:"type to convert to"`
	Format    string `yaml:"format" help:"pattern of dates in texts, such as dd.MM.yyyy HH:mm"`
	Separator string `yaml:"decimal_separator" enum:".|," help:"decimal separator in texts"`
	node      config.Node
}

// DecodeYAML reads a type, or a mapping with one.
func (t *target) DecodeYAML(d *config.Decoder, n config.Node) error {
	t.node = n
	if n.Kind() == config.Mapping {
		type plain target
		return d.Decode(n, (*plain)(t))
	}
	if err := d.Decode(n, &t.Type); err != nil {
		return err
	}
	if _, ok := kindCalled(t.Type); !ok {
		return n.Errorf("%s: no such type %q", d.What, t.Type).WithHint("%s", fault.DidYouMean(t.Type, kindNames()))
	}
	return nil
}

// YAMLType implements config.Worded.
func (target) YAMLType() string { return "a type, or a mapping with type, format, decimal_separator" }

func kindNames() []string {
	return []string{"text", "int", "decimal", "float", "bool", "date", "datetime", "bytes", "json"}
}

func kindCalled(name string) (record.Kind, bool) {
	for k := record.Bool; k <= record.JSON; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return record.Absent, false
}

func newConvert(conf *config.Map[target], env *catalog.Env) (batch.Processor, error) {
	c := &convert{}
	for _, p := range *conf {
		one := conversion{name: p.Name, node: p.Key, format: record.Format{Location: env.Location}}
		var ok bool
		if one.kind, ok = kindCalled(p.Value.Type); !ok {
			return nil, p.Value.node.Errorf("convert %s: no such type %q", p.Name, p.Value.Type).WithHint("%s", fault.DidYouMean(p.Value.Type, kindNames()))
		}
		if p.Value.Separator != "" {
			one.format.DecimalSeparator = p.Value.Separator[0]
		}
		if p.Value.Format != "" {
			layout, err := record.Layout(p.Value.Format)
			if err != nil {
				return nil, p.Value.node.Errorf("convert %s: %s", p.Name, err).WithHint("%s", fault.HintOf(err))
			}
			one.format.Date, one.format.DateTime = layout, layout
		}
		c.fields = append(c.fields, one)
	}
	return c, nil
}

// Bind finds the fields and gives their columns the new types.
func (c *convert) Bind(in *record.Schema) (*record.Schema, error) {
	fields := in.Fields()
	for _, one := range c.fields {
		at, err := find(in, one.name, one.node, "convert")
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			fields[at].Kind = one.kind
		}
	}
	out, err := c.layout.settle(fields, in.Open())
	if err != nil {
		return nil, err
	}
	c.whole = projectionTo(out, in, func(name string) string { return name })
	for i := range c.fields {
		c.fields[i].at = -1
		if at, ok := out.Index(c.fields[i].name); ok {
			c.fields[i].at = at
		}
	}
	return out, nil
}

// Process copies the record and converts the fields in the copy, which from then on are written in canonical form. Null
// and absent stay what they are.
func (c *convert) Process(_ context.Context, in record.Record, out *record.Batch) error {
	row := c.whole.add(in, out)
	for i := range c.fields {
		one := &c.fields[i]
		if one.at < 0 {
			continue
		}
		v, err := one.format.ConvertIn(&out.Arena, row[one.at], one.kind)
		if err != nil {
			takeBack(out)
			return failed("column "+one.name, err)
		}
		row[one.at] = v.WithoutText()
	}
	return nil
}
