package tasklets

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// member is a file on its way into an archive.
type member struct{ path, name string }

// packer puts files into one.
type packer interface {
	add(ctx context.Context, m member, info fs.FileInfo, from io.Reader) error
	Close() error
}

// archive puts the files into one, which appears when it is complete.
func (f *filesTasklet) archive(ctx context.Context, d *done) (err error) {
	to := string(f.conf.To)
	kind, err := archiveKind(to)
	if err != nil {
		return err
	}
	members, err := f.members()
	if err != nil {
		return err
	}
	if (kind == "gz" || kind == "zst") && len(members) != 1 {
		return fault.New(fault.Definition, "%s holds one file, and archive names %d", f.name(to), len(members)).
			WithHint("name it .tar.%s or .zip", kind)
	}
	p, err := files.Begin(f.output(to))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Discard()) }() // does nothing behind Publish
	pack, err := newPacker(kind, p)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := f.pack(ctx, pack, m, d); err != nil {
			return err
		}
	}
	if err := pack.Close(); err != nil {
		return err
	}
	d.path = f.name(to)
	return p.Publish()
}

func (f *filesTasklet) pack(ctx context.Context, pack packer, m member, d *done) error {
	file, err := files.OpenRegular(m.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return trouble("look up", f.name(m.path), err)
	}
	d.add("", info.Size())
	if err := pack.add(ctx, m, info, file); !errors.Is(err, tar.ErrWriteTooLong) {
		return err
	}
	return fault.New(fault.Environment, "%s grew while it was archived", f.name(m.path)).WithHint("restart when nobody writes it")
}

// archiveKind says what is to be made, by the name.
func archiveKind(path string) (string, error) {
	name := strings.ToLower(filepath.Base(path))
	for _, k := range []struct{ ending, kind string }{
		{".zip", "zip"}, {".tar.gz", "tar.gz"}, {".tgz", "tar.gz"}, {".tar.zst", "tar.zst"}, {".tar", "tar"}, {".gz", "gz"}, {".zst", "zst"},
	} {
		if strings.HasSuffix(name, k.ending) {
			return k.kind, nil
		}
	}
	return "", fault.New(fault.Definition, "the name %q does not say what archive to make", filepath.Base(path)).
		WithHint("let it end with .zip, .tar, .tar.gz, .tgz, .tar.zst, .gz or .zst")
}

// members returns the files with their names in the archive: their paths below the folder that a pattern begins with.
func (f *filesTasklet) members() ([]member, error) {
	var all []member
	taken := map[string]string{}
	for _, p := range f.conf.Archive {
		found, err := f.find(config.Paths{p})
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if all, err = f.under(all, path, rootOf(string(p))); err != nil {
				return nil, err
			}
		}
	}
	all = slices.DeleteFunc(all, func(m member) bool { return m.path == filepath.Clean(string(f.conf.To)) })
	for _, m := range all {
		if other, twice := taken[m.name]; twice && other != m.path {
			return nil, fault.New(fault.Definition, "%s and %s would both be %s in the archive", f.name(other), f.name(m.path), m.name).
				WithHint("name the folder that both lie in")
		}
		taken[m.name] = m.path
	}
	return all, nil
}

// rootOf returns the folder before the first part of a path that is a pattern; of a plain path its own folder.
func rootOf(path string) string {
	root := filepath.Dir(path)
	for files.IsPattern(root) {
		root = filepath.Dir(root)
	}
	return root
}

// under adds a file, or all files in a folder, with names below root. Links are followed where they are named, and left out
// within folders; so are unfinished outputs, among which this very archive may be, of an attempt that died.
func (f *filesTasklet) under(all []member, path, root string) ([]member, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, trouble("look up", f.name(path), err)
	}
	if !info.IsDir() {
		name, err := filepath.Rel(root, path)
		return append(all, member{path, filepath.ToSlash(name)}), err
	}
	err = filepath.WalkDir(path, func(below string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || files.IsPartial(entry.Name()) {
			return err
		}
		name, err := filepath.Rel(root, below)
		all = append(all, member{below, filepath.ToSlash(name)})
		return err
	})
	return all, trouble("list", f.name(path), err)
}

func newPacker(kind string, to io.Writer) (packer, error) {
	switch kind {
	case "zip":
		return &zipPacker{zip.NewWriter(to)}, nil
	case "tar":
		return &tarPacker{Writer: tar.NewWriter(to)}, nil
	case "tar.gz", "gz":
		z := gzip.NewWriter(to)
		if kind == "gz" {
			return &streamPacker{z}, nil
		}
		return &tarPacker{tar.NewWriter(z), z}, nil
	}
	z, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
	if err != nil || kind == "zst" {
		return &streamPacker{z}, err
	}
	return &tarPacker{tar.NewWriter(z), z}, nil
}

type zipPacker struct{ *zip.Writer }

func (z *zipPacker) add(ctx context.Context, m member, info fs.FileInfo, from io.Reader) error {
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	header.Name, header.Method = m.name, zip.Deflate
	to, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	return files.Pour(ctx, to, from, m.path)
}

type tarPacker struct {
	*tar.Writer
	below io.Closer // the compressor; nil where there is none
}

func (t *tarPacker) add(ctx context.Context, m member, info fs.FileInfo, from io.Reader) error {
	// Neither owner nor group: names and numbers of this host mean nothing on another one.
	header := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	return files.Pour(ctx, t.Writer, from, m.path)
}

func (t *tarPacker) Close() error {
	err := t.Writer.Close()
	if t.below != nil {
		err = errors.Join(err, t.below.Close())
	}
	return err
}

// streamPacker compresses one file.
type streamPacker struct{ io.WriteCloser }

func (s *streamPacker) add(ctx context.Context, m member, _ fs.FileInfo, from io.Reader) error {
	return files.Pour(ctx, s.WriteCloser, from, m.path)
}
