package files

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"batchctl/pkg/fault"
)

// Mark is what a restart needs of a partial file. It is a value.
type Mark struct {
	Path    string `json:"path"`    // the final name, absolute, symbolic links followed
	Partial string `json:"partial"` // the partial file's name in the same folder
	Size    int64  `json:"size"`
	Sum     uint32 `json:"crc32c"` // of the first Size bytes; a number that goes on being computed after a restart
	// Where the file is added to another: how many bytes at its beginning only an empty one gets, and the other's size when
	// it was reserved.
	Head   int64 `json:"head,omitempty"`
	Target int64 `json:"target,omitempty"`
}

const (
	// bufferSize is how many bytes are gathered before they are written to the file; the rows of a usual chunk are more.
	bufferSize = 64 << 10
	// aheadSize is how many bytes are gathered before the system is asked to begin writing them to the disk.
	aheadSize = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Partial is an output file under construction. It is not safe for use by several goroutines. After a write or a sync
// that failed every later call fails with the same error: what the kernel has dropped is not to be vouched for.
type Partial struct {
	output    Output
	file      *file // nil once it is published or closed
	buffer    []byte
	size      int64 // with what is in the buffer
	ahead     int64 // up to where the system has been asked to write to the disk
	sum       uint32
	unsynced  bool // the file may differ from what is durable
	unnamed   bool // its name is not durable yet
	published bool
	broken    error

	// Where the file is added to another:
	head     int64   // bytes at the beginning that only an empty target gets
	before   int64   // the target's size when it was reserved
	recorded string  // name of the finished file in the folder, where it is not open
	target   *target // locked, from Reserve to Publish
}

// LostError says that a partial file does not hold what was recorded.
type LostError struct {
	Path   string // of the partial file
	Reason string
}

func (e *LostError) Error() string { return fmt.Sprintf("unfinished output %s %s", e.Path, e.Reason) }

// Begin makes an empty partial file, and the folders it needs. Partial files of earlier epochs are removed: where a step
// begins from nothing, nobody needs them.
func Begin(o Output) (*Partial, error) {
	o, err := o.place()
	if err != nil {
		return nil, err
	}
	if err := o.vacant(); err != nil {
		return nil, err
	}
	if err := o.Disk.mkdirAll(o.folder()); err != nil {
		return nil, trouble("make the folder", o.folder(), err)
	}
	p, err := create(o)
	if err != nil {
		return nil, err
	}
	o.sweep()
	return p, nil
}

// Resume goes on with the partial file that a mark describes, cut back to its size. A file of an earlier epoch gets this
// epoch's name or, where its owner may still be alive, is copied. A file that is gone or too short is a LostError.
func Resume(o Output, at Mark) (*Partial, error) {
	o, err := o.placeAt(at)
	if err != nil {
		return nil, err
	}
	if err := o.vacant(); err != nil {
		return nil, err
	}
	return resume(o, at)
}

// Finished opens what was complete when at was recorded, to be published: it may have been already, and then the final
// file has the size and sum recorded. Where neither is there it is a LostError.
func Finished(o Output, at Mark) (*Partial, error) {
	o, err := o.placeAt(at)
	if err != nil {
		return nil, err
	}
	if o.Append {
		return &Partial{output: o, size: at.Size, sum: at.Sum, head: at.Head, before: at.Target, recorded: at.Partial}, nil
	}
	// The final file comes first: a publishing that was cut short may have left both.
	same, err := holds(o.Path, at, true)
	if err != nil {
		return nil, trouble("read", o.Path, err)
	}
	if !same {
		p, err := resume(o, at)
		if lost := (*LostError)(nil); errors.As(err, &lost) {
			lost.Reason += fmt.Sprintf(", and %s is not what was to be published", o.Path)
		}
		return p, err
	}
	o.sweep()
	if _, err := os.Lstat(o.partialPath()); err == nil {
		_ = o.Disk.remove(o.partialPath())
	}
	return &Partial{output: o, size: at.Size, sum: at.Sum, published: true, unnamed: true}, nil
}

// placeAt is place, for an output that was begun before.
func (o Output) placeAt(at Mark) (Output, error) {
	o, err := o.place()
	if err == nil && o.Path != at.Path {
		err = fault.New(fault.Definition, "the output was %s when this step began, and is now %s", at.Path, o.Path).
			WithHint("restart with the path as it was, or run with --fresh to begin again")
	}
	return o, err
}

func resume(o Output, at Mark) (*Partial, error) {
	if at.Partial != o.PartialName() {
		if err := takeOver(o, at); err != nil {
			return nil, err
		}
	}
	p, err := open(o, 0, at.Size, at.Sum)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &LostError{o.partialPath(), "is gone"}
	}
	if err != nil {
		return nil, err
	}
	p.head = at.Head
	p.unnamed = at.Partial != o.PartialName()
	if p.unnamed && o.Adopt {
		o.sweep()
	}
	return p, nil
}

