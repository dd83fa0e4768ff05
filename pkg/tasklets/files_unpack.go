package tasklets

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// unpack unpacks archives into a folder. Nothing is written outside of it, whatever the archive says.
func (f *filesTasklet) unpack(ctx context.Context, d *done) error {
	all, err := f.find(f.conf.Unpack)
	if err != nil {
		return err
	}
	for _, archive := range all {
		if err := f.unpackOne(ctx, archive, d); err != nil {
			return err
		}
	}
	return nil
}

func (f *filesTasklet) unpackOne(ctx context.Context, archive string, d *done) error {
	file, err := files.OpenRegular(archive)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	u := &unpacking{f: f, archive: f.name(archive), size: info.Size(), done: d, folders: map[string]bool{}}
	first := make([]byte, 4)
	if _, err := file.ReadAt(first, 0); err != nil && err != io.EOF {
		return errors.Join(trouble("read", u.archive, err), file.Close())
	}
	if bytes.HasPrefix(first, []byte("PK")) {
		return errors.Join(u.zip(ctx, file), file.Close())
	}
	return u.stream(ctx, file, archive)
}

// unpacking is an archive that is being unpacked.
type unpacking struct {
	f       *filesTasklet
	archive string
	size    int64 // of the archive
	root    *os.Root
	folders map[string]bool // below it, whose names are not durable yet
	written int64
	members int
	done    *done
}

// maxMembers is how many files an archive may hold.
const maxMembers = 1 << 20

// open opens the folder that is unpacked into.
func (u *unpacking) open() (err error) {
	if err := files.MakeFolder(u.f.env.Disk, filepath.Clean(string(u.f.conf.To))); err != nil {
		return err
	}
	u.root, err = os.OpenRoot(string(u.f.conf.To))
	return trouble("open the folder", u.f.name(string(u.f.conf.To)), err)
}

// stream unpacks a tar archive or a file, compressed or not.
func (u *unpacking) stream(ctx context.Context, file *os.File, archive string) error {
	input, err := files.OpenInput(file, u.archive, files.InputOptions{Encoding: "utf-8", MaxExpansion: int64(u.f.conf.MaxExpansion)})
	if err != nil {
		return err
	}
	defer input.Close()
	text := bufio.NewReaderSize(input, 64<<10)
	head, err := text.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	if isTar(head) {
		return u.tar(ctx, text)
	}
	if input.Compression() == "none" {
		return fault.New(fault.Environment, "%s is no archive and not compressed", u.archive).WithCode("not_compressed").
			WithHint("zip, tar, gzip, zstd and bzip2 are known, by their content")
	}
	return u.single(ctx, text, archive)
}

// isTar recognises the header of a tar archive: the magic of POSIX and GNU, or a header of the oldest kind with its sum.
func isTar(head []byte) bool {
	if len(head) < 512 {
		return false
	}
	if bytes.Equal(head[257:262], []byte("ustar")) {
		return true
	}
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return err == nil && head[0] != 0
}

// single unpacks what is one compressed file: into a folder under the name without its ending, or under the name that to is.
func (u *unpacking) single(ctx context.Context, text io.Reader, archive string) error {
	to := string(u.f.conf.To)
	info, err := os.Stat(to)
	if isFolder(u.f.conf.To) || err == nil && info.IsDir() || len(u.f.conf.Unpack) > 1 || files.IsPattern(string(u.f.conf.Unpack[0])) {
		name := filepath.Base(archive)
		to = filepath.Join(to, strings.TrimSuffix(name, filepath.Ext(name)))
		if filepath.Base(to) == name {
			return fault.New(fault.Definition, "%s has no ending to be taken off its name", u.archive).WithHint("name the file in to")
		}
	}
	p, err := files.Begin(u.f.output(to))
	if err != nil {
		return err
	}
	if err := files.Pour(ctx, p, text, u.archive); err != nil {
		return errors.Join(err, p.Discard())
	}
	u.done.add(u.f.name(to), p.Mark().Size)
	return errors.Join(p.Publish(), p.Close())
}

func (u *unpacking) tar(ctx context.Context, text io.Reader) error {
	if err := u.open(); err != nil {
		return err
	}
	defer u.root.Close()
	archive := tar.NewReader(text)
	for {
		m, err := archive.Next()
		switch {
		case err == io.EOF:
			return u.sync()
		case err != nil:
			return u.damaged(err)
		}
		switch m.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
		default:
			return u.irregular(m.Name)
		}
		if err := u.put(ctx, m.Name, m.FileInfo().Mode().Perm(), archive); err != nil {
			return err
		}
	}
}

