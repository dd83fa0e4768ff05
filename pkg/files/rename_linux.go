package files

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameNew renames, and fails with fs.ErrExist where to exists: renameat2(2) with RENAME_NOREPLACE, or a link and an
// unlink on file systems that do not know it.
func renameNew(from, to string) error {
	var err error = unix.EINTR
	for errors.Is(err, unix.EINTR) {
		err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return linkNew(from, to)
	}
	return err
}
