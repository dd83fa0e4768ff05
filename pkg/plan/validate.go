package plan

import (
	"context"
	"errors"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/record"
)

// Validate checks all of a definition that can be known before it runs. Without the parameters that it requires, what
// depends on them is left out. Files and databases that cannot be reached now are warnings: they may be there when the
// job runs.
func (e *Engine) Validate(ctx context.Context, path string, given map[string]string) (warnings []string, err error) {
	j, err := e.load(path)
	if err != nil {
		return nil, err
	}
	p, err := e.prepare(j, given, "")
	if err != nil {
		return e.validateUnbound(j, err)
	}
	if err := p.check(e.Secrets); err != nil {
		return nil, err
	}
	connections := p.readOnlyConnections(ctx)
	defer func() { err = errors.Join(err, connections.close()) }()
	var wrong fault.List
	for _, problem := range e.checkChildren(p) {
		if problem.Class == fault.Environment {
			warnings = append(warnings, problem.Error())
			continue
		}
		wrong.Add(problem)
	}
	warnings = append(warnings, p.job.Warnings()...)
	warnings = append(warnings, p.streamWarnings()...)
	for _, s := range p.job.All() {
		if s.Kind() != job.ChunkStep {
			continue
		}
		maker := p.makerOf(s)
		for _, problem := range p.look(ctx, s, connections) {
			if maker != nil {
				warnings = append(warnings, fmt.Sprintf("step %s: %s; step %s, which makes it, comes first", s.Name, problem, maker.Name))
				continue
			}
			if fault.ClassOf(problem) == fault.Environment {
				warnings = append(warnings, fmt.Sprintf("step %s: %s", s.Name, problem))
				continue
			}
			wrong.Add(problem)
		}
	}
	return warnings, wrong.Err()
}

// validateUnbound checks what does not depend on values that are missing now: required parameters, the environment.
func (e *Engine) validateUnbound(j *job.Job, reason error) ([]string, error) {
	var all fault.List
	all.Add(reason)
	var wrong fault.List
	var warnings []string
	for _, one := range all {
		if one.Code == "missing_parameter" || one.Code == "no_value" {
			warnings = append(warnings, one.Error()+": what depends on it is not checked")
			continue
		}
		wrong.Add(one)
	}
	p := &prepared{job: j, place: j.Place(e.Folder), location: j.Location(e.Local), stdout: e.Stdout}
	p.names = j.Names(&config.World{}) // environment and files may be others when the job runs
	wrong.Add(p.check(e.Secrets))
	return warnings, wrong.Err()
}

// A checker is a writer that can say whether records of a schema can be written, without writing.
type checker interface {
	Check(ctx context.Context, in *record.Schema) error
}

// look asks reader, processors and writer of a step whether they fit together, as far as files and databases are there.
func (p *prepared) look(ctx context.Context, s *job.Step, connections *connections) []error {
	names := shareScope(p.stepNames(s), sampleShare(s))
	env := p.checkEnv(s, names)
	env.Connect = connections.connect
	b := newBuilder(names, env)
	if err := lookAtPartition(ctx, b, s); err != nil {
		return []error{err}
	}
	if !p.resolvable(b, s) {
		return nil
	}
	reader, err := b.reader(s.Reader)
	if err != nil {
		return []error{err}
	}
	defer reader.Close()
	describer, ok := reader.(batch.Describer)
	if !ok {
		return nil
	}
	schema, err := describer.Schema(ctx)
	if err != nil {
		return []error{placed(s.Reader, err)}
	}
	if schema == nil {
		return nil
	}
	return p.lookOn(ctx, b, s, schema)
}

func (p *prepared) lookOn(ctx context.Context, b *builder, s *job.Step, schema *record.Schema) []error {
	chain, err := b.processors(s.Processors)
	if err != nil {
		return []error{err}
	}
	for i, processor := range chain {
		if schema, err = processor.Bind(schema); err != nil {
			return []error{placed(s.Processors[i], err)}
		}
	}
	writer, err := b.writer(s.Writer)
	if err != nil {
		return []error{err}
	}
	defer writer.Close()
	if c, ok := writer.(checker); ok {
		err := c.Check(ctx, schema)
		if err != nil && fault.CodeOf(err) != "SQLITE_CANTOPEN" { // a run makes the file
			return []error{placed(s.Writer, err)}
		}
	}
	return nil
}

// resolvable reports whether every ${...} of a step's reader and writer has a value now: what an earlier step leaves
// behind has none yet.
func (p *prepared) resolvable(b *builder, s *job.Step) bool {
	_, err := b.reader(s.Reader)
	if isLater(err) {
		return false
	}
	_, err = b.writer(s.Writer)
	return !isLater(err)
}
