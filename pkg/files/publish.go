package files

import (
	"errors"
	"io/fs"
	"os"
)

// Publish gives the file its final name, durably. Doing it again, also after a crash at any point of it, is doing it
// once. It ends the writing: the file is closed. What is to be added to another file is added, and needs Reserve before.
func (p *Partial) Publish() error {
	if p.published {
		return p.syncName()
	}
	if p.output.Append {
		return p.join()
	}
	if err := p.Sync(); err != nil {
		return err
	}
	if err := p.name(); err != nil {
		return err
	}
	p.published, p.unnamed = true, true
	if err := p.syncName(); err != nil {
		return err
	}
	p.output.sweep()
	return p.Close()
}

func (p *Partial) name() error {
	from, to := p.file.Name(), p.output.Path
	disk := p.output.Disk
	if sameFile(from, to) {
		return trouble("remove", from, disk.remove(from))
	}
	if p.output.Replace {
		return trouble("rename to", to, disk.rename(from, to))
	}
	err := disk.renameNew(from, to)
	if errors.Is(err, fs.ErrExist) {
		return p.output.occupied()
	}
	return trouble("rename to", to, err)
}

// sameFile reports whether a publishing that was cut short left the file under both names.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
