package main_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// diskEvent is something that a process did to a disk.
type diskEvent struct {
	call   string // create, mkdir, write, truncate, fsync, rename, unlink
	path   string
	to     string
	offset int64 // of a write; of a truncation the size
	data   []byte
}

// inode is a file: what a power cut leaves, and what it may take away.
type inode struct {
	durable []byte
	pending []diskEvent
}

// disk is what a run has made of the files of a folder.
type disk struct {
	files   map[string]*inode // by their names as processes see them; nil for folders
	durable map[string]*inode // by those that a power cut leaves
	pending []nameChange      // of names, in their order
	careful bool              // fsync does something
}

// nameChange gives a file a name, takes one away, or both.
type nameChange struct {
	gone, named string
	file        *inode
	folder      bool
}

func newDisk(t *testing.T, folder string, careful bool) *disk {
	t.Helper()
	d := &disk{files: map[string]*inode{}, durable: map[string]*inode{}, careful: careful}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			d.files[path], d.durable[path] = nil, nil
			return err
		}
		text, err := os.ReadFile(path)
		d.files[path] = &inode{durable: text}
		d.durable[path] = d.files[path]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) apply(e diskEvent) {
	file, known := d.files[e.path]
	switch e.call {
	case "create":
		if !known {
			d.files[e.path] = &inode{}
			d.pending = append(d.pending, nameChange{named: e.path, file: d.files[e.path]})
		}
	case "mkdir":
		d.files[e.path] = nil
		d.pending = append(d.pending, nameChange{named: e.path, folder: true})
	case "write", "truncate":
		if file != nil {
			file.pending = append(file.pending, e)
		}
	case "rename":
		delete(d.files, e.path)
		d.files[e.to] = file
		d.pending = append(d.pending, nameChange{gone: e.path, named: e.to, file: file})
	case "unlink":
		delete(d.files, e.path)
		d.pending = append(d.pending, nameChange{gone: e.path})
	case "fsync":
		d.sync(e.path, file)
	}
}

func (d *disk) sync(path string, file *inode) {
	if !d.careful {
		return
	}
	if file != nil {
		for _, e := range file.pending {
			file.durable = changed(file.durable, e, func() bool { return true })
		}
		file.pending = nil
		return
	}
	d.pending = slices.DeleteFunc(d.pending, func(c nameChange) bool {
		if filepath.Dir(c.gone+c.named) != path && filepath.Dir(c.named) != path {
			return false
		}
		c.apply(d.durable)
		return true
	})
}

func (c nameChange) apply(names map[string]*inode) {
	if c.gone != "" {
		delete(names, c.gone)
	}
	if c.named != "" {
		names[c.named] = c.file
	}
}

const sector = 512

// changed returns a file's bytes after an event, of which each sector is kept or not.
func changed(text []byte, e diskEvent, keep func() bool) []byte {
	if e.call == "truncate" {
		if !keep() {
			return text
		}
		return resized(slices.Clone(text), int(e.offset))
	}
	text = slices.Clone(text)
	for from := 0; from < len(e.data); {
		at := int(e.offset) + from
		size := min(sector-at%sector, len(e.data)-from)
		if keep() {
			if len(text) < at+size {
				text = resized(text, at+size)
			}
			copy(text[at:], e.data[from:from+size])
		}
		from += size
	}
	return text
}

func resized(text []byte, size int) []byte {
	if size <= len(text) {
		return text[:size]
	}
	return append(text, make([]byte, size-len(text))...)
}

// afterCut is what is found when the power is back.
func (d *disk) afterCut(random *rand.Rand) map[string][]byte {
	names := map[string]*inode{}
	for name, file := range d.durable {
		names[name] = file
	}
	for _, c := range d.pending[:random.IntN(len(d.pending)+1)] {
		c.apply(names)
	}
	share := []float64{0, 0.1, 0.5, 0.9, 1}[random.IntN(5)]
	keep := func() bool { return random.Float64() < share }
	found := map[string][]byte{}
	for name, file := range names {
		if file == nil {
			found[name] = nil
			continue
		}
		text := slices.Clone(file.durable)
		for _, e := range file.pending {
			text = changed(text, e, keep)
		}
		found[name] = append([]byte{}, text...)
	}
	return found
}

// restore makes a folder what was found.
func restore(t *testing.T, folder string, found map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names) // a folder before what is in it
	for _, name := range names {
		if _, kept := found[filepath.Dir(name)]; !kept && name != folder {
			delete(found, name) // its folder has lost its name
			continue
		}
		if found[name] == nil {
			err = os.MkdirAll(name, 0o755)
		} else {
			err = os.WriteFile(name, found[name], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
