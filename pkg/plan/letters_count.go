package plan

import (
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/job"
	"batchctl/pkg/runner"
)

// LettersLeft says how many dead letters a step of an execution's instance has left behind, and where.
type LettersLeft struct {
	Step  string
	Count int64
	Where string // tables and files, as the definition names them
}

// lettersLeft lists the steps of an execution whose dead letters somebody should look at.
func (a *assembly) lettersLeft() (left []LettersLeft) {
	for _, s := range a.prepared.lettered() {
		for _, step := range a.execution.Steps {
			if step.Name == s.Name && step.Total.Skip() > 0 {
				left = append(left, LettersLeft{Step: s.Name, Count: step.Total.Skip(), Where: a.lettersPlace(s, step)})
				break
			}
		}
	}
	return left
}

// lettersPlace names where a step keeps its dead letters: the table, or the file below the current folder.
func (a *assembly) lettersPlace(s *job.Step, step *batch.StepExecution) string {
	var places []string
	for _, w := range writtenTables(s.DeadLetter.Node) {
		if w.table != "" {
			places = append(places, w.table)
		}
	}
	var share *runner.Share
	switch {
	case a.replay != nil:
		share = replayShare(s)
	case s.Partition != nil:
		share = &runner.Share{Name: "*"} // each share of the step has a file of its own
	}
	names, live := a.stepScope(s, step, share)
	writer, err := newBuilder(names, a.env(s, live)).letters(*s.DeadLetter)
	if err != nil { // it takes more than the name of a share to know the file
		for _, n := range writtenPaths(s.DeadLetter.Node) {
			places = append(places, n.Text())
		}
		return strings.Join(places, ", ")
	}
	defer writer.Close()
	for _, path := range filesOf(writer) {
		places = append(places, a.engine.shown(path))
	}
	return strings.Join(places, ", ")
}

// filesOf returns the paths of the files that a writer writes.
func filesOf(w batch.Writer) (paths []string) {
	if all, ok := w.(batch.Fanout); ok {
		for _, part := range all.Parts() {
			paths = append(paths, filesOf(part)...)
		}
	}
	if file, ok := w.(interface{ Path() string }); ok {
		paths = append(paths, file.Path())
	}
	return paths
}
