package runner

import (
	"context"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// chain is a step's processors, bound to the schema of the records that pass.
type chain struct {
	processors []batch.Processor
	schemas    []*record.Schema // of what each processor puts out
	bound      *record.Schema   // the input schema that schemas belongs to
}

// run processes every input of the chunk into its output rows. The error is that of the input at the returned index, -1
// where it is about no record: the processors do not fit the schema.
func (p *chain) run(ctx context.Context, c *record.Chunk) (int, error) {
	if len(p.processors) == 0 || c.In.Len() == 0 {
		return 0, nil
	}
	if err := p.bind(c); err != nil {
		return -1, err
	}
	for i := range c.In.Len() {
		start := c.Out.Len()
		if err := p.pass(ctx, c, 0, c.In.Row(i)); err != nil {
			c.Out.Truncate(start)
			return i, err
		}
		c.Out.SetFrom(start, i)
	}
	return 0, nil
}

// bind binds the processors to the chunk's schema where they are not, and gives the batches of the chunk theirs.
func (p *chain) bind(c *record.Chunk) error {
	last := len(p.processors) - 1
	if in := c.In.Schema(); p.bound != in {
		schemas := make([]*record.Schema, len(p.processors))
		at := in
		for i, processor := range p.processors {
			out, err := processor.Bind(at)
			if err != nil {
				return err
			}
			schemas[i], at = out, out
		}
		p.schemas, p.bound = schemas, in
	}
	for i := range last {
		c.Stage(i).SetSchema(p.schemas[i])
	}
	c.Out.SetSchema(p.schemas[last])
	return nil
}

// pass hands one row to processor k, and what that makes of it to the next.
func (p *chain) pass(ctx context.Context, c *record.Chunk, k int, in record.Record) error {
	if k == len(p.processors)-1 {
		return p.processors[k].Process(ctx, in, &c.Out)
	}
	stage := c.Stage(k)
	stage.ClearRows()
	if err := p.processors[k].Process(ctx, in, stage); err != nil {
		return err
	}
	for i := range stage.Len() {
		if err := p.pass(ctx, c, k+1, stage.Row(i)); err != nil {
			return err
		}
	}
	return nil
}

// rows appends the rows that the chunk's writer gets to dst.
func (p *chain) rows(c *record.Chunk, dst []record.Record) []record.Record {
	if len(p.processors) == 0 {
		return c.In.AppendRows(dst)
	}
	return c.Out.AppendRows(dst)
}

// input returns the index of the input that row i of rows came from.
func (p *chain) input(c *record.Chunk, i int) int {
	if len(p.processors) == 0 {
		return i
	}
	return c.Out.From(i)
}

// count returns what the chunk adds to the counters when it commits.
func (p *chain) count(c *record.Chunk) batch.Counters {
	read := int64(c.In.Len())
	if len(p.processors) == 0 {
		return batch.Counters{Read: read, Write: read, Commit: 1}
	}
	written, last := int64(0), -1
	for i := range c.Out.Len() {
		if from := c.Out.From(i); from != last {
			written, last = written+1, from
		}
	}
	return batch.Counters{Read: read, Write: written, Filter: read - written, Commit: 1}
}
