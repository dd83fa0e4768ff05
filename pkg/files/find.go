package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// IsPattern reports whether a path stands for the files that match it.
func IsPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// Find returns what a path or a pattern stands for, sorted: folders, too. A file that is called like a pattern is that file.
// A path that is not there is an error that wraps fs.ErrNotExist; a pattern that nothing matches has no files. Hidden files
// match only patterns that begin with a point, as in a shell, so unfinished outputs match none.
func Find(path string) ([]string, error) {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return []string{path}, nil
	case !errors.Is(err, fs.ErrNotExist) || !IsPattern(path):
		return nil, err
	}
	found, err := filepath.Glob(path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(filepath.Base(path), ".") {
		return found, nil
	}
	return slices.DeleteFunc(found, func(f string) bool { return strings.HasPrefix(filepath.Base(f), ".") }), nil
}
