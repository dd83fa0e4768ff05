package plan

import (
	"fmt"
	"slices"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
)

// standardStream is the path of standard input, and of standard output.
const standardStream = "-"

// checkStreams refuses steps that would have to share standard input, or to take back what they wrote to standard output.
func (p *prepared) checkStreams() error {
	var wrong fault.List
	reading := ""
	for _, s := range p.job.All() {
		if s.Kind() != job.ChunkStep {
			continue
		}
		wrong.Add(p.checkStandardOutput(s))
		if !p.streams(s, s.Reader) {
			continue
		}
		if reading != "" {
			wrong.Add(pathOf(s.Reader).Errorf("standard input is read by step %s already, and is there only once", reading).
				WithCode("stream_taken").WithHint("have one step write it to a file or a table, and the others read that"))
			continue
		}
		reading = s.Name
	}
	return wrong.Err()
}

// streams reports whether a component, or one within it, reads or writes a standard stream.
func (p *prepared) streams(s *job.Step, c job.Component) bool {
	return slices.Contains(paths(p.stepNames(s), p.place.Base, c.Node), standardStream)
}

func pathOf(c job.Component) config.Node {
	if path, ok := c.Body.Get("path"); ok {
		return path
	}
	return c.Kind
}

func (p *prepared) checkStandardOutput(s *job.Step) error {
	if s.DeadLetter != nil && p.streams(s, *s.DeadLetter) {
		return pathOf(*s.DeadLetter).Errorf("dead letters cannot go to standard output: nobody could list or replay them").WithCode("stream_output").
			WithHint("name a file, or a table with type: sql")
	}
	if !p.streams(s, s.Writer) {
		return nil
	}
	at := pathOf(s.Writer)
	written := slices.DeleteFunc(paths(p.stepNames(s), p.place.Base, s.Writer.Node), func(path string) bool { return path != standardStream })
	switch {
	case len(written) > 1:
		return at.Errorf("%d writers of one step to standard output: what they write would be mixed", len(written)).WithCode("stream_output").
			WithHint("write all but one of them to files")
	case s.Partition != nil:
		return at.Errorf("several partitions cannot write to standard output: their records would be mixed").WithCode("stream_output").
			WithHint("name a file for each, with ${partition.name} in its path")
	case len(writtenTables(s.Writer.Node)) > 0 || s.DeadLetter != nil && len(writtenTables(s.DeadLetter.Node)) > 0:
		return at.Errorf("standard output and a database in one step: what a transaction undoes could not be taken back").WithCode("stream_output").
			WithHint("write a file instead, or standard output in a step of its own")
	}
	return nil
}

// streamWarnings say which steps cannot be restarted because of what they read or write.
func (p *prepared) streamWarnings() []string {
	var warnings []string
	for _, s := range p.job.All() {
		if s.Kind() != job.ChunkStep {
			continue
		}
		switch {
		case p.streams(s, s.Reader):
			warnings = append(warnings, fmt.Sprintf("step %s reads standard input, which no restart can read again: behind its first commit it has to begin anew", s.Name))
		case p.streams(s, s.Writer):
			warnings = append(warnings, fmt.Sprintf("step %s writes to standard output, which no restart can go on with: behind its first commit it has to begin anew", s.Name))
		}
	}
	return warnings
}

// beginsAnew reports whether an execution ended in a step that has committed something and uses a standard stream.
func (p *prepared) beginsAnew(execution *batch.JobExecution) bool {
	for _, s := range p.job.All() {
		if s.Kind() != job.ChunkStep || !p.streams(s, s.Reader) && !p.streams(s, s.Writer) {
			continue
		}
		if slices.ContainsFunc(execution.Steps, func(e *batch.StepExecution) bool {
			return e.Name == s.Name && e.Status != batch.Completed && e.Total.Commit > 0
		}) {
			return true
		}
	}
	return false
}
