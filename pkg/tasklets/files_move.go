package tasklets

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// transfer is a file on its way.
type transfer struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// transfers finds out where each file goes: into the folder to, where that is one, or where there may be several files; else
// to is the file.
func (f *filesTasklet) transfers(paths config.Paths) ([]transfer, error) {
	from, err := f.find(paths)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(string(f.conf.To))
	folder := isFolder(f.conf.To) || err == nil && info.IsDir() || len(paths) != 1 || files.IsPattern(string(paths[0]))
	var all []transfer
	taken := map[string]string{}
	for _, path := range from {
		to := filepath.Clean(string(f.conf.To))
		if folder {
			to = filepath.Join(to, filepath.Base(path))
		}
		if other, twice := taken[to]; twice {
			return nil, fault.New(fault.Definition, "%s and %s would both become %s", f.name(other), f.name(path), f.name(to)).
				WithHint("give them folders of their own, in steps of their own")
		}
		taken[to] = path
		all = append(all, transfer{path, to})
	}
	return all, nil
}

func (f *filesTasklet) copy(ctx context.Context, d *done) error {
	all, err := f.transfers(f.conf.Copy)
	if err != nil {
		return err
	}
	for _, t := range all {
		size, err := f.copyOne(ctx, t)
		if err != nil {
			return err
		}
		d.add(f.name(t.To), size)
	}
	return nil
}

// copyOne copies a file. Where files must not be replaced, one that holds the same is the copy of an earlier attempt.
func (f *filesTasklet) copyOne(ctx context.Context, t transfer) (int64, error) {
	if !f.conf.Overwrite {
		same, size, err := sameContent(t.From, t.To)
		if err != nil || same {
			return size, trouble("compare", f.name(t.To), err)
		}
	}
	return files.Copy(ctx, t.From, f.output(t.To))
}

// move moves the files. Which ones is noted before the first: an attempt that died may have moved some of them, which a
// pattern does not find again.
func (f *filesTasklet) move(ctx context.Context, c *batch.Contribution, d *done) error {
	all, err := f.moves(ctx, c)
	if err != nil {
		return err
	}
	for _, t := range all {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err := f.moveOne(ctx, t); err != nil {
			return err
		}
		info, err := os.Stat(t.To)
		if err != nil {
			return trouble("look up", f.name(t.To), err)
		}
		d.add(f.name(t.To), info.Size())
	}
	return nil
}

// moving is what is noted of files to be moved, and for which definition.
type moving struct {
	Of    string     `json:"of"`
	Files []transfer `json:"files"`
}

func (f *filesTasklet) moves(ctx context.Context, c *batch.Contribution) ([]transfer, error) {
	m := moving{Of: f.definition()}
	var earlier moving
	if raw := c.Earlier["move"]; raw != nil && json.Unmarshal(raw, &earlier) == nil && earlier.Of == m.Of {
		return earlier.Files, nil
	}
	var err error
	if m.Files, err = f.transfers(f.conf.Move); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return m.Files, c.Save(ctx, batch.Context{"move": raw})
}

func (f *filesTasklet) definition() string {
	parts := []string{string(f.conf.To)}
	for _, p := range f.conf.Move {
		parts = append(parts, string(p))
	}
	return strings.Join(parts, "\n")
}

// moveOne moves a file, unless that has been done.
func (f *filesTasklet) moveOne(ctx context.Context, t transfer) error {
	_, err := os.Lstat(t.From)
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Lstat(t.To); there == nil {
			return nil
		}
	}
	if err != nil {
		return trouble("move", f.name(t.From), err)
	}
	o := f.output(t.To)
	if !o.Replace {
		// It may be the copy, complete and on another file system, of an attempt that died before it removed the original.
		if same, _, err := sameContent(t.From, t.To); err == nil && same {
			return files.Remove(o.Disk, t.From)
		}
	}
	return files.Move(ctx, t.From, o)
}

// delete removes the files. A folder is refused: it may hold what nobody thought of.
func (f *filesTasklet) delete(ctx context.Context, d *done) error {
	all, err := f.find(f.conf.Delete)
	if err != nil {
		return err
	}
	for _, path := range all {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return trouble("look up", f.name(path), err)
		case info.IsDir() && slices.Contains(f.conf.Delete, config.Path(path)):
			return fault.New(fault.Environment, "%s is a folder, and folders are not deleted", f.name(path)).
				WithHint("name the files in it: %s/*", f.name(path))
		case info.IsDir():
			continue
		}
		if err := files.Remove(f.env.Disk, path); err != nil {
			return err
		}
		d.add(f.name(path), info.Size())
	}
	return nil
}
