package tasklets

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// sortConf is the configuration of the sort tasklet.
type sortConf struct {
	Path   config.Paths `yaml:"path,required" help:"files to sort, as csv, jsonl or lines; several become one"`
	To     config.Path  `yaml:"to,required" help:"the sorted file; it may be the one that is sorted"`
	By     orderList    `yaml:"by" help:"columns in their order, each with desc behind it where it descends: [seller_id, amount desc]; lines are sorted by their text without it"`
	Unique bool         `yaml:"unique" default:"false" help:"of rows with the same values in by, keep the first"`
	Memory config.Size  `yaml:"memory" default:"64MiB" help:"how much of the rows is held in memory; the rest is in temporary files beside the sorted one"`
	rowsConf
}

// minMemory is the least memory to sort with.
const minMemory = 64 << 10

// sortTasklet sorts files: parts in memory, which are merged. Begun anew, it sorts again.
type sortTasklet struct {
	conf *sortConf
	env  *catalog.Env
}

func newSort(conf *sortConf, env *catalog.Env) (batch.Tasklet, error) {
	t, err := newTable(&conf.rowsConf, conf.By, firstOf(conf.Path), env)
	switch {
	case err != nil:
		return nil, err
	case conf.Memory < minMemory:
		return nil, fault.New(fault.Definition, "tasklet sort: memory has to be 64KiB at least")
	case len(t.order) == 0 && t.kind != "lines" && t.kind != "":
		return nil, fault.New(fault.Definition, "tasklet sort: by says which columns to sort by").WithHint("add by: [id], or by: [seller_id, amount desc]")
	}
	return &sortTasklet{conf, env}, nil
}

func firstOf(paths config.Paths) string {
	if len(paths) == 0 {
		return ""
	}
	return string(paths[0])
}

// byLine is the order of lines where nothing says another one.
func byLine(t *table) {
	if t.kind == "lines" && len(t.order) == 0 {
		t.order = []orderColumn{{name: "line", kind: record.Text}}
	}
}

func (t *table) orderText() string {
	var parts []string
	for _, c := range t.order {
		if c.desc {
			parts = append(parts, c.name+" desc")
		} else {
			parts = append(parts, c.name)
		}
	}
	return strings.Join(parts, ", ")
}

// Run sorts.
func (s *sortTasklet) Run(ctx context.Context, c *batch.Contribution) error {
	t, err := newTable(&s.conf.rowsConf, s.conf.By, firstOf(s.conf.Path), s.env)
	if err != nil {
		return err
	}
	byLine(t)
	paths, err := findRows(s.env, s.conf.Path, s.conf.To)
	if err == nil && !s.conf.Unique {
		err = t.apart(s.conf.To, paths)
	}
	if err != nil {
		return err
	}
	sorter := &sorter{runs: runs{t: t, folder: filepath.Dir(string(s.conf.To))}, limit: int64(s.conf.Memory)}
	defer sorter.close()
	for _, path := range paths {
		if err := sorter.addFile(ctx, path); err != nil {
			return err
		}
	}
	c.Counters.Read = sorter.rows
	w, err := t.create(string(s.conf.To), t.head())
	if err != nil {
		return err
	}
	to := w.sink()
	if s.conf.Unique {
		to = firstOnly(t, to)
	}
	if err := sorter.hand(ctx, to); err != nil {
		return errors.Join(err, w.partial.Discard())
	}
	c.Counters.Write, c.Counters.Filter = w.rows, sorter.rows-w.rows
	return w.publish()
}

// sink writes rows.
func (w *rowWriter) sink() sink {
	return func(raw string, _ []record.Value) error { return w.row(raw) }
}

// publish gives the file its name.
func (w *rowWriter) publish() error {
	mark, err := w.finish()
	if err != nil {
		return errors.Join(err, w.partial.Discard())
	}
	return publish([]made{{w.output, mark}})
}

// firstOnly lets the first of rows with the same keys through.
func firstOnly(t *table, to sink) sink {
	var last []record.Value
	return func(raw string, keys []record.Value) error {
		if last != nil && t.compare(last, keys) == 0 {
			return nil
		}
		last = last[:0]
		for _, k := range keys {
			last = append(last, k.Clone())
		}
		return to(raw, keys)
	}
}

// findRows returns the files that paths stand for, in order. What is made is no input, also where a pattern matches it: a
// restart may find it there. to may be a pattern, too.
func findRows(env *catalog.Env, paths config.Paths, to config.Path) ([]string, error) {
	var all []string
	for _, p := range paths {
		found, err := findAll(env, config.Paths{p}, false)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			made, _ := filepath.Match(filepath.Clean(string(to)), path)
			if !(made && files.IsPattern(string(p))) && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Environment, "no file matches %s but what is made", relative(env.Base, firstOf(paths))).WithCode(noSuchFile)
	}
	return all, nil
}

// apart refuses a result that is made of itself and others: a restart would read the others' rows in it, and once more.
func (t *table) apart(to config.Path, paths []string) error {
	if len(paths) < 2 || !slices.Contains(paths, filepath.Clean(string(to))) {
		return nil
	}
	return fault.New(fault.Definition, "%s is one of the files that it would be made of: a restart could put the others' rows into it twice",
		relative(t.env.Base, string(to))).WithHint("make a file of another name, and move it in a step behind")
}

// sorter holds rows in memory up to a limit, and writes them, sorted, to a run then.
type sorter struct {
	runs
	limit int64
	rows  int64

	arena record.Arena
	held  []heldRow
	keys  []record.Value // of all rows held, one after the other
	used  int64
}

// heldRow is a row in memory: its text, and its place among the keys.
type heldRow struct {
	raw string
	at  int
}

// Bytes of memory that a row and a key take beside their texts.
const (
	rowBytes = 24
	keyBytes = 40
)

func (s *sorter) addFile(ctx context.Context, path string) (err error) {
	r, err := s.t.open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	n := len(s.t.order)
	for {
		if s.rows%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at := len(s.keys)
		s.keys = slices.Grow(s.keys, n)[:at+n]
		raw, err := r.next(&s.arena, s.keys[at:])
		if err != nil {
			s.keys = s.keys[:at]
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		s.rows++
		s.held = append(s.held, heldRow{raw, at})
		if s.used += int64(len(raw) + rowBytes + n*keyBytes); s.used >= s.limit {
			if err := s.spill(ctx); err != nil {
				return err
			}
		}
	}
}

// sortHeld sorts the rows in memory; equal ones stay in their order.
func (s *sorter) sortHeld() {
	n := len(s.t.order)
	slices.SortStableFunc(s.held, func(a, b heldRow) int {
		return s.t.compare(s.keys[a.at:a.at+n], s.keys[b.at:b.at+n])
	})
}

func (s *sorter) handHeld(to sink) error {
	n := len(s.t.order)
	for _, row := range s.held {
		if err := to(row.raw, s.keys[row.at:row.at+n]); err != nil {
			return err
		}
	}
	return nil
}

// spill writes the rows in memory to a run, and forgets them.
func (s *sorter) spill(ctx context.Context) error {
	s.sortHeld()
	if err := s.write(ctx, s.handHeld); err != nil {
		return err
	}
	s.held, s.keys, s.used = s.held[:0], s.keys[:0], 0
	s.arena.Reset()
	return nil
}

// hand hands all rows to a sink, in their order.
func (s *sorter) hand(ctx context.Context, to sink) error {
	if len(s.all) == 0 {
		s.sortHeld()
		return s.handHeld(to)
	}
	if len(s.held) > 0 {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	s.held, s.keys, s.arena = nil, nil, record.Arena{}
	return s.merge(ctx, to)
}
