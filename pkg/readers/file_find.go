package readers

import (
	"errors"
	"os"
	"path/filepath"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// find returns the names of the files that the paths stand for, each once.
func (s *fileSource) find() ([]string, error) {
	found := []string{}
	seen := map[string]bool{}
	for _, p := range s.conf.Path {
		paths, err := s.expand(string(p))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if !seen[path] {
				seen[path] = true
				found = append(found, s.relative(path))
			}
		}
	}
	return found, nil
}

// expand returns the files of one path or pattern.
func (s *fileSource) expand(path string) ([]string, error) {
	paths, err := files.Find(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && s.conf.OnMissing == "empty":
		return nil, nil
	case errors.Is(err, filepath.ErrBadPattern):
		return nil, fault.Wrap(fault.Definition, err, "path %q", s.relative(path))
	case err != nil:
		return nil, notReadable(err, s.relative(path))
	case len(paths) == 0 && s.conf.OnMissing != "empty":
		return nil, fault.New(fault.Environment, "no file matches %s", s.relative(path)).WithCode(noSuchFile).
			WithHint("relative paths start at the folder of the definition; on_missing: empty goes on without records")
	}
	return paths, nil
}

// relative returns the path below the base folder where it lies below it.
func (s *fileSource) relative(path string) string {
	if s.base != "" {
		if below, err := filepath.Rel(s.base, path); err == nil && filepath.IsLocal(below) {
			return below
		}
	}
	return path
}

func (s *fileSource) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.base, name)
}
