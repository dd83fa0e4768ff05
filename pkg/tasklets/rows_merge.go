package tasklets

import (
	"bufio"
	"container/heap"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// maxOpen is how many files of rows are read at once.
const maxOpen = 64

// sink takes rows in their order. Both are valid during the call.
type sink func(raw string, keys []record.Value) error

// source is a file of sorted rows that is being merged.
type source struct {
	rows  *rowReader
	index int // its place among the others: rows with the same keys stay in this order
	raw   string
	keys  []record.Value
	other []record.Value // the keys of the row before
	arena record.Arena   // of raw and keys
	spare record.Arena   // of other
	begun bool
}

// advance reads the next row, and refuses one that is not in order.
func (s *source) advance() error {
	s.arena, s.spare = s.spare, s.arena
	s.keys, s.other = s.other, s.keys
	s.arena.Reset()
	var err error
	if s.raw, err = s.rows.next(&s.arena, s.keys); err != nil {
		return err
	}
	if s.begun && s.rows.t.compare(s.other, s.keys) > 0 {
		return s.rows.bad("the rows are not sorted by %s", s.rows.t.orderText()).WithHint("sort the file first: tasklet sort")
	}
	s.begun = true
	return nil
}

// sources are the heap of files that are merged, the one with the smallest row first.
type sources []*source

func (s sources) Len() int      { return len(s) }
func (s sources) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s sources) Less(i, j int) bool {
	if order := s[i].rows.t.compare(s[i].keys, s[j].keys); order != 0 {
		return order < 0
	}
	return s[i].index < s[j].index
}

func (s *sources) Push(x any) { *s = append(*s, x.(*source)) }

func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// mergeRows hands the rows of sorted files to a sink, in their order. It closes the files.
func (t *table) mergeRows(ctx context.Context, all []*rowReader, to sink) (err error) {
	defer func() {
		for _, r := range all {
			err = errors.Join(err, r.close())
		}
	}()
	var open sources
	for i, r := range all {
		s := &source{rows: r, index: i, keys: make([]record.Value, len(t.order)), other: make([]record.Value, len(t.order))}
		switch err := s.advance(); {
		case err == nil:
			open = append(open, s)
		case err != io.EOF:
			return err
		}
	}
	heap.Init(&open)
	for n := 0; len(open) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		first := open[0]
		if err := to(first.raw, first.keys); err != nil {
			return err
		}
		switch err := first.advance(); {
		case err == nil:
			heap.Fix(&open, 0)
		case err == io.EOF:
			heap.Pop(&open)
		default:
			return err
		}
	}
	return nil
}

// run is a temporary file of sorted rows.
type run struct {
	file  *os.File
	level int // how often its rows were merged
}

// runs are temporary files of sorted rows, each of rows that stood before those of the next; no more of them than can be open
// at once, and of levels that never rise. They have no names: whatever becomes of the process, nothing is left of them.
type runs struct {
	t      *table
	folder string
	all    []run
}

// write makes a run of what fill hands out. Where there are as many runs as can be open, the last ones are merged first.
func (r *runs) write(ctx context.Context, fill func(to sink) error) error {
	if len(r.all) == maxOpen {
		if err := r.shorten(ctx); err != nil {
			return err
		}
	}
	return r.add(0, fill)
}

func (r *runs) add(level int, fill func(to sink) error) error {
	if err := files.MakeFolder(r.t.env.Disk, r.folder); err != nil {
		return err
	}
	file, err := os.CreateTemp(r.folder, ".batchctl-*.run")
	if err != nil {
		return files.Trouble("make a temporary file in", r.folder, err)
	}
	unlinkErr := os.Remove(file.Name())
	r.all = append(r.all, run{file, level})
	if unlinkErr != nil {
		return files.Trouble("remove the name of", file.Name(), unlinkErr)
	}
	if err := fillRun(file, fill); err != nil {
		return trouble("write a temporary file in", r.folder, err)
	}
	return nil
}

// fillRun writes rows so that they are read again as they are: of a byte order mark at the beginning of a file, and of a carriage
// return at the end of a line, readers take one away.
func fillRun(file *os.File, fill func(to sink) error) error {
	out := bufio.NewWriterSize(file, 256<<10)
	if _, err := out.WriteString("\ufeff"); err != nil {
		return err
	}
	err := fill(func(raw string, _ []record.Value) error {
		if _, err := out.WriteString(raw); err != nil {
			return err
		}
		_, err := out.WriteString("\r\n")
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// fewest is how many runs are merged to make room, at least: merging fewer would mean to merge the same rows too often.
const fewest = 8

// shorten merges the last runs into one: those of the lowest level, since they are the smallest, and where these are few, of
// the next level, too. With two thousand runs a row is merged once, and with four million twice, before the end.
func (r *runs) shorten(ctx context.Context) error {
	from := len(r.all) - 1
	level := r.all[from].level
	for from > 0 && (r.all[from-1].level == level || len(r.all)-from < fewest) {
		from--
		level = r.all[from].level
	}
	merged := slices.Clone(r.all[from:])
	defer closeAll(merged)
	r.all = r.all[:from]
	return r.add(level+1, func(to sink) error { return r.mergeAll(ctx, merged, to) })
}

// merge hands the rows of all runs to a sink.
func (r *runs) merge(ctx context.Context, to sink) error { return r.mergeAll(ctx, r.all, to) }

func (r *runs) mergeAll(ctx context.Context, all []run, to sink) error {
	var rows []*rowReader
	for _, one := range all {
		reader, err := r.t.openRun(one.file)
		if err != nil {
			return err
		}
		rows = append(rows, reader)
	}
	return r.t.mergeRows(ctx, rows, to)
}

func (r *runs) close() { closeAll(r.all) }

// closeAll closes temporary files, whose rows nobody needs any more.
func closeAll(all []run) {
	for _, one := range all {
		_ = one.file.Close()
	}
}
