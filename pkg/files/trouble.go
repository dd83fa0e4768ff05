package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"batchctl/pkg/fault"
)

// Trouble returns what the operating system said about a file as an error of class environment, with a hint where there is
// something to be done. doing is a verb: "copy".
func Trouble(doing, path string, err error) error { return trouble(doing, path, err) }

// trouble returns what the operating system said about a file as an error of class environment, with a hint where
// there is something to be done.
func trouble(doing, path string, err error) error {
	if err == nil {
		return nil
	}
	e := fault.Wrap(fault.Environment, reason(err), "%s %s", doing, path)
	folder := filepath.Dir(path)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return e.WithHint("make room on the file system of %s, then restart", folder)
	case errors.Is(err, syscall.EDQUOT):
		return e.WithHint("the disk quota is used up: make room or have it raised, then restart")
	case errors.Is(err, syscall.EROFS):
		return e.WithHint("the file system of %s is mounted read-only", folder)
	case errors.Is(err, fs.ErrPermission):
		return e.WithHint("the user that runs the job needs the right to write in %s", folder)
	case errors.Is(err, syscall.ENOTDIR):
		return e.WithHint("a part of the path that has to be a folder is a file")
	}
	e.Hint = Limit(err)
	return e
}

// Limit returns what to do about an error that comes from a limit of the process, "" for any other.
func Limit(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open: raise the limit (ulimit -n; LimitNOFILE of a service)"
	case errors.Is(err, syscall.EFBIG):
		return "the limit of file sizes is reached: raise it (ulimit -f; LimitFSIZE of a service), then restart"
	}
	return ""
}

// reason takes an operating system's error out of the wrappers that repeat operation and path.
func reason(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &call):
		return call.Err
	}
	return err
}
