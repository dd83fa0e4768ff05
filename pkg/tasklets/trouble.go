package tasklets

import (
	"errors"
	"io/fs"
	"path/filepath"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// trouble returns an error of the operating system about a file or a folder.
func trouble(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Environment, fs.ErrNotExist, "%s %s", doing, name).WithCode("no_such_file").
			WithHint("relative paths start at the folder of the definition")
	}
	return files.Trouble(doing, name, err)
}

// relative returns a path below the base folder where it lies below it, for messages.
func relative(base, path string) string {
	if base != "" {
		if below, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(below) {
			return below
		}
	}
	return path
}
