package tasklets

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// filesConf is the configuration of the files tasklet.
type filesConf struct {
	Exists   config.Paths  `yaml:"exists" help:"files, or patterns, that have to be there"`
	Copy     config.Paths  `yaml:"copy" help:"files to copy"`
	Move     config.Paths  `yaml:"move" help:"files to move or rename, also to another file system"`
	Delete   config.Paths  `yaml:"delete" help:"files to delete; it is no error where there are none"`
	Archive  config.Paths  `yaml:"archive" help:"files, and folders with all that is in them, to put into one file"`
	Unpack   config.Paths  `yaml:"unpack" help:"archives and compressed files to unpack: zip, tar, gzip, zstd, bzip2, known by their content"`
	Checksum *checksumConf `yaml:"checksum" help:"checksums of files to verify or to write"`

	To        config.Path `yaml:"to" help:"of copy, move, archive, unpack: a file, or a folder, whose name then ends with a slash; folders that are missing are made. An archive's name says its kind: .zip, .tar, .tar.gz, .tgz, .tar.zst, .gz, .zst"`
	Overwrite bool        `yaml:"overwrite" default:"true" help:"replace files that are there; false: fail"`
	OnMissing string      `yaml:"on_missing" default:"fail" enum:"fail|skip" help:"of copy, move, archive, unpack, checksum: what to do where there is no such file, or a pattern matches none"`

	Wait   config.Duration `yaml:"wait" help:"of exists: how long to wait for the files; without it they have to be there at once"`
	Poll   config.Duration `yaml:"poll" default:"5s" help:"of exists: how often to look"`
	MinAge config.Duration `yaml:"min_age" help:"of exists: a file counts when it has not been changed for so long"`
	Stable config.Duration `yaml:"stable" help:"of exists: a file counts when its size and time stay the same for so long while we look"`

	MaxExpansion int `yaml:"max_expansion" default:"200" help:"of unpack: an archive that expands to more than so many times its size, and to more than 64 MiB, is refused; 0: never"`

	Context config.Map[config.Expression] `yaml:"context" help:"name: expression over count and bytes of the files, and the path of the first one, put into the job's context"`
}

// filesVerb is something that a files tasklet can do.
type filesVerb struct {
	name  string // its key
	there bool
	to    bool // it needs to
}

func (c *filesConf) verbs() []filesVerb {
	return []filesVerb{
		{"exists", c.Exists != nil, false}, {"copy", c.Copy != nil, true}, {"move", c.Move != nil, true}, {"delete", c.Delete != nil, false},
		{"archive", c.Archive != nil, true}, {"unpack", c.Unpack != nil, true}, {"checksum", c.Checksum != nil, false},
	}
}

// filesTasklet does one thing with files. Begun anew, it comes to the same end.
type filesTasklet struct {
	conf *filesConf
	env  *catalog.Env
	verb string
	left *leftovers
}

func newFiles(conf *filesConf, env *catalog.Env) (batch.Tasklet, error) {
	f := &filesTasklet{conf: conf, env: env}
	var err error
	for _, v := range conf.verbs() {
		switch {
		case !v.there:
			continue
		case f.verb != "":
			return nil, fault.New(fault.Definition, "tasklet files: %s and %s are two things", f.verb, v.name).WithHint("make two steps of them")
		case !v.to && conf.To != "":
			return nil, fault.New(fault.Definition, "tasklet files: %s goes nowhere; remove to", v.name)
		case v.to && conf.To == "" && env.After != nil: // what is known while checking may be missing only for now
			return nil, fault.New(fault.Definition, "tasklet files: %s needs to: where to put the files", v.name)
		}
		f.verb = v.name
	}
	left, err := newLeftovers(conf.Context, env, record.Field{Name: "count", Kind: record.Int}, record.Field{Name: "bytes", Kind: record.Int},
		record.Field{Name: "path", Kind: record.Text})
	f.left = left
	if err != nil {
		return nil, err
	}
	return f, f.check()
}

