package tasklets

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// splitConf is the configuration of the split tasklet.
type splitConf struct {
	Path    config.Paths `yaml:"path,required" help:"files to split, as csv, jsonl or lines; several are taken as one"`
	To      config.Path  `yaml:"to,required" help:"the files that are made: * in the name stands for the number of the part, 0001 and so on, or for the value of by"`
	By      orderList    `yaml:"by" help:"a column: each of its values gets a file of its own, with its rows in their order"`
	Records int64        `yaml:"records" help:"rows of a part"`
	Bytes   config.Size  `yaml:"bytes" help:"size of a part, not compressed, header included; a larger row gets a part of its own"`
	Memory  config.Size  `yaml:"memory" default:"64MiB" help:"with by: how much of the rows is held in memory; the rest is in temporary files beside the parts"`

	Context config.Map[config.Expression] `yaml:"context" help:"name: expression over count, the number of files, put into the job's context"`
	rowsConf
}

// splitTasklet makes many files of one. Begun anew, it makes them again.
type splitTasklet struct {
	conf *splitConf
	env  *catalog.Env
	left *leftovers
}

func newSplit(conf *splitConf, env *catalog.Env) (batch.Tasklet, error) {
	s := &splitTasklet{conf: conf, env: env}
	ways := 0
	for _, there := range []bool{len(conf.By.columns) > 0, conf.Records != 0, conf.Bytes != 0} {
		if there {
			ways++
		}
	}
	to := string(conf.To)
	switch {
	case ways > 1 || ways == 0 && env.After != nil: // while checking, the one may not be known yet
		return nil, fault.New(fault.Definition, "tasklet split: one of by, records and bytes says where to split")
	case conf.Records < 0 || conf.Bytes < 0 || conf.Memory < minMemory:
		return nil, fault.New(fault.Definition, "tasklet split: records and bytes have to be more than nothing, memory 64KiB at least")
	case len(conf.By.columns) > 1:
		return nil, conf.By.columns[1].node.Errorf("tasklet split: by is one column")
	case to != "" && strings.Count(filepath.Base(to), "*") != 1 || strings.Contains(filepath.Dir(to), "*"):
		return nil, fault.New(fault.Definition, "tasklet split: to needs one * in the file's name, for the number or the value").WithHint("to: out/orders-*.csv")
	}
	var err error
	if s.left, err = newLeftovers(conf.Context, env, record.Field{Name: "count", Kind: record.Int}); err != nil {
		return nil, err
	}
	_, err = newTable(&conf.rowsConf, conf.By, firstOf(conf.Path), env)
	return s, err
}

// Run splits. The files get their names when all of them are complete.
func (s *splitTasklet) Run(ctx context.Context, c *batch.Contribution) (err error) {
	t, err := newTable(&s.conf.rowsConf, s.conf.By, firstOf(s.conf.Path), s.env)
	if err != nil {
		return err
	}
	if t.kind == "lines" && len(t.order) > 0 {
		return t.order[0].node.Errorf("tasklet split: lines have no columns to split by").WithHint("split them by records or bytes")
	}
	paths, err := findRows(s.env, s.conf.Path, s.conf.To)
	if err != nil {
		return err
	}
	p := &parts{t: t, conf: s.conf, of: paths, used: map[string]bool{}}
	if len(t.order) > 0 {
		err = p.byValue(ctx, paths)
	} else {
		err = p.bySize(ctx, paths)
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return errors.Join(err, p.discard())
	}
	c.Counters.Read, c.Counters.Write = p.rows, p.rows
	if err := publish(p.done); err != nil {
		return err
	}
	return s.left.leave(c, record.OfInt(int64(len(p.done))))
}

// parts are the files that are made. One of them is open at a time.
type parts struct {
	t    *table
	conf *splitConf
	of   []string // the files that are split
	open *rowWriter
	done []made
	rows int64
	last record.Value    // the value of by that the open part is of
	used map[string]bool // names that values have given to parts
}

