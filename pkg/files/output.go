package files

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/fault"
)

// Output says which file is to be made, by whom.
type Output struct {
	Path    string      // the final name, absolute
	Owner   string      // a text of [A-Za-z0-9_-] that is the job instance's alone
	Epoch   int64       // which claim of the step this is, from 1
	Adopt   bool        // earlier owners are known to be dead: their partial files may be renamed
	Replace bool        // a file of the final name may be replaced when publishing; otherwise it is an error
	Append  bool        // publishing adds to the file of the final name, in one piece; Replace does not count
	Mode    fs.FileMode // the permissions of a new file; 0: those that the umask leaves
	Disk    Disk
}

// Check says what is wrong with the path without looking at it.
func (o Output) Check() error {
	if o.Path == "-" {
		return fault.New(fault.Definition, "standard output cannot be a step's output: it cannot be cut back to a checkpoint").
			WithHint("name a file")
	}
	if o.Path == "" || os.IsPathSeparator(o.Path[len(o.Path)-1]) {
		return fault.New(fault.Definition, "%q names a folder, not a file", o.Path)
	}
	return nil
}

// place returns the output with its path cleared up: where a symbolic link stands at Path, the file that it points to
// is the one that is made, so that the link stays. What is no regular file (a folder, a device, a pipe) is refused: it
// cannot be cut back to a checkpoint, nor replaced by renaming.
func (o Output) place() (Output, error) {
	if err := o.Check(); err != nil {
		return o, err
	}
	path, err := follow(filepath.Clean(o.Path))
	if err != nil {
		return o, trouble("look up", o.Path, err)
	}
	o.Path = path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		return o, trouble("look up", path, err)
	case info.IsDir():
		return o, fault.New(fault.Environment, "output %s is a folder", path).WithHint("name a file in it")
	case !info.Mode().IsRegular():
		return o, fault.New(fault.Environment, "output %s is not a regular file: it cannot be cut back to a checkpoint", path).
			WithHint("name a file, or use the writer discard where the records are not needed")
	}
	return o, nil
}

// maxLinks is how many symbolic links in a row are followed, as on Linux (path_resolution(7)).
const maxLinks = 40

// follow returns the file that path, a symbolic link or not, stands for; it need not exist.
func follow(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			folder, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			target = filepath.Join(folder, target)
		}
		path = target
	}
	return "", errors.New("too many symbolic links")
}

const partialSuffix = ".partial"

// maxName is how long a file's name may be, in bytes, on the usual file systems.
const maxName = 255

// PartialName is .NAME.OWNER-EPOCH.partial: hidden, so that globs miss it, and an epoch's own, so that an owner that lost
// the step writes where nobody reads. A long NAME is cut and told apart by a hash.
func (o Output) PartialName() string {
	return o.partialPrefix() + strconv.FormatInt(o.Epoch, 10) + partialSuffix
}

func (o Output) partialPrefix() string {
	const digits = 19 // of an epoch
	room := maxName - len("."+"."+"-"+o.Owner+partialSuffix) - digits
	return "." + shortened(filepath.Base(o.Path), room) + "." + o.Owner + "-"
}

// shortened returns a file's name in so many bytes at most; what is cut off is replaced by a hash of the name.
func shortened(name string, room int) string {
	if len(name) <= room {
		return name
	}
	hash := fnv.New64a()
	hash.Write([]byte(name))
	mark := fmt.Sprintf("~%016x", hash.Sum64())
	cut := max(0, room-len(mark))
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + mark
}

func (o Output) folder() string { return filepath.Dir(o.Path) }

func (o Output) partialPath() string { return filepath.Join(o.folder(), o.PartialName()) }

// partials returns the names of all partial files of this output and owner, of any epoch.
func (o Output) partials() ([]string, error) {
	folder, err := os.Open(o.folder())
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	all, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	prefix := o.partialPrefix()
	for _, name := range all {
		epoch, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if epoch, ok = strings.CutSuffix(epoch, partialSuffix); !ok {
			continue
		}
		if _, err := strconv.ParseUint(epoch, 10, 63); err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// sweep removes the partial files of other epochs: for room, and so that an earlier owner that still lives finds nothing
// to publish. Those of later epochs belong to whoever took the step over, unless all others are known to be dead. What
// cannot be removed stays.
func (o Output) sweep() {
	if o.Epoch <= 1 {
		return
	}
	names, err := o.partials()
	if err != nil {
		return
	}
	for _, name := range names {
		if epoch := o.epochOf(name); epoch < o.Epoch || o.Adopt && epoch > o.Epoch {
			_ = o.Disk.remove(filepath.Join(o.folder(), name))
		}
	}
}

// epochOf returns the epoch in the name of a partial file of this output and owner.
func (o Output) epochOf(name string) int64 {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, o.partialPrefix()), partialSuffix)
	epoch, _ := strconv.ParseInt(digits, 10, 64) // partials found it to be a number
	return epoch
}

// vacant returns an error where a file of the final name exists that must not be replaced.
func (o Output) vacant() error {
	if o.Replace || o.Append {
		return nil
	}
	if _, err := os.Lstat(o.Path); err == nil {
		return o.occupied()
	}
	return nil
}

func (o Output) occupied() error {
	return fault.Wrap(fault.Environment, fs.ErrExist, "output %s", o.Path).
		WithHint("move it away, or set exists: replace on the writer")
}
