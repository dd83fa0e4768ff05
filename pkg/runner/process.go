package runner

import (
	"context"
	"sort"

	"batchctl/pkg/batch"
	"batchctl/pkg/record"
)

// chain is a step's processors, at least one, bound to the schema of the records that pass.
type chain struct {
	processors []batch.Processor
	schemas    []*record.Schema // of what each processor puts out
	bound      *record.Schema   // the input schema that schemas belongs to
}

// begin makes the chain ready for the inputs of a chunk.
func (p *chain) begin(c *record.Chunk) error {
	if c.In.Len() == 0 {
		return nil
	}
	return p.bind(c)
}

// one processes an input of a chunk that was begun into its output rows. After an error it has none.
func (p *chain) one(ctx context.Context, c *record.Chunk, input int) error {
	start := c.Out.Len()
	in := c.In.Row(input)
	in.Ordinal = c.Origins[input].Ordinal
	if err := p.pass(ctx, c, 0, in); err != nil {
		c.Out.Truncate(start)
		return err
	}
	c.Out.SetFrom(start, input)
	return nil
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
		row := stage.Row(i)
		row.Ordinal = in.Ordinal
		if err := p.pass(ctx, c, k+1, row); err != nil {
			return err
		}
	}
	return nil
}

// output is the rows of a chunk as its writer gets them.
type output struct {
	rows []record.Record
	from []int // the input each row came from
}

// collect fills o with the rows of a chunk, processed or as they were read.
func (o *output) collect(c *record.Chunk, processed bool) {
	o.from = o.from[:0]
	if !processed {
		o.rows = c.In.AppendRows(o.rows[:0])
		for i := range o.rows {
			o.from = append(o.from, i)
			o.rows[i].Ordinal = c.Origins[i].Ordinal
		}
		return
	}
	o.rows = c.Out.AppendRows(o.rows[:0])
	for i := range o.rows {
		from := c.Out.From(i)
		o.from = append(o.from, from)
		o.rows[i].Ordinal = c.Origins[from].Ordinal
	}
}

// inputs returns how many inputs the rows came from: rows of one input stand together.
func (o *output) inputs() int64 {
	n, last := int64(0), -1
	for _, from := range o.from {
		if from != last {
			n, last = n+1, from
		}
	}
	return n
}

// span returns the rows that came from the inputs lo to hi, hi excluded, and the index of the first of them.
func (o *output) span(lo, hi int) (rows []record.Record, first int) {
	first = sort.SearchInts(o.from, lo)
	return o.rows[first:sort.SearchInts(o.from, hi)], first
}