func (f *filesTasklet) check() error {
	c := f.conf
	switch {
	case c.Poll <= 0:
		return fault.New(fault.Definition, "tasklet files: poll has to be more than nothing")
	case c.Stable > 0 && c.Wait <= c.Stable:
		return fault.New(fault.Definition, "tasklet files: stable: %s needs a longer wait", shown(c.Stable)).
			WithHint("wait is how long to look at all: wait: 10m")
	case c.MaxExpansion < 0:
		return fault.New(fault.Definition, "tasklet files: max_expansion is negative")
	case f.verb == "" && f.env.After != nil:
		return fault.New(fault.Definition, "tasklet files: there is nothing to do").
			WithHint("add one of exists, copy, move, delete, archive, unpack, checksum")
	case c.Checksum != nil:
		return c.Checksum.check(f.env.After != nil)
	}
	return nil
}

// done is what was done with how many files.
type done struct {
	count int
	bytes int64
	path  string // of the first
}

func (d *done) add(path string, size int64) {
	if d.count == 0 {
		d.path = path
	}
	d.count++
	d.bytes += size
}

// Run does it.
func (f *filesTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	var d done
	var err error
	switch f.verb {
	case "exists":
		err = f.await(ctx, &d)
	case "copy":
		err = f.copy(ctx, &d)
	case "move":
		err = f.move(ctx, c, &d)
	case "delete":
		err = f.delete(ctx, &d)
	case "archive":
		err = f.archive(ctx, &d)
	case "unpack":
		err = f.unpack(ctx, &d)
	case "checksum":
		err = f.checksum(ctx, &d)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Environment, err, "").WithCode("exists").WithHint("move it away, or leave overwrite: false out")
	case err != nil:
		return err
	}
	return f.left.leave(c, record.OfInt(int64(d.count)), record.OfInt(d.bytes), record.OfText(d.path))
}

// find returns the files that paths and patterns stand for, each once.
func (f *filesTasklet) find(paths config.Paths) ([]string, error) {
	all, err := findAll(f.env, paths, f.conf.OnMissing == "skip" || f.verb == "delete")
	if fault.CodeOf(err) == noSuchFile {
		err = fault.Wrap(fault.Environment, err, "").WithHint("%s; on_missing: skip goes on without", fault.HintOf(err))
	}
	return all, err
}

// findAll returns the files that paths and patterns stand for, each once. That there are none for one of them is an error,
// unless that is to be passed over.
func findAll(env *catalog.Env, paths config.Paths, skip bool) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	for _, p := range paths {
		name := relative(env.Base, string(p))
		found, err := files.Find(string(p))
		switch {
		case err != nil && !(skip && errors.Is(err, fs.ErrNotExist)):
			return nil, trouble("find", name, err)
		case len(found) == 0 && !skip:
			return nil, fault.New(fault.Environment, "no file matches %s", name).WithCode(noSuchFile).WithHint(fromBase)
		}
		for _, path := range found {
			if path = filepath.Clean(path); !seen[path] {
				seen[path] = true
				all = append(all, path)
			}
		}
	}
	return all, nil
}

// name is what a path is called in messages.
func (f *filesTasklet) name(path string) string { return relative(f.env.Base, path) }

// output is a file that the tasklet makes.
func (f *filesTasklet) output(path string) files.Output {
	return output(f.env, path, f.conf.Overwrite)
}

// output is a file that a tasklet makes. It has no epoch: it is always begun anew.
func output(env *catalog.Env, path string, replace bool) files.Output {
	return files.Output{Path: path, Owner: env.Instance, Epoch: 1, Adopt: env.Adopt, Replace: replace, Disk: env.Disk}
}

// isFolder reports whether a path was written as that of a folder.
func isFolder(path config.Path) bool { return strings.HasSuffix(string(path), "/") }