// put writes a file of the archive: beside its place first, then under its name, so that what has the name is whole.
func (u *unpacking) put(ctx context.Context, name string, mode fs.FileMode, from io.Reader) error {
	local := filepath.FromSlash(path.Clean(name))
	if u.members++; u.members > maxMembers {
		return fault.New(fault.Environment, "%s holds more than %d files", u.archive, maxMembers)
	}
	if !filepath.IsLocal(local) || local == "." {
		return fault.New(fault.Environment, "%s in %s leads out of the folder it would be unpacked to", fault.Printable(name), u.archive).
			WithCode("outside").WithHint("nothing of it is written there; ask whoever made the archive")
	}
	content := &bounded{from: from, u: u}
	write := func() error { return u.write(ctx, local, mode, content) }
	if there, err := u.root.Lstat(local); err == nil && !u.f.conf.Overwrite {
		write = func() error { return u.compare(ctx, local, there, content) }
	}
	err := write()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	if err != nil {
		return trouble("write", u.target(local), err)
	}
	u.done.add(u.target(local), content.n)
	for folder := filepath.Dir(local); !u.folders[folder]; folder = filepath.Dir(folder) {
		u.folders[folder] = true
	}
	return nil
}

// compare reports a file that is there and must not be replaced. One that holds the same is that of an earlier attempt.
func (u *unpacking) compare(ctx context.Context, local string, there fs.FileInfo, content *bounded) error {
	if there.Mode().IsRegular() {
		file, err := u.root.Open(local)
		if err != nil {
			return err
		}
		defer file.Close()
		got, err := sumOfAll(ctx, file, u.target(local), sha256.New())
		if err != nil {
			return err
		}
		if want, err := sumOfAll(ctx, content, u.archive, sha256.New()); err != nil || got == want {
			return err
		}
	}
	return &fs.PathError{Op: "unpack", Path: local, Err: fs.ErrExist}
}

func (u *unpacking) write(ctx context.Context, local string, mode fs.FileMode, content *bounded) error {
	if err := u.root.MkdirAll(filepath.Dir(local), 0o777); err != nil {
		return err
	}
	hidden := filepath.Join(filepath.Dir(local), u.f.output(u.path(local)).PartialName())
	file, err := u.root.OpenFile(hidden, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode|0o600)
	if err != nil {
		return err
	}
	err = files.Pour(ctx, file, content, u.archive)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = u.root.Rename(hidden, local)
	}
	if err != nil {
		_ = u.root.Remove(hidden)
	}
	return err
}

// sync makes the names of what was unpacked durable.
func (u *unpacking) sync() error {
	for folder := range u.folders {
		if err := files.SyncFolder(u.f.env.Disk, u.path(folder)); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) path(local string) string { return filepath.Join(string(u.f.conf.To), local) }

// target is what a file that is unpacked is called in messages.
func (u *unpacking) target(local string) string { return u.f.name(u.path(local)) }

func (u *unpacking) irregular(name string) error {
	return fault.New(fault.Environment, "%s in %s is a link or a device, and only files are unpacked", fault.Printable(name), u.archive).WithCode("outside")
}

func (u *unpacking) damaged(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return fault.Wrap(fault.Environment, err, "%s is damaged", u.archive).WithCode("damaged").WithHint("get the file again, then restart")
}

// bounded is what is read of an archive's file, as long as the archive does not expand too much.
type bounded struct {
	from io.Reader
	u    *unpacking
	n    int64
}

// expandsFrom is how many bytes there may be before max_expansion counts.
const expandsFrom = 64 << 20

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.n += int64(n)
	b.u.written += int64(n)
	limit := int64(b.u.f.conf.MaxExpansion)
	switch {
	case err != nil && err != io.EOF:
		err = b.u.damaged(err)
	case limit > 0 && b.u.written > expandsFrom && b.u.written/limit > b.u.size:
		err = fault.New(fault.Environment, "%s expands to more than %d times its size: to %d MB so far", b.u.archive, limit, b.u.written>>20).
			WithCode("max_expansion").WithHint("if that is right, set max_expansion: %d", 10*limit)
	}
	return n, err
}
