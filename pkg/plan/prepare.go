package plan

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/job"
)

// prepared is a definition with the parameters of a run: all that can be said before anything is opened.
type prepared struct {
	job        *job.Job // ${...} of its own keys resolved
	place      job.Place
	location   *time.Location
	parameters *job.Parameters
	names      *config.Names // params.*, job.*, and what steps leave behind; upon env.* and file:*
	overrides  Overrides
	ancestors  []string                                  // of a job within a job: the paths of the definitions that it stands in
	onStart    func(execution *batch.JobExecution) error // called when the execution is recorded, before it begins; nil: nobody
	replay     *replaying                                // nil where the job is run
	stdout     io.Writer                                 // for records; nil where it is not theirs
}

// load reads and checks the definition at a path as the user typed it.
func (e *Engine) load(path string) (*job.Job, error) {
	absolute := path
	if !filepath.IsAbs(absolute) {
		absolute = filepath.Join(e.Folder, absolute)
	}
	text, err := e.ReadFile(absolute)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return job.Load(path, text)
}

func unreadable(path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	e := fault.Wrap(fault.Environment, err, "read job definition %s", path).WithCode("unreadable")
	if errors.Is(err, fs.ErrPermission) {
		return e.WithHint("the user that runs batchctl needs the right to read it")
	}
	return e.WithHint("%s", cmp.Or(files.Limit(err), "give the path of a YAML file, relative to the current folder"))
}

// prepareAt loads a definition and prepares it for a run.
func (e *Engine) prepareAt(path string, given map[string]string) (*prepared, error) {
	j, err := e.load(path)
	if err != nil {
		return nil, err
	}
	return e.prepare(j, given, "")
}

// prepare resolves the parameters and the job's own keys. base overrides the folder that relative paths start at where a
// recorded definition is run.
func (e *Engine) prepare(j *job.Job, given map[string]string, base string) (*prepared, error) {
	p := &prepared{job: j, place: j.Place(e.Folder), location: j.Location(e.Local), stdout: e.Stdout}
	if base != "" {
		p.place.Base = base
	}
	world := &config.World{Env: e.Env, File: e.readSecret(p.place.Base), Secrets: e.Secrets}
	var err error
	p.parameters, err = j.Resolve(given, job.Options{
		Now: e.Now(), Location: p.location, Folder: e.Folder, Base: p.place.Base, Scope: world, Secrets: e.Secrets,
	})
	if err != nil {
		return nil, err
	}
	p.names = p.parameters.Into(j.Names(world))
	p.job, err = j.Bind(p.names, p.place.Base, e.Secrets)
	return p, err
}

// readSecret reads the files of ${file:...}, relative ones below base.
func (e *Engine) readSecret(base string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(base, path)
		}
		return e.ReadFile(path)
	}
}

// definition is what is recorded of the job file: without the passwords that stand in it.
func (p *prepared) definition() batch.Definition {
	text := p.job.StoredText()
	return batch.Definition{Path: p.place.Path, Base: p.place.Base, Text: text, Hash: hashOf(text)}
}
