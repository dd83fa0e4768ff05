package tasklets_test

import (
	"archive/tar"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

func TestResultThatWouldBeReadByARestartIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("all.csv", "id\n1\n")
	p.write("new.csv", "id\n2\n")
	p.refuses("merge", "{path: [all.csv, new.csv], to: all.csv}", fault.Definition, "all.csv is one of the files that it would be made of")
	p.refuses("sort", "{path: [new.csv, all.csv], to: all.csv, by: id}", fault.Definition, "all.csv is one of the files")
	p.holds("all.csv=id\n1\n", "new.csv=id\n2\n")
	for range 2 { // the first of equal rows: again and again the same
		p.does("sort", "{path: [all.csv, new.csv], to: all.csv, by: id desc, unique: true}")
	}
	p.holds("all.csv=id\n2\n1\n", "new.csv=id\n2\n")
	for range 2 {
		p.does("sort", "{path: all.csv, to: all.csv, by: id}")
		p.does("merge", "{path: new.csv, to: new.csv}")
	}
	p.holds("all.csv=id\n1\n2\n", "new.csv=id\n2\n")
}

func TestSplitLeavesWhatItSplits(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("out/orders.csv", "shop\norders\nother\n")
	p.write("out/0002.txt", "a\nb\n")
	p.refuses("split", "{path: out/orders.csv, to: out/*.csv, by: shop}", fault.Definition, "out/orders.csv would be replaced by a part of it")
	p.refuses("split", "{path: out/0002.txt, to: out/*.txt, records: 1}", fault.Definition, "out/0002.txt would be replaced")
	p.holds("out/orders.csv=shop\norders\nother\n", "out/0002.txt=a\nb\n")
}

func TestUnpackGoesOnWithWhatAnAttemptThatDiedHasWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a", "1")
	p.write("b", "22")
	for _, name := range []string{"x.tar.gz", "x.zip"} {
		p.does("files", "{archive: [a, b], to: "+name+"}")
		keys := "{unpack: " + name + ", to: " + name + ".d/, overwrite: false" + counting + "}"
		p.write(name+".d/a", "1")
		p.leaves(p.does("files", keys), "n=2", "b=3")
		p.write(name+".d/b", "23")
		err := p.refuses("files", keys, fault.Environment, name+".d/b")
		if fault.CodeOf(err) != "exists" || p.read(name+".d/b") != "23" {
			t.Errorf("got %v of code %s", err, fault.CodeOf(err))
		}
	}
}

func TestUnpackedFilesAreDurable(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("x.tar", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "sub/deep/a"}, tar.Header{Typeflag: tar.TypeReg, Name: "b"}))
	var synced []string
	p.disk = files.Hooked(func(point, path string) error {
		if point == "syncdir.after" {
			name, _ := filepath.Rel(p.folder, path)
			synced = append(synced, filepath.ToSlash(name))
		}
		return nil
	})
	p.does("files", "{unpack: x.tar, to: to/}")
	for _, folder := range []string{".", "to", "to/sub", "to/sub/deep"} {
		if !slices.Contains(synced, folder) {
			t.Errorf("the names in %s are not durable, only those in %q", folder, synced)
		}
	}
}

func TestArchivesThatAreUnpackedSideBySideStayWhole(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var done sync.WaitGroup
	var failed [4]error
	for i := range failed {
		name := string(rune('a' + i))
		p.write(name, strings.Repeat(name, 3<<20))
		p.does("files", "{archive: "+name+", to: "+name+".zip}")
		done.Go(func() { _, failed[i] = p.run("files", "{unpack: "+name+".zip, to: to/}") })
	}
	done.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		t.Fatal(err)
	}
	for i := range failed {
		if name := string(rune('a' + i)); p.read("to/"+name) != p.read(name) {
			t.Errorf("to/%s is not what was packed", name)
		}
	}
}

func TestArchiveOfAFolderLeavesUnfinishedOutputsOut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in/a", "1")
	p.write("in/.hidden", "2")
	p.write("in/.day.zip.0123456789ab-1.partial", "of an attempt that died")
	p.leaves(p.does("files", "{archive: in, to: in/day.zip"+counting+"}"), "n=2", "b=2")
}
