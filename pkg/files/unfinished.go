package files

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Written is what an output holds, for reading: text, decompressed where the file is compressed.
type Written struct {
	io.Reader
	Path       string
	Unfinished bool // it is a partial file
	input      *Input
}

// Close closes the file.
func (w *Written) Close() error { return trouble("close", w.Path, w.input.Close()) }

// written reads the first size bytes of an open file, all of them where size is negative. It closes the file in the end.
func written(f *os.File, path string, size int64) (*Written, error) {
	text := &counted{from: f}
	if size >= 0 {
		text.from = io.LimitReader(f, size)
	}
	w := &Written{Reader: text, Path: path, Unfinished: size >= 0, input: &Input{file: f, name: path, raw: text}}
	first := make([]byte, sniffed)
	n, err := f.ReadAt(first, 0)
	if err == nil || err == io.EOF {
		err = nil
		if w.input.compression = compressionOf(first[:n]); w.input.compression != "none" {
			w.Reader, err = w.input.decompress(bufio.NewReader(text), 0)
		}
	}
	if err != nil {
		return nil, errors.Join(trouble("read", path, err), f.Close())
	}
	return w, nil
}

// OpenWritten opens what an output holds: the partial file, of whatever epoch, as far as a mark covers it, else, where
// there is none, the file of the final name. Mark is the zero Mark where nobody knows how far it came. Where there is
// neither, the error wraps fs.ErrNotExist and names the final file.
func OpenWritten(o Output, at Mark) (*Written, error) {
	if at.Path != "" {
		o.Path = at.Path
		w, err := o.openUnfinished(at)
		if err != nil || w != nil {
			return w, err
		}
	}
	f, err := os.Open(o.Path)
	if err != nil {
		return nil, trouble("read", o.Path, err)
	}
	return written(f, o.Path, -1)
}

// openUnfinished opens the partial file that a mark speaks of, nil where there is none. Whoever took the step over may
// have given it the name of another epoch since.
func (o Output) openUnfinished(at Mark) (*Written, error) {
	names := []string{at.Partial}
	if others, err := o.partials(); err == nil {
		slices.Sort(others)
		names = append(names, others...)
	}
	for _, name := range names {
		path := filepath.Join(o.folder(), name)
		same, err := holds(path, at, false)
		if err != nil {
			return nil, trouble("read", path, err)
		}
		if !same {
			continue // gone, of another epoch, or about to be written anew
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, trouble("read", path, err)
		}
		return written(f, path, at.Size)
	}
	return nil, nil
}
