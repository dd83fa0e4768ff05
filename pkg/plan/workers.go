package plan

import (
	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/runner"
)

// laned reports whether each worker of a step may commit its own chunks: all that the step writes are rows of one database
// that takes several writers at once, with the checkpoints beside them. A file, or a database with one writer, gets the
// chunks in the order of the input.
func (p *prepared) laned(s *job.Step) bool {
	if s.Workers < 2 || s.Partition != nil || s.Checkpoint != "" && s.Checkpoint != "target" || !p.onPostgres(s.Writer) {
		return false
	}
	return s.DeadLetter == nil || p.onPostgres(*s.DeadLetter)
}

func (p *prepared) onPostgres(c job.Component) bool {
	connection, _ := c.Body.Get("connection")
	database, known := p.database(connection.Text())
	return c.Type == "sql" && known && database.Driver == "postgres"
}

// workers gives components what more workers need: their own processors, and where they have lanes, their own writers.
func (a *assembly) workers(s *job.Step, b *builder, c *runner.Components) {
	if s.Workers < 2 {
		return
	}
	c.Chain = func() ([]batch.Processor, error) { return b.processors(s.Processors) }
	if !a.prepared.laned(s) {
		return
	}
	c.Lane = func() (writer, letters batch.Writer, processors []batch.Processor, err error) {
		if processors, err = b.processors(s.Processors); err != nil {
			return nil, nil, nil, err
		}
		writer, letters, err = a.outputs(s, b)
		return writer, letters, processors, err
	}
}

// outputs makes the writer of a step, and that of its dead letters, nil where it keeps none.
func (a *assembly) outputs(s *job.Step, b *builder) (writer, letters batch.Writer, err error) {
	if writer, err = b.writer(s.Writer); err != nil {
		return nil, nil, err
	}
	writer = wrapped(a.engine.instruments.writer, writer)
	if s.DeadLetter == nil {
		return writer, nil, nil
	}
	if letters, err = b.letters(*s.DeadLetter); err != nil {
		return nil, nil, err
	}
	return writer, wrapped(a.engine.instruments.writer, letters), nil
}