func create(o Output) (*Partial, error) {
	p, err := open(o, os.O_CREATE, 0, 0)
	if err != nil {
		return nil, err
	}
	p.unnamed = true
	if o.Mode != 0 {
		if err := p.file.Chmod(o.Mode); err != nil {
			return nil, errors.Join(trouble("set the permissions of", p.file.Name(), err), p.Close())
		}
	}
	return p, nil
}

// open opens the partial file of this epoch and cuts it back to size. The file is locked as long as it is open, so that
// two writers of one output, in whatever step or process of the instance, find each other. What is no regular file is
// not opened: writing through a link would change somebody else's file.
func open(o Output, flag int, size int64, sum uint32) (*Partial, error) {
	path := o.partialPath()
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Environment, "%s is in the way, and is not a regular file", path).
			WithHint("remove it: the unfinished output is written there")
	}
	f, err := o.Disk.openForWriting(path, flag)
	if err != nil {
		return nil, trouble("open", path, err)
	}
	p := &Partial{output: o, file: f, size: size, ahead: size, sum: sum, unsynced: true}
	if err := p.claim(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Partial) claim() error {
	if err := flock(p.file.Fd(), exclusive); errors.Is(err, ErrHeld) {
		return fault.New(fault.Definition, "output %s is being written by another writer of this job", p.output.Path).
			WithHint("give each writer a path of its own")
	}
	info, err := p.file.Stat()
	if err != nil {
		return trouble("look up", p.file.Name(), err)
	}
	if info.Size() < p.size {
		return &LostError{p.file.Name(), fmt.Sprintf("has %d bytes instead of at least %d", info.Size(), p.size)}
	}
	if info.Size() > p.size {
		if err := p.file.truncate(p.size); err != nil {
			return trouble("truncate", p.file.Name(), err)
		}
	}
	_, err = p.file.Seek(p.size, io.SeekStart)
	return trouble("seek in", p.file.Name(), err)
}

// Mark covers everything written so far, buffered or not.
func (p *Partial) Mark() Mark {
	name := p.recorded
	if name == "" {
		name = p.output.PartialName()
	}
	return Mark{Path: p.output.Path, Partial: name, Size: p.size, Sum: p.sum, Head: p.head, Target: p.before}
}

// Path returns the final name.
func (p *Partial) Path() string { return p.output.Path }

// Write appends all of b, to the buffer at first.
func (p *Partial) Write(b []byte) (int, error) {
	if err := p.usable(); err != nil {
		return 0, err
	}
	if len(p.buffer)+len(b) > bufferSize {
		if err := p.drain(); err != nil {
			return 0, err
		}
	}
	p.size += int64(len(b))
	p.sum = crc32.Update(p.sum, castagnoli, b)
	p.unsynced = true
	if len(b) >= bufferSize {
		return len(b), p.put(b)
	}
	if p.buffer == nil {
		p.buffer = make([]byte, 0, bufferSize)
	}
	p.buffer = append(p.buffer, b...)
	return len(b), nil
}

func (p *Partial) usable() error {
	if p.broken == nil && p.file == nil {
		return fault.New(fault.Internal, "write %s: it is published or closed", p.output.Path)
	}
	return p.broken
}

func (p *Partial) drain() error {
	if len(p.buffer) == 0 {
		return nil
	}
	err := p.put(p.buffer)
	p.buffer = p.buffer[:0]
	return err
}

func (p *Partial) put(b []byte) error {
	if err := p.file.write(b); err != nil {
		p.broken = trouble("write", p.file.Name(), err)
		return p.broken
	}
	if p.size-p.ahead >= aheadSize { // the buffer is in the file: its end is p.size
		writeAhead(p.file.File, p.ahead, p.size-p.ahead)
		p.ahead = p.size
	}
	return nil
}

// Sync makes everything written so far durable, and the file's name too.
func (p *Partial) Sync() error {
	if err := p.usable(); err != nil {
		return err
	}
	if err := p.drain(); err != nil {
		return err
	}
	if p.unsynced {
		if err := p.file.sync(); err != nil {
			p.broken = trouble("sync", p.file.Name(), err)
			return p.broken
		}
		p.unsynced = false
	}
	return p.syncName()
}

func (p *Partial) syncName() error {
	if !p.unnamed {
		return nil
	}
	if err := SyncFolder(p.output.Disk, p.output.folder()); err != nil {
		p.broken = err
		return p.broken
	}
	p.unnamed = false
	return nil
}

// Discard gives the file up altogether: for whoever begins anew after a failure. Behind Publish it does nothing.
func (p *Partial) Discard() error {
	if p.file == nil {
		return nil
	}
	err := p.output.Disk.remove(p.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it has its final name already
	}
	return errors.Join(trouble("remove", p.file.Name(), err), p.Close())
}

// Close gives up what was not synced and leaves the partial file to a restart.
func (p *Partial) Close() error {
	released := p.release()
	if p.file == nil {
		return released
	}
	err := unlockAndClose(p.file.File)
	p.file, p.buffer = nil, nil
	return errors.Join(trouble("close", p.output.partialPath(), err), released)
}
