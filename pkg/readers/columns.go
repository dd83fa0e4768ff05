package readers

import (
	"batchctl/pkg/config"
	"batchctl/pkg/record"
)

// columnList is the columns of a reader, as names with types or as a list of names.
type columnList struct {
	columns []column
	typed   bool // written as a mapping
}

// column is a name, the kind that its values are read as, and where it stands in the definition.
type column struct {
	name string
	kind record.Kind
	node config.Node
}

// DecodeYAML reads either form.
func (l *columnList) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.List {
		for _, item := range n.Items() {
			var name string
			if err := d.Decode(item, &name); err != nil {
				return err
			}
			l.columns = append(l.columns, column{name: name, kind: record.Text, node: item})
		}
		return l.check(n)
	}
	var typed config.Map[config.ColumnType]
	if err := d.Decode(n, &typed); err != nil {
		return err
	}
	l.typed = true
	for _, p := range typed {
		l.columns = append(l.columns, column{name: p.Name, kind: record.Kind(p.Value), node: p.Key})
	}
	return l.check(n)
}

func (l *columnList) check(n config.Node) error {
	if len(l.columns) == 0 {
		return n.Errorf("columns is empty").WithHint("name the columns, or remove the key")
	}
	seen := map[string]bool{}
	for _, c := range l.columns {
		switch {
		case c.name == "":
			return c.node.Errorf("a column has no name")
		case seen[c.name]:
			return c.node.Errorf("column %q stands twice", c.name)
		}
		seen[c.name] = true
	}
	return nil
}

// YAMLType implements config.Worded.
func (columnList) YAMLType() string { return "a mapping of names to types, or a list of names" }

func (l *columnList) names() []string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.name
	}
	return names
}

// schema returns the columns as a schema.
func (l *columnList) schema() (*record.Schema, error) {
	fields := make([]record.Field, len(l.columns))
	for i, c := range l.columns {
		fields[i] = record.Field{Name: c.name, Kind: c.kind}
	}
	return record.NewSchema(fields...)
}
