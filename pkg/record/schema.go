package record

import (
	"fmt"
	"slices"
)

// Field is a column: its name and the kind its values have, Absent where they may be of any.
type Field struct {
	Name string
	Kind Kind
}

// Schema is the columns of a record, in order. It never changes, and two schemas are the same only if they are the same
// pointer, so names are bound to positions once.
type Schema struct {
	fields []Field
	index  map[string]int
	open   bool
}

// NewSchema returns a schema of fields; a name that stands twice is an error.
func NewSchema(fields ...Field) (*Schema, error) {
	s := &Schema{fields: slices.Clone(fields), index: make(map[string]int, len(fields))}
	for i, f := range s.fields {
		if _, twice := s.index[f.Name]; twice {
			return nil, fmt.Errorf("column %q stands twice", f.Name)
		}
		s.index[f.Name] = i
	}
	return s, nil
}

// NewOpenSchema returns a schema of fields that are not all: later records may bring more, as the keys of JSON objects do,
// and a schema grown from this one is open too. A name that an open schema does not have is a field that is absent so
// far, not a mistake.
func NewOpenSchema(fields ...Field) (*Schema, error) {
	s, err := NewSchema(fields...)
	if err == nil {
		s.open = true
	}
	return s, err
}

// Open reports whether later records may bring more fields.
func (s *Schema) Open() bool { return s.open }

// Grow returns a schema with more fields behind those of s: records of s can be read with it, the new fields absent.
func (s *Schema) Grow(fields ...Field) (*Schema, error) {
	grown, err := NewSchema(append(slices.Clone(s.fields), fields...)...)
	if err == nil {
		grown.open = s.open
	}
	return grown, err
}

// Len returns the number of fields.
func (s *Schema) Len() int { return len(s.fields) }

// Field returns the field at position i.
func (s *Schema) Field(i int) Field { return s.fields[i] }

// Fields returns a copy of the fields.
func (s *Schema) Fields() []Field { return slices.Clone(s.fields) }

// Names returns the names of the fields in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.Name
	}
	return names
}

// Index returns the position of the named field.
func (s *Schema) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}
