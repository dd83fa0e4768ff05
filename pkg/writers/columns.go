package writers

import (
	"slices"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// columns are those of a file: the ones that the definition names, else those of the first records. They are kept by
// name in the writer's state, so that a restart writes them in the same order, whatever order the reader finds them in.
type columns struct {
	named   []string // by the definition
	growing bool     // columns may join later

	names     []string
	schema    *record.Schema // the one bound last
	positions []int          // where its fields stand for names, -1 where it has none
}

// restore sets the columns to those of a state, or to the definition's.
func (c *columns) restore(state fileState) error {
	c.schema, c.positions = nil, nil
	c.names = slices.Clone(state.Columns)
	if c.named == nil {
		return nil
	}
	if state.Begun && !slices.Equal(state.Columns, c.named) {
		return fault.New(fault.Definition, "%s was begun with the columns %s, and the definition now names %s",
			state.Path, list(state.Columns), list(c.named)).
			WithHint("put the columns back, or run with --fresh to begin again")
	}
	c.names = c.named
	return nil
}

// bind finds the columns in a schema and reports whether columns have joined.
func (c *columns) bind(schema *record.Schema) (changed bool, err error) {
	if schema == c.schema {
		return false, nil
	}
	if c.named != nil {
		err = c.checkNamed(schema)
	} else {
		changed, err = c.join(schema)
	}
	if err != nil {
		return false, err
	}
	c.schema, c.positions = schema, make([]int, len(c.names))
	for i, name := range c.names {
		at, ok := schema.Index(name)
		if !ok {
			at = -1
		}
		c.positions[i] = at
	}
	return changed, nil
}

// checkNamed returns an error where the records do not have a column that the definition names. Where fields may be of
// any kind, as those of JSON objects, keys come and go, and a column without one is absent.
func (c *columns) checkNamed(schema *record.Schema) error {
	for i := range schema.Len() {
		if schema.Field(i).Kind == record.Absent {
			return nil
		}
	}
	for _, name := range c.named {
		if _, ok := schema.Index(name); !ok {
			return fault.New(fault.Definition, "the records have no column %q", name).
				WithHint("%s", fault.DidYouMean(name, schema.Names()))
		}
	}
	return nil
}

func (c *columns) join(schema *record.Schema) (changed bool, err error) {
	fixed := len(c.names) > 0 && !c.growing
	for i := range schema.Len() {
		name := schema.Field(i).Name
		if slices.Contains(c.names, name) {
			continue
		}
		if fixed {
			return false, fault.New(fault.Definition, "column %q came up when the first records had fixed the columns to %s", name, list(c.names)).
				WithHint("say which columns the file is to have: columns: [%s, %s]", list(c.names), name)
		}
		c.names = append(c.names, name)
		changed = true
	}
	return changed, nil
}
