package tasklets

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/record"
)

// mergeConf is the configuration of the merge tasklet.
type mergeConf struct {
	Path config.Paths `yaml:"path,required" help:"files to put together, as csv, jsonl or lines; those of a pattern by name"`
	To   config.Path  `yaml:"to,required" help:"the file that is made"`
	By   orderList    `yaml:"by" help:"columns that each of the files is sorted by, and that the result is then sorted by; without it one file follows the other"`
	rowsConf
}

// mergeTasklet puts files together. Begun anew, it does it again.
type mergeTasklet struct {
	conf *mergeConf
	env  *catalog.Env
}

func newMerge(conf *mergeConf, env *catalog.Env) (batch.Tasklet, error) {
	_, err := newTable(&conf.rowsConf, conf.By, firstOf(conf.Path), env)
	return &mergeTasklet{conf, env}, err
}

// Run merges.
func (m *mergeTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	t, err := newTable(&m.conf.rowsConf, m.conf.By, firstOf(m.conf.Path), m.env)
	if err != nil {
		return err
	}
	paths, err := findRows(m.env, m.conf.Path, m.conf.To)
	if err == nil {
		err = t.apart(m.conf.To, paths)
	}
	if err != nil {
		return err
	}
	merged := runs{t: t, folder: filepath.Dir(string(m.conf.To))}
	defer merged.close()
	if len(t.order) > 0 {
		for len(paths) > maxOpen {
			if err := merged.mergeFiles(ctx, paths[:maxOpen]); err != nil {
				return err
			}
			paths = paths[maxOpen:]
		}
	}
	if err := t.readHead(paths); err != nil {
		return err
	}
	w, err := t.create(string(m.conf.To), t.head())
	if err != nil {
		return err
	}
	if err := m.join(ctx, &merged, paths, w.sink()); err != nil {
		return errors.Join(err, w.partial.Discard())
	}
	c.Counters.Read, c.Counters.Write = w.rows, w.rows
	return w.publish()
}

// join hands the rows of runs and files to a sink.
func (m *mergeTasklet) join(ctx context.Context, merged *runs, paths []string, to sink) error {
	t := merged.t
	switch {
	case len(t.order) == 0:
		for _, path := range paths {
			if err := t.handFile(ctx, path, to); err != nil {
				return err
			}
		}
		return nil
	case len(merged.all) > 0:
		if err := merged.mergeFiles(ctx, paths); err != nil {
			return err
		}
		return merged.merge(ctx, to)
	}
	return t.mergePaths(ctx, paths, to)
}

// mergePaths hands the rows of some sorted files to a sink, in their order.
func (t *table) mergePaths(ctx context.Context, paths []string, to sink) error {
	all, err := t.openFiles(paths)
	if err != nil {
		return err
	}
	return t.mergeRows(ctx, all, to)
}

// readHead reads the header of the first file that has one.
func (t *table) readHead(paths []string) error {
	for _, path := range paths {
		if t.first != nil {
			return nil
		}
		r, err := t.open(path)
		if err != nil {
			return err
		}
		if err := r.close(); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) openFiles(paths []string) (all []*rowReader, err error) {
	for _, path := range paths {
		r, err := t.open(path)
		if err != nil {
			for _, open := range all {
				err = errors.Join(err, open.close())
			}
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// mergeFiles makes a run of some sorted files.
func (r *runs) mergeFiles(ctx context.Context, paths []string) error {
	return r.write(ctx, func(to sink) error { return r.t.mergePaths(ctx, paths, to) })
}

// handFile hands the rows of a file to a sink as they come.
func (t *table) handFile(ctx context.Context, path string, to sink) (err error) {
	r, err := t.open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	keys := make([]record.Value, len(t.order))
	var arena record.Arena
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		arena.Reset()
		raw, err := r.next(&arena, keys)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := to(raw, keys); err != nil {
			return err
		}
	}
}
