package plan

import (
	"path/filepath"
	"regexp"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
)

// checkConflicts looks for steps whose writer disturbs their own reader: a query without a key cannot find its place
// again in a table that the step changes, and a SQLite file that keeps its rollback journal has no readers while it is
// written.
func (p *prepared) checkConflicts(s *job.Step) error {
	query, ok := s.Reader.Body.Get("query")
	if !ok {
		return p.checkSameFile(s)
	}
	from, _ := s.Reader.Body.Get("connection")
	_, keyed := s.Reader.Body.Get("keyset")
	_, paged := s.Reader.Body.Get("page")
	var wrong fault.List
	for _, w := range writtenTables(s.Writer.Node) {
		source, known := p.database(from.Text())
		target, alsoKnown := p.database(w.connection)
		if !known || !alsoKnown || source.Driver != target.Driver || source.DSN != target.DSN {
			continue
		}
		if !keyed && w.table != "" && mentions(query.Text(), w.table) {
			wrong.Add(query.Errorf("the query reads table %s, which this step writes: a restart could not find its place again", w.table).
				WithCode("reads_what_it_writes").WithHint("add keyset: with columns of the result that are unique together and never null"))
		}
		if source.Driver == "sqlite" && source.Journal == "keep" && !paged {
			wrong.Add(query.Errorf("the query stays open while the step writes into the same file, which journal: keep does not allow").
				WithCode("reads_what_it_writes").WithHint("add page: 1000 with a keyset, or leave journal out so that the file goes to write-ahead logging"))
		}
	}
	return wrong.Err()
}

// checkSameFile refuses a step that writes one of the files it reads: once the file is published a restart could not read
// what was there, and the next run would read what this one wrote.
func (p *prepared) checkSameFile(s *job.Step) error {
	names := p.stepNames(s)
	node, ok := s.Reader.Body.Get("path")
	if !ok {
		return nil
	}
	written := paths(names, p.place.Base, s.Writer.Node)
	if s.DeadLetter != nil {
		written = append(written, paths(names, p.place.Base, s.DeadLetter.Node)...)
	}
	for _, pattern := range paths(names, p.place.Base, s.Reader.Node) {
		for _, path := range written {
			if matched, err := filepath.Match(pattern, path); pattern != standardStream && (path == pattern || err == nil && matched) {
				return node.Errorf("the step reads %s, which it also writes", path).WithCode("reads_what_it_writes").
					WithHint("write another file, in another folder where path is a pattern; a later step or command may move it")
			}
		}
	}
	return nil
}

func (p *prepared) database(connection string) (job.Connection, bool) {
	return p.job.Connections.Get(connection)
}

type writtenTable struct {
	connection, table string
	created           bool // made where there is none
}

// writtenTables finds the database writers in a writer's definition, also those within another writer.
func writtenTables(n config.Node) []writtenTable {
	var found []writtenTable
	if connection, ok := n.Get("connection"); ok {
		table, _ := n.Get("table")
		create, _ := n.Get("create")
		found = append(found, writtenTable{connection.Text(), table.Text(), create.Text() == "true"})
	}
	for _, pair := range n.Pairs() {
		found = append(found, writtenTables(pair.Value)...)
	}
	for _, item := range n.Items() {
		found = append(found, writtenTables(item)...)
	}
	return found
}

// mentions reports whether a query names a table: as a word of its own, whatever the case.
func mentions(query, table string) bool {
	word, err := regexp.Compile(`(?i)(^|[^\pL\pN_$])` + regexp.QuoteMeta(table) + `($|[^\pL\pN_$])`)
	return err == nil && word.MatchString(query)
}
