package record

import "math"

// Batch is a list of rows and the memory they live in. The zero Batch is empty and ready. All rows share one schema;
// a row that was added before the schema grew is shorter, and its missing fields are absent.
type Batch struct {
	Arena  Arena
	schema *Schema
	values []Value
	ends   []int32 // ends[i] is where row i ends in values
	from   []int32 // from[i] is the index of the input row that row i came from
	expect int     // rows that are about to come; 0: not known
}

// Expect says how many rows the batch will hold, so that its memory does not grow beyond that.
func (b *Batch) Expect(rows int) { b.expect = rows }

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.ends) }

// Schema returns the schema of the rows, nil before the first SetSchema.
func (b *Batch) Schema() *Schema { return b.schema }

// SetSchema sets the schema of the rows to come. Where rows are there already, s must have grown from theirs.
func (b *Batch) SetSchema(s *Schema) { b.schema = s }

// Add appends a row of n values that are absent and returns them to be filled. The slice is valid until the next Add.
// from is the index of the input row it came from; readers give Len.
func (b *Batch) Add(n, from int) []Value {
	start := len(b.values)
	if start+n > math.MaxInt32 || from > math.MaxInt32 {
		panic("record: a batch holds at most 2^31-1 values")
	}
	if cap(b.values)-start < n {
		b.grow(n)
	}
	b.values = b.values[:start+n]
	b.ends = append(b.ends, int32(start+n))
	b.from = append(b.from, int32(from))
	row := b.values[start : start+n : start+n]
	clear(row)
	return row
}

// grow makes room for n more values, and for as many as there are besides.
func (b *Batch) grow(n int) {
	need, size := len(b.values)+n, max(2*cap(b.values), 1024)
	if all := b.expect * n; all >= need {
		size = min(size, all)
		if 8*len(b.ends) >= b.expect { // it will be full: what is grown through on the way there is garbage
			size = all
		}
	}
	grown := make([]Value, len(b.values), max(size, need))
	copy(grown, b.values)
	b.values = grown
}

// Truncate drops the rows from index n on: a row that turned out to be wrong while it was filled.
func (b *Batch) Truncate(n int) {
	b.ends = b.ends[:n]
	b.from = b.from[:n]
	b.values = b.values[:b.start(n)]
}

func (b *Batch) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(b.ends[i-1])
}

// Row returns the row at index i. It is valid until rows are added or the batch is reset.
func (b *Batch) Row(i int) Record {
	start, end := b.start(i), int(b.ends[i])
	return Record{Schema: b.schema, Values: b.values[start:end:end]}
}

// From returns the index of the input row that row i came from.
func (b *Batch) From(i int) int { return int(b.from[i]) }

// SetFrom says that the rows from index start on came from input row from.
func (b *Batch) SetFrom(start, from int) {
	for i := start; i < len(b.from); i++ {
		b.from[i] = int32(from)
	}
}

// AppendRows appends the rows to dst and returns it.
func (b *Batch) AppendRows(dst []Record) []Record {
	for i := range b.ends {
		dst = append(dst, b.Row(i))
	}
	return dst
}

// ClearRows empties the batch but for its arena and its schema: texts that were made for its rows stay valid until Reset.
func (b *Batch) ClearRows() {
	b.values = b.values[:0]
	b.ends = b.ends[:0]
	b.from = b.from[:0]
}

// Reset empties the batch and keeps its memory for reuse.
func (b *Batch) Reset() {
	b.Arena.Reset()
	b.poison()
	b.schema = nil
	b.values = b.values[:0]
	b.ends = b.ends[:0]
	b.from = b.from[:0]
}
