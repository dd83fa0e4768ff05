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
	var typed config.Map[columnType]
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

// columnType is the name of a kind that a column can be read as.
type columnType record.Kind

// columnKinds are the kinds that a column can be read as.
var columnKinds = [...]record.Kind{record.Text, record.Int, record.Decimal, record.Float, record.Bool, record.Date, record.DateTime, record.JSON}

// DecodeYAML reads the name of a kind.
func (c *columnType) DecodeYAML(d *config.Decoder, n config.Node) error {
	var name string
	if err := d.Decode(n, &name); err != nil {
		return err
	}
	known := ""
	for _, k := range columnKinds {
		if k.String() == name {
			*c = columnType(k)
			return nil
		}
		known += ", " + k.String()
	}
	e := n.Errorf("column %s: no such type %q", d.What, name)
	if near := typeCalled(name); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("types are %s", known[2:])
}

// YAMLType implements config.Worded.
func (columnType) YAMLType() string { return "a type" }

// typeCalled returns our name for what other systems call a type.
func typeCalled(name string) string {
	switch name {
	case "string", "str", "varchar", "char":
		return "text"
	case "integer", "long", "bigint", "int64", "number":
		return "int"
	case "numeric", "money":
		return "decimal"
	case "double", "real":
		return "float"
	case "boolean":
		return "bool"
	case "timestamp", "timestamptz", "time":
		return "datetime"
	case "object", "array":
		return "json"
	}
	return ""
}
