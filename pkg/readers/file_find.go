package readers

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// pathList is one path or a list of them.
type pathList []config.Path

// DecodeYAML reads either form.
func (l *pathList) DecodeYAML(d *config.Decoder, n config.Node) error {
	if n.Kind() == config.List {
		if err := d.Decode(n, (*[]config.Path)(l)); err != nil {
			return err
		}
		if len(*l) == 0 {
			return n.Errorf("%s: the list is empty", d.What).WithHint("name at least one file")
		}
		*l = slices.DeleteFunc(*l, func(p config.Path) bool { return p == "" }) // while checking: not known yet
		return nil
	}
	var one config.Path
	err := d.Decode(n, &one)
	if one != "" {
		*l = pathList{one}
	}
	return err
}

// YAMLType implements config.Worded.
func (pathList) YAMLType() string { return "a path or a list of paths" }

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

// expand returns the files of one path or pattern. A file that is called like a pattern is that file.
func (s *fileSource) expand(path string) ([]string, error) {
	_, err := os.Stat(path)
	switch {
	case err == nil || !errors.Is(err, os.ErrNotExist):
		return []string{path}, nil
	case !strings.ContainsAny(path, "*?["):
		if s.conf.OnMissing == "empty" {
			return nil, nil
		}
		return nil, notReadable(err, s.relative(path))
	}
	paths, err := filepath.Glob(path)
	if err != nil {
		return nil, fault.Wrap(fault.Definition, err, "path %q", s.relative(path))
	}
	if len(paths) == 0 && s.conf.OnMissing != "empty" {
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
