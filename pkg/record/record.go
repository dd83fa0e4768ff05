package record

// Record is one row of a batch: a shared schema and the row's values. It is valid as long as the batch it lies in.
type Record struct {
	Schema  *Schema
	Values  []Value
	Ordinal int64 // place in the step's input of the record that the row came from, from 1; 0 where there is no step
}

// At returns the value at position i, absent where the row is shorter: it was read before its schema grew.
func (r Record) At(i int) Value {
	if i < len(r.Values) {
		return r.Values[i]
	}
	return Value{}
}

// Get returns the named field's value, absent where there is none. Bind positions with Schema.Index for many records.
func (r Record) Get(name string) Value {
	if i, ok := r.Schema.Index(name); ok {
		return r.At(i)
	}
	return Value{}
}

// Clone returns r with memory of its own.
func (r Record) Clone() Record {
	values := make([]Value, len(r.Values))
	for i, v := range r.Values {
		values[i] = v.Clone()
	}
	return Record{Schema: r.Schema, Values: values, Ordinal: r.Ordinal}
}

// Origin says where an input record came from, for messages and dead letters.
type Origin struct {
	Ordinal int64  // place in the input, from 1, records that could not be read included; the runner sets it
	Source  string // the file, as the definition names it; empty where there is none
	Line    int64  // the record's first line in Source, from 1; 0 where lines mean nothing
	Raw     string // the record's bytes as read; lies in the chunk's arena
}
