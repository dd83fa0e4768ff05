package record

// Chunk is the records that are processed, written and committed together: input rows, which nothing changes after the
// reader, and output rows, each with the index of the input it came from. It owns the memory of both.
type Chunk struct {
	In      Batch    // as read; In.From is the row's own index
	Out     Batch    // as the processors made them; unused where the step has none
	Origins []Origin // one for each input row
	First   int64    // the ordinal of the first input record that was read for this chunk, read skips included
	stages  []*Batch // rows on their way from one processor to the next
}

// NewChunk returns a chunk that about so many rows are to come into.
func NewChunk(rows int) *Chunk {
	c := new(Chunk)
	c.In.Expect(rows)
	c.Out.Expect(rows)
	return c
}

// Stage returns the batch between processor i and the next one. Its texts live as long as the chunk.
func (c *Chunk) Stage(i int) *Batch {
	for len(c.stages) <= i {
		c.stages = append(c.stages, new(Batch))
	}
	return c.stages[i]
}

// AddInput appends an input row of n absent values with its origin, and returns the values to be filled.
func (c *Chunk) AddInput(n int, origin Origin) []Value {
	c.Origins = append(c.Origins, origin)
	return c.In.Add(n, c.In.Len())
}

// DropInput takes the last input row back: it turned out to be wrong while it was filled.
func (c *Chunk) DropInput() {
	n := c.In.Len() - 1
	c.In.Truncate(n)
	c.Origins = c.Origins[:n]
}

// Reset empties the chunk and keeps its memory for reuse. The owner calls it once, after the commit and after every
// statement that used the rows has returned.
func (c *Chunk) Reset() {
	c.In.Reset()
	c.Out.Reset()
	for _, stage := range c.stages {
		stage.Reset()
	}
	c.Origins = c.Origins[:0]
	c.First = 0
}
