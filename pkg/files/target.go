package files

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"batchctl/pkg/fault"
)

// target is a file that is added to, locked.
type target struct {
	output Output
	file   *file
	size   int64
	ended  []string // paths of the joinings that this owner brought to their end
}

// How long a target that somebody else adds to is waited for, and how often it is asked for. Adding takes as long as
// copying does; the bound is there because two jobs that add to two files may wait for each other.
const (
	targetPatience = time.Minute
	targetPoll     = 10 * time.Millisecond
)

// lockTarget opens and locks the file of the final name; where there is none it makes an empty one.
func lockTarget(ctx context.Context, o Output) (*target, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, targetPatience, fault.New(fault.Environment,
		"somebody else has been adding to %s for %s", o.Path, targetPatience).WithCode("locked").WithHint("restart when that has ended"))
	defer cancel()
	for {
		f, err := o.Disk.openForWriting(o.Path, os.O_CREATE)
		if err != nil {
			return nil, trouble("open", o.Path, err)
		}
		if err := waitFor(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !isAt(f.File, o.Path) {
			f.Close() // moved away or replaced meanwhile: another owner would lock the new one
			continue
		}
		t := &target{output: o, file: f}
		if err := t.measure(); err != nil {
			return nil, errors.Join(err, t.close())
		}
		return t, nil
	}
}

func waitFor(ctx context.Context, f *file) error {
	ticker := time.NewTicker(targetPoll)
	defer ticker.Stop()
	for {
		err := flock(f.Fd(), exclusive)
		if errors.Is(err, ErrNoLocks) {
			return fault.Wrap(fault.Environment, err, "lock %s", f.Name()).
				WithHint("adding to a file needs locks: keep it on a local file system, or write a file for each run and leave append out")
		}
		if !errors.Is(err, ErrHeld) {
			return trouble("lock", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func (t *target) measure() error {
	info, err := t.file.Stat()
	if err != nil {
		return trouble("look up", t.file.Name(), err)
	}
	t.size = info.Size()
	return nil
}

func (t *target) close() error { return trouble("close", t.output.Path, unlockAndClose(t.file.File)) }

// completeAll brings to its end what dead owners have begun to add.
func (t *target) completeAll() error {
	begun, err := t.output.joinings()
	if err != nil {
		return err
	}
	for _, j := range begun {
		if err := t.complete(j); err != nil {
			return err
		}
	}
	return nil
}

// add adds the file that a mark describes.
func (t *target) add(path string, at Mark) error {
	j := t.output.joining(at, t.size)
	disk := t.output.Disk
	if err := disk.rename(path, j.path); err != nil {
		return trouble("rename to", j.path, err)
	}
	// From here on whoever locks the target goes on with this. The name of a new target becomes durable with it.
	if err := SyncFolder(disk, t.output.folder()); err != nil {
		return err
	}
	return t.complete(j)
}

// complete adds what is not there yet and ends the joining.
func (t *target) complete(j joining) error {
	same, err := holds(j.path, Mark{Size: j.size, Sum: j.sum}, true)
	if err != nil {
		return trouble("read", j.path, err)
	}
	if !same {
		return fault.New(fault.Environment, "%s, which is being added to %s, was changed", j.path, t.file.Name()).
			WithHint("cut %s to its first %d bytes, remove the changed file, and run again what made it", t.file.Name(), j.before)
	}
	content, err := os.Open(j.path)
	if err != nil {
		return trouble("open", j.path, err)
	}
	defer content.Close()
	if err := t.bring(j, io.NewSectionReader(content, j.skip, j.size-j.skip)); err != nil {
		return err
	}
	if err := t.file.sync(); err != nil {
		return trouble("sync", t.file.Name(), err)
	}
	if err := t.output.Disk.remove(j.path); err != nil {
		return trouble("remove", j.path, err)
	}
	if err := SyncFolder(t.output.Disk, t.output.folder()); err != nil {
		return err
	}
	t.ended = append(t.ended, j.path)
	return t.measure()
}

// bring makes the target hold content behind the size it had.
func (t *target) bring(j joining, content *io.SectionReader) error {
	if t.size < j.before {
		return j.refuse(t.file.Name(), "now has %d", t.size)
	}
	found, err := compare(content, io.NewSectionReader(t.file, j.before, t.size-j.before), content.Size(), t.size-j.before)
	switch {
	case err != nil:
		return trouble("read", t.file.Name(), err)
	case found == whole:
		return nil
	case found == foreign:
		return j.refuse(t.file.Name(), "behind them now stands something else")
	case t.size > j.before:
		if err := t.file.truncate(j.before); err != nil {
			return trouble("truncate", t.file.Name(), err)
		}
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := t.file.Seek(j.before, io.SeekStart); err != nil {
		return trouble("seek in", t.file.Name(), err)
	}
	piece := make([]byte, copySize)
	for {
		n, err := io.ReadFull(content, piece)
		if n > 0 {
			if err := t.file.write(piece[:n]); err != nil {
				return trouble("write", t.file.Name(), err)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return trouble("read", j.path, err)
		}
	}
}
