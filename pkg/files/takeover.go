package files

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// takeOver brings the partial file that a mark of another epoch describes under this epoch's name.
func takeOver(o Output, at Mark) error {
	from, err := source(o, at)
	if err != nil || from == o.partialPath() {
		return err
	}
	if o.Adopt {
		return trouble("rename to", o.partialPath(), o.Disk.rename(from, o.partialPath()))
	}
	return copyPrefix(o, from, at)
}

// source finds the file: under the name recorded, or under that of an epoch that took it over and ended before it
// recorded anything. The latter may have begun from nothing as well, so its bytes are compared with the sum.
func source(o Output, at Mark) (string, error) {
	recorded := filepath.Join(o.folder(), at.Partial)
	info, err := os.Stat(recorded)
	if err == nil && info.Size() >= at.Size {
		return recorded, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", trouble("look up", recorded, err)
	}
	lost := &LostError{recorded, "is gone"}
	if err == nil {
		lost.Reason = fmt.Sprintf("has %d bytes instead of at least %d", info.Size(), at.Size)
	}
	names, err := o.partials()
	if errors.Is(err, fs.ErrNotExist) {
		return "", lost
	}
	if err != nil {
		return "", trouble("list", o.folder(), err)
	}
	for _, name := range names {
		path := filepath.Join(o.folder(), name)
		same, err := holds(path, at, false)
		if err != nil {
			return "", trouble("read", path, err)
		}
		if same {
			return path, nil
		}
	}
	return "", lost
}

// holds reports whether a file begins with the bytes that a mark describes and, where whole is asked, ends there too.
func holds(path string, at Mark, whole bool) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < at.Size || whole && info.Size() != at.Size {
		return false, err
	}
	sum := crc32.New(castagnoli)
	_, err = io.CopyN(sum, f, at.Size)
	return sum.Sum32() == at.Sum, err
}

// copyPrefix copies the recorded bytes of another owner's file, which may go on growing, into this epoch's own.
func copyPrefix(o Output, from string, at Mark) error {
	in, err := os.Open(from)
	if err != nil {
		return trouble("open", from, err)
	}
	defer in.Close()
	copied, err := create(o)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(copied, in, at.Size); err != nil {
		return errors.Join(trouble("copy", from, err), copied.Close())
	}
	if copied.sum != at.Sum {
		return errors.Join(&LostError{from, "does not hold what was recorded"}, copied.Close())
	}
	return errors.Join(copied.Sync(), copied.Close())
}
