package files

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"batchctl/pkg/fault"
)

// Adding a finished file to another happens once, whatever dies when. The file itself is the record of it: under its own
// name nothing has been added yet; it is renamed to one that holds the size the target has at this moment, before the
// first byte is added; and it is removed when everything is added and durable. All of that under a lock of the target.
// Whoever locks a target first brings to its end what a dead owner has begun, also another job's.

// SetHead says that the first bytes of the file, which are about to be written, belong at the beginning of a file only:
// where the target is not empty they are left out when publishing, and it must begin with the same bytes.
func (p *Partial) SetHead(head []byte) error {
	p.head = int64(len(head))
	if !p.output.Append || len(head) == 0 {
		return nil
	}
	f, err := os.Open(p.output.Path)
	if err != nil {
		return nil // not there yet, or not to be read: Reserve will say
	}
	defer f.Close()
	return sameHead(f, p.output.Path, head)
}

// Reserve locks the file that is to be added to, brings to its end what a dead owner has begun to add, and notes the
// size for Mark. The lock is held until Publish or Close. A file that does not take what is to be added (it begins with
// other columns, or does not end with a line end) is refused. Outputs without Append need none of this.
func (p *Partial) Reserve(ctx context.Context) error {
	if !p.output.Append || p.published || p.target != nil {
		return p.broken
	}
	if p.file != nil {
		if err := p.Sync(); err != nil {
			return err
		}
	}
	t, err := lockTarget(ctx, p.output)
	if err != nil {
		return err
	}
	if err := errors.Join(t.completeAll(), p.fits(t)); err != nil {
		return errors.Join(err, t.close())
	}
	p.target = t
	if p.file != nil {
		p.before = t.size
	}
	return nil
}

func (p *Partial) release() error {
	if p.target == nil {
		return nil
	}
	err := p.target.close()
	p.target = nil
	return err
}

// path is where the finished file is, until it is added.
func (p *Partial) path() string { return filepath.Join(p.output.folder(), p.Mark().Partial) }

// fits returns an error where the target does not take what is to be added.
func (p *Partial) fits(t *target) error {
	if t.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := t.file.ReadAt(last, t.size-1); err != nil {
		return trouble("read", t.file.Name(), err)
	}
	f, err := os.Open(p.path())
	if err != nil {
		return nil // it has been added already, or is lost: publishing tells
	}
	defer f.Close()
	if last[0] != '\n' {
		return fault.New(fault.Environment, "%s does not end with a line end: nothing can be added to it", t.file.Name()).
			WithCode("no_line_end").WithHint("its last line may be cut short: mend it or end it, then restart")
	}
	head := make([]byte, p.head)
	if _, err := io.ReadFull(f, head); err != nil {
		return trouble("read", f.Name(), err)
	}
	return sameHead(t.file, t.file.Name(), head)
}

// sameHead returns an error where a file is not empty and begins with something else than head. A byte order mark before
// it does not count.
func sameHead(f io.ReaderAt, name string, head []byte) error {
	found := make([]byte, len(head)+3)
	n, err := f.ReadAt(found, 0)
	if err != nil && err != io.EOF {
		return trouble("read", name, err)
	}
	found = bytes.TrimPrefix(found[:n], []byte("\xef\xbb\xbf"))
	if n == 0 || bytes.HasPrefix(found, head) {
		return nil
	}
	const shown = 200
	return fault.New(fault.Environment, "%s begins with %.*q, and the records to be added have the header %.*q",
		name, shown, firstLine(found), shown, head).WithCode("other_header").
		WithHint("give the records the file's columns, in its order (columns: [...] on the writer), or write another file")
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

// join adds the file to the reserved target and removes it.
func (p *Partial) join() error {
	if p.broken != nil {
		return p.broken
	}
	if p.target == nil {
		return fault.New(fault.Internal, "publish %s: the file to add to was not reserved", p.output.Path)
	}
	there, err := p.waiting()
	switch {
	case err != nil:
	case there:
		err = p.target.add(p.path(), p.Mark())
	case !p.target.hasEnded(p.Mark()):
		err = p.target.holds(p.Mark(), p.path())
	}
	if err != nil {
		p.broken = err
		return err
	}
	p.published = true
	p.output.sweep()
	return p.Close()
}

// waiting reports whether the file is there, complete, and nothing of it has been added.
func (p *Partial) waiting() (bool, error) {
	if p.file != nil {
		if err := p.Sync(); err != nil {
			return false, err
		}
		return isAt(p.file.File, p.path()), nil
	}
	same, err := holds(p.path(), p.Mark(), true)
	return same, trouble("read", p.path(), err)
}

// hasEnded reports whether a mark's file is one whose joining was brought to its end just now.
func (t *target) hasEnded(at Mark) bool {
	return slices.ContainsFunc(t.ended, func(path string) bool {
		rest := strings.TrimPrefix(filepath.Base(path), t.output.joiningPrefix())
		j, ok := parseJoining(rest)
		return ok && t.output.joining(at, j.before).path == path
	})
}

// holds returns a LostError where the target does not have what a mark describes behind the size it had then.
func (t *target) holds(at Mark, path string) error {
	sum, rest := crc32.New(castagnoli), at.Size
	if at.Target > 0 && at.Head > 0 {
		mark := make([]byte, 3)
		start := int64(0)
		if n, _ := t.file.ReadAt(mark, 0); n == 3 && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
			start = 3
		}
		if _, err := io.Copy(sum, io.NewSectionReader(t.file, start, at.Head)); err != nil {
			return trouble("read", t.file.Name(), err)
		}
		rest -= at.Head
	}
	n, err := io.Copy(sum, io.NewSectionReader(t.file, at.Target, rest))
	switch {
	case err != nil:
		return trouble("read", t.file.Name(), err)
	case n != rest || sum.Sum32() != at.Sum:
		lost := missing(path, at)
		lost.Reason += ", and " + t.file.Name() + " does not hold what was to be added to it"
		return lost
	}
	return nil
}
