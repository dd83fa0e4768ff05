package plan

import (
	"path/filepath"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/job"
)

// fedBy returns the file, or the table, that a step reads and an earlier one writes.
func (p *prepared) fedBy(earlier, step *job.Step) (path string, table writtenTable) {
	written := paths(p.stepNames(earlier), p.place.Base, earlier.Writer.Node)
	for _, pattern := range paths(p.stepNames(step), p.place.Base, step.Reader.Node) {
		if pattern == standardStream {
			continue
		}
		for _, path := range written {
			if matched, err := filepath.Match(pattern, path); path == pattern || err == nil && matched {
				return path, writtenTable{}
			}
		}
	}
	query, ok := step.Reader.Body.Get("query")
	if !ok {
		return "", writtenTable{}
	}
	from, _ := step.Reader.Body.Get("connection")
	for _, w := range writtenTables(earlier.Writer.Node) {
		source, known := p.database(from.Text())
		target, alsoKnown := p.database(w.connection)
		if known && alsoKnown && source.DSN == target.DSN && w.table != "" && mentions(query.Text(), w.table) {
			return "", w
		}
	}
	return "", writtenTable{}
}

// stepNames is what the components of a step know before it runs.
func (p *prepared) stepNames(s *job.Step) *config.Names {
	names := job.StepNames(s.Name, p.names)
	if s.Partition != nil {
		return job.PartitionNames(names)
	}
	return names
}

// makerOf returns an earlier step that makes what a step reads, or the table that it writes into; nil where there is
// none. Until that one has run, nothing can be said about it.
func (p *prepared) makerOf(step *job.Step) *job.Step {
	for _, earlier := range p.job.All() {
		if earlier == step {
			return nil
		}
		if path, table := p.fedBy(earlier, step); path != "" || table.created {
			return earlier
		}
		for _, made := range writtenTables(earlier.Writer.Node) {
			if made.created && writesInto(step, made) {
				return earlier
			}
		}
	}
	return nil
}

func writesInto(s *job.Step, table writtenTable) bool {
	for _, w := range writtenTables(s.Writer.Node) {
		if w.connection == table.connection && w.table == table.table {
			return true
		}
	}
	return false
}

// paths are the absolute paths, or patterns of them, that stand in a component's definition, also within nested ones.
func paths(names config.Scope, base string, n config.Node) []string {
	var found []string
	for pair := range n.Nested() {
		if pair.Name != "path" {
			continue
		}
		for _, item := range pair.Value.OneOrMore() {
			var path config.Path
			if err := (&config.Decoder{Scope: names, Base: base}).Decode(item, &path); err == nil {
				found = append(found, string(path))
			}
		}
	}
	return found
}

// target names where a step writes to, for people.
func target(names config.Scope, base string, s *job.Step) string {
	targets := paths(names, base, s.Writer.Node)
	for _, w := range writtenTables(s.Writer.Node) {
		name := w.connection
		if w.table != "" {
			name = "table " + w.table + " of " + w.connection
		}
		targets = append(targets, name)
	}
	return strings.Join(targets, ", ")
}
