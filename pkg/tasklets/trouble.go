package tasklets

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"batchctl/pkg/catalog"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// What is said, and advised, where a file is missing.
const (
	noSuchFile = "no_such_file"
	fromBase   = "relative paths start at the folder of the definition"
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
		return fault.Wrap(fault.Environment, fs.ErrNotExist, "%s %s", doing, name).WithCode(noSuchFile).WithHint(fromBase)
	}
	return files.Trouble(doing, name, err)
}

// readWhole reads a regular file that is held in memory. A larger one than the limit is an error; instead says what to do.
func readWhole(env *catalog.Env, path string, limit int64, instead string) ([]byte, error) {
	name := relative(env.Base, path)
	file, err := files.OpenRegular(path)
	if err != nil {
		return nil, trouble("read", name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if int64(len(text)) > limit {
		return nil, fault.New(fault.Environment, "%s is larger than %d MiB", name, limit>>20).WithCode("too_large").WithHint("%s", instead)
	}
	return text, trouble("read", name, err)
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
