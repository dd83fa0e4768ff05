package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"batchctl/pkg/fault"
)

// Copy makes a file like another one, with its permissions, and returns its size. It appears under its name when it is
// complete; done again it is the same.
func Copy(ctx context.Context, from string, o Output) (size int64, err error) {
	source, err := OpenRegular(from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return 0, trouble("look up", from, err)
	}
	if target, err := os.Stat(o.Path); err == nil && os.SameFile(info, target) {
		return 0, fault.New(fault.Definition, "%s would be copied onto itself", from)
	}
	o.Mode = info.Mode().Perm()
	p, err := Begin(o)
	if err != nil {
		return 0, err
	}
	if err := Pour(ctx, p, source, from); err != nil {
		return 0, errors.Join(err, p.Discard())
	}
	return p.Mark().Size, errors.Join(p.Publish(), p.Close())
}

// OpenRegular opens a regular file for reading. Errors name it and are of class environment.
func OpenRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, trouble("open", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Environment, "%s is not a regular file", path)
	}
	f, err := os.Open(path)
	return f, trouble("open", path, err)
}

// Pour writes all that can be read from from to to, until ctx ends. name is what is read, for messages.
func Pour(ctx context.Context, to io.Writer, from io.Reader, name string) error {
	block := make([]byte, bufferSize)
	for {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		n, err := from.Read(block)
		if n > 0 {
			if _, err := to.Write(block[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case fault.CodeOf(err) != "" || fault.ClassOf(err) != fault.Internal:
			return err
		case err != nil:
			return trouble("read", name, err)
		}
	}
}

// Move gives a file another name, durably, and replaces what has that name where o says so. On another file system it is
// copied there, with its permissions and its time, and then removed.
func Move(ctx context.Context, from string, o Output) error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := o.vacant(); err != nil {
		return err
	}
	if info, err := os.Stat(o.Path); err == nil && info.IsDir() {
		return fault.New(fault.Environment, "%s is a folder, and cannot be replaced by a file", o.Path)
	}
	folder := filepath.Dir(o.Path)
	if err := o.Disk.mkdirAll(folder); err != nil {
		return trouble("make the folder", folder, err)
	}
	rename := o.Disk.rename
	if !o.Replace {
		rename = o.Disk.renameNew
	}
	err := rename(from, o.Path)
	if errors.Is(err, syscall.EXDEV) {
		return moveAcross(ctx, from, o)
	}
	if err != nil {
		return trouble("move "+from+" to", o.Path, err)
	}
	if err := SyncFolder(o.Disk, folder); err != nil {
		return err
	}
	return SyncFolder(o.Disk, filepath.Dir(from))
}

// moveAcross moves to another file system.
func moveAcross(ctx context.Context, from string, o Output) error {
	info, err := os.Stat(from)
	if err != nil {
		return trouble("look up", from, err)
	}
	if info.IsDir() {
		return fault.New(fault.Environment, "the folder %s cannot be moved to another file system", from).
			WithHint("move the files in it: %s/*", from)
	}
	if _, err := Copy(ctx, from, o); err != nil {
		return err
	}
	if err := os.Chtimes(o.Path, info.ModTime(), info.ModTime()); err != nil {
		return trouble("set the time of", o.Path, err)
	}
	return Remove(o.Disk, from)
}

// Remove removes a file, durably. One that is not there is removed.
func Remove(disk Disk, path string) error {
	if err := disk.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return trouble("remove", path, err)
	}
	if err := SyncFolder(disk, filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(disk Disk, path string) error {
	return trouble("sync the folder", path, disk.syncDir(path))
}

// MakeFolder makes a folder and those above it that are missing, durably.
func MakeFolder(disk Disk, path string) error {
	return trouble("make the folder", path, disk.mkdirAll(path))
}
