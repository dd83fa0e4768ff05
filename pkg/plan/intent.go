package plan

import (
	"batchctl/pkg/config"
	"batchctl/pkg/job"
)

// checkIntent refuses checkpoint: intent where the target cannot be asked what became of a transaction.
func (p *prepared) checkIntent(s *job.Step) error {
	if s.Checkpoint != "intent" {
		return nil
	}
	written := writtenTables(s.Writer.Node)
	if s.DeadLetter != nil {
		written = append(written, writtenTables(s.DeadLetter.Node)...)
	}
	at, own := s.Node.Get("checkpoint")
	if !own {
		at = s.Writer.Node // it is a default of the job
	}
	for _, w := range written {
		if c, known := p.database(w.connection); known {
			if err := intentOn(at, s.Name, w.connection, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func intentOn(at config.Node, step, name string, c job.Connection) error {
	switch {
	case c.Driver != "postgres":
		return at.Errorf("step %s: checkpoint: intent asks the target what became of a transaction, which only PostgreSQL can answer; connection %s is %s",
			step, name, c.Driver).WithCode("intent_not_possible").
			WithHint("write checkpoint: target: the checkpoint is a row of a small table beside the rows")
	case c.MaxConnections == 1:
		return at.Errorf("step %s: checkpoint: intent needs two connections at a time, and connection %s may have one", step, name).
			WithCode("intent_not_possible").WithHint("set max_connections of %s to 2 or more", name)
	}
	return nil
}
