// Package files makes output files that a restart can go on with, publishes them under their final names, and holds the
// locks that tell whether the owner of a job instance lives.
package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Disk does the operations on files that have an effect. The zero Disk is the operating system's; one that Hooked
// returns lets a test stop at every operation.
type Disk struct{ hook Hook }

// A Hook is called before and after each operation that has an effect: with OPERATION.before, where an error keeps it
// from happening, and OPERATION.after, where an error makes it look as if it had gone wrong. A write is torn in two, with
// write.half between. The operations are open, write, sync, truncate, mkdir, rename, remove and syncdir.
type Hook func(point, path string) error

// Hooked returns the operating system's disk with a hook at every operation, for tests.
func Hooked(hook Hook) Disk { return Disk{hook: hook} }

func (d Disk) at(point, path string) error {
	if d.hook == nil {
		return nil
	}
	return d.hook(point, path)
}

func (d Disk) do(operation, path string, effect func() error) error {
	if err := d.at(operation+".before", path); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return d.at(operation+".after", path)
}

// file is an open file whose writes, syncs and truncations pass the disk's hook.
type file struct {
	*os.File
	disk Disk
}

// openForWriting opens a file with what it holds; flag is os.O_CREATE, to make it where it is missing, or 0.
func (d Disk) openForWriting(path string, flag int) (*file, error) {
	var f *os.File
	err := d.do("open", path, func() (err error) {
		f, err = os.OpenFile(path, os.O_RDWR|flag, 0o666)
		return err
	})
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &file{File: f, disk: d}, nil
}

// write writes all of b or returns an error.
func (f *file) write(b []byte) error {
	if f.disk.hook == nil {
		_, err := f.Write(b)
		return err
	}
	half := len(b) / 2
	return f.disk.do("write", f.Name(), func() error {
		if _, err := f.Write(b[:half]); err != nil {
			return err
		}
		if err := f.disk.at("write.half", f.Name()); err != nil {
			return err
		}
		_, err := f.Write(b[half:])
		return err
	})
}

func (f *file) sync() error { return f.disk.do("sync", f.Name(), f.Sync) }

func (f *file) truncate(size int64) error {
	return f.disk.do("truncate", f.Name(), func() error { return f.Truncate(size) })
}

func (d Disk) rename(from, to string) error {
	return d.do("rename", to, func() error { return os.Rename(from, to) })
}

// renameNew is rename, but an fs.ErrExist where there is a file of that name.
func (d Disk) renameNew(from, to string) error {
	return d.do("rename", to, func() error { return renameNew(from, to) })
}

func (d Disk) remove(path string) error {
	return d.do("remove", path, func() error { return os.Remove(path) })
}

// syncDir makes the names in a folder durable.
func (d Disk) syncDir(path string) error {
	return d.do("syncdir", path, func() error {
		folder, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(folder.Sync(), folder.Close())
	})
}

// mkdirAll makes a folder and those above it that are missing, all of them durable.
func (d Disk) mkdirAll(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("a file of that name is in the way")}
		}
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := d.mkdirAll(parent); err != nil {
			return err
		}
	}
	err := d.do("mkdir", path, func() error { return os.Mkdir(path, 0o777) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(parent)
}