func (p *parts) begin(name string) error {
	if err := p.end(); err != nil {
		return err
	}
	to := string(p.conf.To)
	path := filepath.Join(filepath.Dir(to), strings.Replace(filepath.Base(to), "*", name, 1))
	if slices.Contains(p.of, path) { // a restart would split that part
		return fault.New(fault.Definition, "%s would be replaced by a part of it", relative(p.t.env.Base, path)).
			WithHint("put the parts into a folder of their own: to: parts/%s", filepath.Base(to))
	}
	var err error
	p.open, err = p.t.create(path, p.t.head())
	return err
}

// end completes the part that is open.
func (p *parts) end() error {
	if p.open == nil {
		return nil
	}
	mark, err := p.open.finish()
	if err != nil {
		return err
	}
	p.done = append(p.done, made{p.open.output, mark})
	p.rows += p.open.rows
	p.open = nil
	return nil
}

func (p *parts) discard() error {
	err := discard(p.done)
	if p.open != nil {
		err = errors.Join(err, p.open.partial.Discard())
	}
	return err
}

// bySize begins a part where the one before is full.
func (p *parts) bySize(ctx context.Context, paths []string) error {
	if err := p.t.readHead(paths); err != nil {
		return err
	}
	next := func() error { return p.begin(fmt.Sprintf("%04d", len(p.done)+1)) }
	full := func(raw string) bool {
		if p.conf.Records > 0 {
			return p.open.rows >= p.conf.Records
		}
		return p.open.rows > 0 && p.open.size+int64(len(raw))+1 > int64(p.conf.Bytes)
	}
	for _, path := range paths {
		err := p.t.handFile(ctx, path, func(raw string, _ []record.Value) error {
			switch {
			case p.open == nil:
				if err := next(); err != nil {
					return err
				}
			case full(raw):
				if err := p.end(); err != nil {
					return err
				}
				if err := next(); err != nil {
					return err
				}
			}
			return p.open.row(raw)
		})
		if err != nil {
			return err
		}
	}
	if p.open == nil { // without any row there is one part, with what a header there is
		return next()
	}
	return nil
}

// byValue sorts by the column first, so that one part is written at a time, however many there are.
func (p *parts) byValue(ctx context.Context, paths []string) error {
	s := &sorter{runs: runs{t: p.t, folder: filepath.Dir(string(p.conf.To))}, limit: int64(p.conf.Memory)}
	defer s.close()
	for _, path := range paths {
		if err := s.addFile(ctx, path); err != nil {
			return err
		}
	}
	return s.hand(ctx, func(raw string, keys []record.Value) error {
		if p.open == nil || compareKeys(p.last, keys[0]) != 0 {
			name, err := nameOf(keys[0])
			if err == nil && p.used[name] {
				err = fault.New(fault.Validation, "two values of %s have the same file's name, %s", p.t.order[0].name, name).
					WithHint("give the column one type: columns: {%s: text}", p.t.order[0].name)
			}
			if err != nil {
				return err
			}
			p.used[name] = true
			p.last = keys[0].Clone()
			if err := p.begin(name); err != nil {
				return err
			}
		}
		return p.open.row(raw)
	})
}

// maxNameOf is how many bytes of a file's name may come from a value.
const maxNameOf = 150

// nameOf returns a value as a part of a file's name: what is neither letter nor digit is written %20. Null is "null" and a
// text of nothing "empty"; texts that would be taken for these are written with %.
func nameOf(v record.Value) (string, error) {
	text := string(v.AppendCanonical(nil))
	switch {
	case v.IsNull():
		return "null", nil
	case text == "":
		return "empty", nil
	}
	var b strings.Builder
	for i, r := range text {
		plain := unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' || r == '.' && i > 0
		if plain && text != "null" && text != "empty" {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() > maxNameOf {
		return "", fault.New(fault.Validation, "%.60q is too long for a file's name", text).WithHint("split by a shorter column")
	}
	return b.String(), nil
}
