package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// partialEpoch matches what stands behind the owner in the name of a partial file; anyPartial all of such a name.
var (
	partialEpoch = regexp.MustCompile(`^-\d{1,19}\.partial$`)
	anyPartial   = regexp.MustCompile(`^\..+\.[A-Za-z0-9_-]+-\d{1,19}\.partial$`)
)

// IsPartial reports whether a name is that of a partial file, of whatever output and owner.
func IsPartial(name string) bool { return anyPartial.MatchString(name) }

// RemovePartials removes the partial files of an owner in a folder, of whatever output and epoch, and returns their
// paths. One that some process has open is left: its writer lives. A folder that is not there has none.
func RemovePartials(folder, owner string, disk Disk) (removed []string, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, trouble("list", folder, err)
	}
	for _, entry := range entries {
		at := strings.LastIndex(entry.Name(), "."+owner+"-")
		if at < 1 || entry.Name()[0] != '.' || !partialEpoch.MatchString(entry.Name()[at+1+len(owner):]) || !entry.Type().IsRegular() {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		gone, err := removeUnused(path, disk)
		if err != nil {
			return removed, err
		}
		if gone {
			removed = append(removed, path)
		}
	}
	return removed, nil
}

// removeUnused removes a file that nobody has locked.
func removeUnused(path string, disk Disk) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, trouble("open", path, err)
	}
	defer f.Close()
	if err := flock(f.Fd(), exclusive); errors.Is(err, ErrHeld) {
		return false, nil
	}
	if err := disk.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, trouble("remove", path, err)
	}
	return true, nil
}

// PartialFolder returns the folder that an output's partial files lie in: that of the file which path, where it is a
// symbolic link, stands for.
func PartialFolder(path string) string {
	if target, err := follow(filepath.Clean(path)); err == nil {
		path = target
	}
	return filepath.Dir(path)
}
