package tasklets

import (
	"archive/zip"
	"context"
	"os"
	"strings"

	"batchctl/pkg/fault"
)

// maxDirectory is how large the directory of a zip archive may be. It is held in memory, where it takes up to five times as much.
const maxDirectory = 16 << 20

// zipText is a zip archive, of which no more than the directory may take is read before it is opened.
type zipText struct {
	file    *os.File
	archive string
	left    int64 // bytes to read before it is opened
	opened  bool
}

// ReadAt implements io.ReaderAt.
func (z *zipText) ReadAt(p []byte, at int64) (int, error) {
	if z.left -= int64(len(p)); z.left < 0 && !z.opened {
		return 0, fault.New(fault.Environment, "the directory of %s is larger than %d MiB: it names too many files", z.archive, maxDirectory>>20).
			WithCode("too_large").WithHint("ask for several archives, or for a .tar.gz, which is not held in memory; or unpack it with a program: tasklet exec")
	}
	return z.file.ReadAt(p, at)
}

// zip unpacks a zip archive.
func (u *unpacking) zip(ctx context.Context, file *os.File) error {
	text := &zipText{file: file, archive: u.archive, left: maxDirectory}
	archive, err := zip.NewReader(text, u.size)
	if err != nil {
		return u.damaged(err)
	}
	text.opened = true
	if err := u.open(); err != nil {
		return err
	}
	defer u.root.Close()
	for _, m := range archive.File {
		// Names with backslashes are those of Windows programs that do not follow the format's rules (APPNOTE 4.4.17).
		name := strings.ReplaceAll(m.Name, `\`, "/")
		if strings.HasSuffix(name, "/") {
			continue
		}
		if m.Flags&1 != 0 {
			return fault.New(fault.Environment, "%s in %s is encrypted", m.Name, u.archive)
		}
		if err := u.zipped(ctx, m, name); err != nil {
			return err
		}
	}
	return u.sync()
}

func (u *unpacking) zipped(ctx context.Context, m *zip.File, name string) error {
	if !m.Mode().IsRegular() {
		return u.irregular(name)
	}
	from, err := m.Open()
	if err != nil {
		return u.damaged(err)
	}
	defer from.Close()
	return u.put(ctx, name, m.Mode().Perm(), from)
}
