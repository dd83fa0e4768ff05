package files

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"batchctl/pkg/fault"
)

// joining is a finished file that is being added to a target. Its name says everything about it, so that whoever finds
// it can bring it to its end: .NAME.HASH.BEFORE-SKIP-SIZE-CRC.joining.
type joining struct {
	path   string
	before int64  // size of the target when it began
	skip   int64  // bytes at the beginning of the file that are not added
	size   int64  // of the file
	sum    uint32 // of the file, CRC-32C
}

const joiningSuffix = ".joining"

// joiningName matches what stands behind the prefix.
var joiningName = regexp.MustCompile(`^[0-9a-f]{16}\.(\d{1,19})-(\d{1,19})-(\d{1,19})-([0-9a-f]{8})\.joining$`)

// joiningPrefix is the same for all that add to a file, whatever their owner is.
func (o Output) joiningPrefix() string {
	const room = maxName - len(".") - len(".0123456789abcdef.") - 3*len("1234567890123456789-") - len("01234567") - len(joiningSuffix)
	return "." + shortened(filepath.Base(o.Path), room) + "."
}

// joining is what a mark's file becomes when it is added to a target of a size.
func (o Output) joining(at Mark, before int64) joining {
	j := joining{before: before, size: at.Size, sum: at.Sum}
	if before > 0 {
		j.skip = at.Head
	}
	hash := fnv.New64a()
	hash.Write([]byte(at.Partial))
	name := fmt.Sprintf("%s%016x.%d-%d-%d-%08x%s", o.joiningPrefix(), hash.Sum64(), j.before, j.skip, j.size, j.sum, joiningSuffix)
	j.path = filepath.Join(o.folder(), name)
	return j
}

// joinings returns those that an owner has begun and not ended. The protocol leaves one at most.
func (o Output) joinings() ([]joining, error) {
	folder, err := os.Open(o.folder())
	if err != nil {
		return nil, trouble("list", o.folder(), err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, trouble("list", o.folder(), err)
	}
	var all []joining
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, o.joiningPrefix())
		if !ok {
			continue
		}
		if j, ok := parseJoining(rest); ok {
			j.path = filepath.Join(o.folder(), name)
			all = append(all, j)
		}
	}
	return all, nil
}

func parseJoining(rest string) (j joining, ok bool) {
	parts := joiningName.FindStringSubmatch(rest)
	if parts == nil {
		return j, false
	}
	for i, number := range []*int64{&j.before, &j.skip, &j.size} {
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil {
			return j, false
		}
		*number = n
	}
	sum, err := strconv.ParseUint(parts[4], 16, 32)
	j.sum = uint32(sum)
	return j, err == nil
}

// A tail is what a target has behind the size it had when a joining began.
type tail int

const (
	torn    tail = iota // a beginning of what is to be added, or nothing
	whole               // all of it; something else may follow
	foreign             // something else
)

// compare says what of content stands in added, which is as long as the target goes. What a power cut took out of it, in
// the middle too, reads as NUL, and counts as a part of content that is not there yet.
func compare(content, added io.Reader, contentSize, addedSize int64) (tail, error) {
	a, b := make([]byte, copySize), make([]byte, copySize)
	lost := false
	for at := int64(0); at < min(contentSize, addedSize); {
		n := min(copySize, contentSize-at, addedSize-at)
		if _, err := io.ReadFull(content, a[:n]); err != nil {
			return foreign, err
		}
		if _, err := io.ReadFull(added, b[:n]); err != nil {
			return foreign, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			if !sameOrLost(a[:n], b[:n]) {
				return foreign, nil
			}
			lost = true
		}
		at += n
	}
	switch {
	case addedSize < contentSize, lost && addedSize == contentSize:
		return torn, nil
	case lost:
		return foreign, nil
	}
	return whole, nil
}

const copySize = 128 << 10

func sameOrLost(want, found []byte) bool {
	for i, c := range found {
		if c != want[i] && c != 0 {
			return false
		}
	}
	return true
}

// refuse is the error for a target that has become something else since a joining began.
func (j joining) refuse(target, how string, args ...any) error {
	return fault.New(fault.Environment, "%s was %d bytes long when records began to be added to it, and %s",
		target, j.before, fmt.Sprintf(how, args...)).WithCode("foreign_tail").
		WithHint("put it back as it was (a beginning of %d bytes is enough), then restart; the records to be added are in %s", j.before, j.path)
}
