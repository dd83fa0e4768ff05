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
// recorded anything. Its bytes are compared with the sum: the latter may have begun from nothing as well, and the former
// have been written to, or put back from elsewhere.
func source(o Output, at Mark) (string, error) {
	recorded := filepath.Join(o.folder(), at.Partial)
	same, err := holds(recorded, at, false)
	if err != nil {
		return "", trouble("read", recorded, err)
	}
	if same {
		return recorded, nil
	}
	lost := missing(recorded, at)
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

// missing says why a partial file does not hold what a mark describes.
func missing(path string, at Mark) *LostError {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return &LostError{path, "is gone"}
	case !info.Mode().IsRegular():
		return &LostError{path, "is not a regular file any more"}
	case info.Size() < at.Size:
		return &LostError{path, fmt.Sprintf("has %d bytes instead of at least %d", info.Size(), at.Size)}
	}
	return &LostError{path, "was changed: it does not begin with the bytes recorded"}
}

// holds reports whether a file begins with the bytes that a mark describes and, where whole is asked, ends there too.
func holds(path string, at Mark, whole bool) (bool, error) {
	info, err := os.Lstat(path) // before it is opened: a pipe would wait for its other end
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() < at.Size || whole && info.Size() != at.Size {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
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
		return errors.Join(missing(from, at), copied.Close())
	}
	return errors.Join(copied.Sync(), copied.Close())
}
