package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeAhead has the kernel begin to write a range of a file to the disk, without waiting for it, so that a sync finds
// little left to do (sync_file_range(2)). It promises nothing, and what goes wrong is the sync's to tell.
func writeAhead(f *os.File, from, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, size, unix.SYNC_FILE_RANGE_WRITE)
}
