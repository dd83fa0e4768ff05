package tasklets

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// checksumConf says which checksums to verify, or to write.
type checksumConf struct {
	Path  config.Paths `yaml:"path" help:"the files; without it all that list names"`
	Sum   string       `yaml:"sum" help:"the checksum that path, one file, has to have, in hexadecimal: SHA-256, or by its length MD5, SHA-1 or SHA-512"`
	List  config.Path  `yaml:"list" help:"a file of checksums to verify, as sha256sum writes it; names are relative to its folder"`
	Write config.Path  `yaml:"write" help:"a file of checksums (SHA-256) to make, as sha256sum writes it"`
}

// hashes are the algorithms by the number of hexadecimal digits of their sums.
var hashes = map[int]func() hash.Hash{32: md5.New, 40: sha1.New, 64: sha256.New, 128: sha512.New}

// summed is a file with the checksum that it has to have.
type summed struct{ path, sum string }

// check refuses what would verify nothing. known says that all values are, not only those that checking knows.
func (c *checksumConf) check(known bool) error {
	ways := 0
	for _, there := range []bool{c.Sum != "", c.List != "", c.Write != ""} {
		if there {
			ways++
		}
	}
	switch {
	case ways > 1 || ways == 0 && known:
		return fault.New(fault.Definition, "tasklet files: checksum takes one of sum, list, write")
	case len(c.Path) == 0 && (c.Sum != "" || c.Write != ""):
		return fault.New(fault.Definition, "tasklet files: checksum needs path: the files that sum and write are about")
	}
	return nil
}

func (f *filesTasklet) checksum(ctx context.Context, d *done) error {
	if f.conf.Checksum.Write != "" {
		return f.writeSums(ctx, d)
	}
	all, err := f.expected()
	if err != nil {
		return err
	}
	for _, one := range all {
		got, size, err := sumOf(ctx, one.path, hashes[len(one.sum)])
		if err != nil {
			return err
		}
		if !strings.EqualFold(got, one.sum) {
			return fault.New(fault.Validation, "%s has the checksum %s, and should have %s", f.name(one.path), got, strings.ToLower(one.sum)).
				WithCode("checksum_mismatch").WithHint("get the file again: it is not the one that the checksum was made of")
		}
		d.add(f.name(one.path), size)
	}
	return nil
}

// expected returns the files to verify.
func (f *filesTasklet) expected() ([]summed, error) {
	c := f.conf.Checksum
	named, err := f.find(c.Path)
	if err != nil {
		return nil, err
	}
	if c.Sum != "" {
		if !isSum(c.Sum) {
			return nil, fault.New(fault.Definition, "tasklet files: sum is no checksum of MD5, SHA-1, SHA-256 or SHA-512: %q", c.Sum)
		}
		if len(named) > 1 {
			return nil, fault.New(fault.Definition, "tasklet files: sum is that of one file, and path names %d", len(named)).WithHint("use list: a file of checksums")
		}
		return pairs(named, c.Sum), nil
	}
	listed, err := f.readSums(string(c.List), named)
	if err != nil || len(c.Path) == 0 {
		return listed, err
	}
	return f.choose(named, listed)
}

func pairs(paths []string, sum string) (all []summed) {
	for _, p := range paths {
		all = append(all, summed{p, sum})
	}
	return all
}

// choose returns the entries of a list that are about some files: by their paths, else by their names, since lists are
// often made in another folder.
func (f *filesTasklet) choose(named []string, listed []summed) (all []summed, err error) {
	for _, path := range named {
		at := slices.IndexFunc(listed, func(l summed) bool { return l.path == path })
		if at < 0 {
			at = slices.IndexFunc(listed, func(l summed) bool { return filepath.Base(l.path) == filepath.Base(path) })
		}
		if at < 0 {
			return nil, fault.New(fault.Validation, "%s has no checksum in %s", f.name(path), f.name(string(f.conf.Checksum.List))).WithCode("no_checksum")
		}
		all = append(all, summed{path, listed[at].sum})
	}
	return all, nil
}

