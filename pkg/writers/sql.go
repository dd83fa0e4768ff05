package writers

import (
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb"
)

// sqlConf is the configuration of the sql writer: rows of a table, or a statement that runs once for each record.
type sqlConf struct {
	Connection string     `yaml:"connection,required" help:"name of the connection that is written to"`
	Table      string     `yaml:"table" help:"table that the records become rows of, also schema.table"`
	Mode       string     `yaml:"mode" default:"insert" enum:"insert|upsert|update|delete|ignore" help:"insert; upsert: insert or, where the key is there, update; ignore: insert what is not there yet; update and delete: the rows with the record's key"`
	Key        []string   `yaml:"key" help:"columns that name a row, for upsert, update, delete, ignore; of a created table the primary key"`
	Add        []string   `yaml:"add" help:"columns that upsert and update add to instead of replacing; null adds nothing"`
	Columns    sqlColumns `yaml:"columns" help:"fields to write, as a list or as field: column; without it all fields, by name"`
	Create     bool       `yaml:"create" help:"make the table from the fields of the first records where there is none"`
	Statement  config.SQL `yaml:"statement" help:"a statement with binds :field, run for each record, instead of table"`
	ExpectRows int64      `yaml:"expect_rows" help:"rows that each record has to affect; another number is an error of the record"`
	Bulk       string     `yaml:"bulk" default:"auto" enum:"auto|never" help:"auto: PostgreSQL's COPY where it is allowed; never: plain statements, for tables whose rules or triggers need them"`
}

// sqlColumn says that a field of the records goes into a column.
type sqlColumn struct{ Field, Column string }

// sqlColumns is written as a list of names that fields and columns share, or as a mapping of field to column.
type sqlColumns []sqlColumn

// DecodeYAML reads either form.
func (c *sqlColumns) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() != config.Mapping {
		var names []string
		if err := d.Decode(n, &names); err != nil {
			return err
		}
		for _, name := range names {
			*c = append(*c, sqlColumn{name, name})
		}
		return nil
	}
	var pairs config.Map[string]
	if err := d.Decode(n, &pairs); err != nil {
		return err
	}
	for _, p := range pairs {
		*c = append(*c, sqlColumn{p.Name, p.Value})
	}
	return nil
}

// column returns the column that a field goes into, "" where it is not written.
func (c sqlColumns) column(field string) string {
	if len(c) == 0 {
		return field
	}
	for _, one := range c {
		if one.Field == field {
			return one.Column
		}
	}
	return ""
}

// newSQL returns the writer of a configuration. It opens nothing: what the table has to offer is looked up by Open.
func newSQL(conf *sqlConf, env *catalog.Env) (batch.Writer, error) {
	if err := conf.check(); err != nil {
		return nil, err
	}
	if conf.Statement.Text != "" {
		return &sqlStatement{conf: conf, env: env}, nil
	}
	return &sqlTable{conf: conf, env: env}, nil
}

// check returns an error where keys do not go together.
func (c *sqlConf) check() error {
	if c.Statement.Text != "" {
		return c.checkStatement()
	}
	wrong := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Definition, "writer sql: "+format, args...)
	}
	mode := sqldb.Mode(c.Mode)
	keyed := mode == sqldb.Upsert || mode == sqldb.Update || mode == sqldb.Delete
	switch {
	case c.Table == "":
		return wrong("neither table nor statement is given").WithHint("name the table that the records go into: table: payments")
	case keyed && len(c.Key) == 0:
		return wrong("mode %s needs a key", mode).WithHint("name the columns that tell one row from another: key: [id]")
	case mode == sqldb.Insert && len(c.Key) > 0 && !c.Create:
		return wrong("key means nothing in mode insert").WithHint("use mode: upsert to update the rows that are there, or ignore to leave them; or remove key")
	case len(c.Add) > 0 && mode != sqldb.Upsert && mode != sqldb.Update:
		return wrong("add means nothing in mode %s", mode).WithHint("columns accumulate with mode: upsert")
	case c.Create && (mode == sqldb.Update || mode == sqldb.Delete):
		return wrong("create means nothing in mode %s: a new table has no rows", mode)
	case c.ExpectRows < 0:
		return wrong("expect_rows is %d", c.ExpectRows)
	}
	for _, column := range c.Add {
		if slices.Contains(c.Key, column) {
			return wrong("column %q stands in key and in add", column).WithHint("a key names the row; only other columns can accumulate")
		}
	}
	return c.checkTwice()
}

// checkTwice returns an error where two fields go into one column, or a name stands twice.
func (c *sqlConf) checkTwice() error {
	var columns []string
	for _, one := range c.Columns {
		columns = append(columns, one.Column)
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"key", c.Key}, {"add", c.Add}, {"columns", columns}} {
		for i, name := range list.names {
			if slices.Contains(list.names[:i], name) {
				return fault.New(fault.Definition, "writer sql: column %q stands twice in %s", name, list.key)
			}
		}
	}
	return nil
}

func (c *sqlConf) checkStatement() error {
	for _, other := range []struct {
		key   string
		given bool
	}{
		{"table", c.Table != ""}, {"mode", c.Mode != string(sqldb.Insert)}, {"key", len(c.Key) > 0}, {"add", len(c.Add) > 0},
		{"columns", len(c.Columns) > 0}, {"create", c.Create},
	} {
		if other.given {
			return c.Statement.Node.Errorf("writer sql: %s means nothing beside statement", other.key).
				WithHint("a statement says itself what it writes; remove %s, or statement", other.key)
		}
	}
	return nil
}
