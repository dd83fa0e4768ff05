package config

import "batchctl/pkg/record"

// ColumnType is the name of a kind that a column can be read as.
type ColumnType record.Kind

// columnTypes are the kinds that a column can be read as.
var columnTypes = [...]record.Kind{record.Text, record.Int, record.Decimal, record.Float, record.Bool, record.Date, record.DateTime, record.JSON}

// DecodeYAML reads the name of a kind.
func (c *ColumnType) DecodeYAML(d *Decoder, n Node) error {
	var name string
	if err := d.Decode(n, &name); err != nil {
		return err
	}
	known := ""
	for _, k := range columnTypes {
		if k.String() == name {
			*c = ColumnType(k)
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

// YAMLType implements Worded.
func (ColumnType) YAMLType() string { return "a type" }

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