// sumLine is a line of sha256sum, or of sha256sum --tag; a sum alone is that of the one file that is asked for.
var sumLine = regexp.MustCompile(`^\\?([0-9a-fA-F]{32,128})(?:\s+[ *]?(.+))?$|^[A-Z0-9]+ \((.+)\) = ([0-9a-fA-F]{32,128})$`)

// escaped is how sha256sum writes a name that would break its line, behind a backslash in front of the sum.
var (
	escaped   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	unescaped = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")
)

// readSums reads a file of checksums. Names are below its folder.
func (f *filesTasklet) readSums(list string, named []string) (all []summed, err error) {
	file, err := files.OpenRegular(list)
	if err != nil {
		return nil, trouble("read the checksums", f.name(list), err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		m := sumLine.FindStringSubmatch(text)
		if m == nil || !isSum(m[1]+m[4]) {
			return nil, fault.New(fault.Parse, "not a checksum with a file's name: %.100q", text).At(fault.Position{File: f.name(list), Line: n})
		}
		sum, name := m[1]+m[4], m[2]+m[3]
		if text[0] == '\\' {
			name = unescaped.Replace(name)
		}
		switch {
		case name == "" && len(named) == 1:
			name = named[0]
		case name == "":
			return nil, fault.New(fault.Parse, "a checksum without a name").At(fault.Position{File: f.name(list), Line: n}).WithHint("name the file that it is of: path")
		case !filepath.IsAbs(name):
			name = filepath.Join(filepath.Dir(list), name)
		}
		all = append(all, summed{name, sum})
	}
	if len(all) == 0 && lines.Err() == nil {
		return nil, fault.New(fault.Validation, "%s holds no checksum", f.name(list)).WithCode("no_checksum")
	}
	return all, trouble("read the checksums", f.name(list), lines.Err())
}

func isSum(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && hashes[len(text)] != nil
}

// writeSums makes a file of checksums, with names relative to its folder.
func (f *filesTasklet) writeSums(ctx context.Context, d *done) (err error) {
	all, err := f.find(f.conf.Checksum.Path)
	if err != nil {
		return err
	}
	list := string(f.conf.Checksum.Write)
	p, err := files.Begin(f.output(list))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Discard()) }() // does nothing behind Publish
	for _, path := range all {
		sum, size, err := sumOf(ctx, path, sha256.New)
		if err != nil {
			return err
		}
		name := path
		if below, err := filepath.Rel(filepath.Dir(list), path); err == nil {
			name = below
		}
		if safe := escaped.Replace(name); safe != name {
			sum, name = `\`+sum, safe
		}
		if _, err := fmt.Fprintf(p, "%s  %s\n", sum, name); err != nil {
			return err
		}
		d.add(f.name(path), size)
	}
	return p.Publish()
}

// sumOf returns the checksum of a file, and its size.
func sumOf(ctx context.Context, path string, algorithm func() hash.Hash) (sum string, size int64, err error) {
	file, err := files.OpenRegular(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", 0, err
	}
	sum, err = sumOfAll(ctx, file, path, algorithm())
	return sum, info.Size(), err
}

func sumOfAll(ctx context.Context, from io.Reader, name string, h hash.Hash) (string, error) {
	err := files.Pour(ctx, h, from, name)
	return hex.EncodeToString(h.Sum(nil)), err
}

// sameContent reports whether two files hold the same; one that is not there does not.
func sameContent(a, b string) (same bool, size int64, err error) {
	one, err := os.Stat(a)
	if err != nil {
		return false, 0, err
	}
	other, err := os.Stat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil || one.Size() != other.Size() || !one.Mode().IsRegular() || !other.Mode().IsRegular() {
		return false, 0, err
	}
	sumA, size, err := sumOf(context.Background(), a, sha256.New)
	if err != nil {
		return false, 0, err
	}
	sumB, _, err := sumOf(context.Background(), b, sha256.New)
	return sumA == sumB, size, err
}
