package tasklets_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

const counting = ", context: {n: count, b: bytes, p: path}"

func TestFilesExist(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in/a.csv", "aa")
	p.write("in/b.csv", "b")
	p.write("in/.hidden.csv", "x")
	p.leaves(p.does("files", "{exists: in/*.csv"+counting+"}"), "n=2", "b=3", `p="in/a.csv"`)
	p.leaves(p.does("files", "{exists: [in/a.csv, in/a.*, in/*.csv]"+counting+"}"), "n=2", "b=3")
	err := p.refuses("files", "{exists: [in/a.csv, in/c.csv, 'out/*']}", fault.Environment, "not there: in/c.csv, out/*")
	if fault.CodeOf(err) != "no_such_file" {
		t.Errorf("got code %s", fault.CodeOf(err))
	}
	if p.pauses != 0 {
		t.Errorf("it waited %d times", p.pauses)
	}
}

func TestFilesAreWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.waited = func(n int) {
		if n == 3 {
			p.write("in/a.csv", "a")
		}
	}
	p.does("files", "{exists: in/a.csv, wait: 10m, poll: 10s}")
	if p.pauses != 3 || len(p.notices) != 1 || !strings.Contains(p.notices[0], "in/a.csv") {
		t.Errorf("it waited %d times, and said %q", p.pauses, p.notices)
	}
	p.pauses, p.waited = 0, nil
	p.refuses("files", "{exists: in/b.csv, wait: 25s, poll: 10s}", fault.Environment, "not there after 25s: in/b.csv")
	if p.pauses != 3 {
		t.Errorf("it waited %d times", p.pauses)
	}
}

func TestFilesThatAreBeingWrittenDoNotCount(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a", "1")
	p.waited = func(n int) {
		if n <= 4 {
			p.write("a", strings.Repeat("1", n+1))
		}
	}
	p.leaves(p.does("files", "{exists: a, stable: 20s, wait: 10m, poll: 10s"+counting+"}"), "b=5")
	if p.pauses < 6 {
		t.Errorf("it waited %d times", p.pauses)
	}
	p.pauses, p.waited = 0, nil
	old := p.clock.Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(p.folder, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	p.refuses("files", "{exists: a, min_age: 2m}", fault.Environment, "a (changed less than 2m ago)")
	p.does("files", "{exists: a, min_age: 2m, wait: 5m, poll: 30s}")
	p.refuses("files", "{exists: a, stable: 2m}", fault.Definition, "needs a longer wait")
}

func TestFilesAreCopied(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in/a.csv", "a")
	p.write("in/b.csv", "b")
	if err := os.Chmod(filepath.Join(p.folder, "in/a.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.leaves(p.does("files", "{copy: in/*.csv, to: done/x"+counting+"}"), "n=2", "b=2", `p="done/x/a.csv"`)
		p.does("files", "{copy: in/a.csv, to: done/y}")
		p.does("files", "{copy: in/b.csv, to: done/z/, overwrite: false}")
	}
	p.holds("in/a.csv=a", "in/b.csv=b", "done/x/a.csv=a", "done/x/b.csv=b", "done/y=a", "done/z/b.csv=b")
	if info, err := os.Stat(filepath.Join(p.folder, "done/y")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("permissions: %v %v", info.Mode(), err)
	}
	p.write("in/b.csv", "other")
	p.refuses("files", "{copy: in/b.csv, to: done/z/, overwrite: false}", fault.Environment, "file already exists")
	p.refuses("files", "{copy: in/c.csv, to: done/}", fault.Environment, "find in/c.csv")
	p.refuses("files", "{copy: in/c*.csv, to: done/}", fault.Environment, "no file matches in/c*.csv")
	p.does("files", "{copy: [in/c.csv, in/c*.csv], to: done/, on_missing: skip}")
	p.refuses("files", "{copy: in/a.csv, to: in/a.csv}", fault.Definition, "onto itself")
	p.write("more/a.csv", "m")
	p.refuses("files", "{copy: [in/a.csv, more/a.csv], to: done/}", fault.Definition, "in/a.csv and more/a.csv would both become done/a.csv")
	p.refuses("files", "{copy: in, to: done/}", fault.Environment, "not a regular file")
}

func TestFilesAreMoved(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in/a.csv", "a")
	p.write("in/b.csv", "b")
	c := p.does("files", "{move: in/*.csv, to: done/"+counting+"}")
	p.leaves(c, "n=2", `p="done/a.csv"`)
	p.holds("done/a.csv=a", "done/b.csv=b")
	p.refuses("files", "{move: in/*.csv, to: done/}", fault.Environment, "no file matches")

	// A restart goes on with the files that were noted, and with no others.
	again := &batch.Contribution{Earlier: c.Kept}
	p.write("in/b.csv", "late")
	p.write("in/c.csv", "not noted")
	if err := p.runAgain("files", "{move: in/*.csv, to: done/"+counting+"}", again); err != nil {
		t.Fatal(err)
	}
	p.leaves(again, "n=2", "b=5")
	p.holds("done/a.csv=a", "done/b.csv=late", "in/c.csv=not noted")
	// Another definition does not.
	again = &batch.Contribution{Earlier: c.Kept}
	if err := p.runAgain("files", "{move: in/*.csv, to: other/}", again); err != nil {
		t.Fatal(err)
	}
	p.holds("done/a.csv=a", "done/b.csv=late", "other/c.csv=not noted")

	p.write("x", "1")
	p.write("y", "2")
	p.refuses("files", "{move: x, to: y, overwrite: false}", fault.Environment, "file already exists")
	p.does("files", "{move: x, to: y}")
	p.holds("done/a.csv=a", "done/b.csv=late", "other/c.csv=not noted", "y=1")
}

func TestFilesAreMovedToAnotherFileSystem(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "batchctl-test-")
	if err != nil {
		t.Skip("there is no other file system")
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	p := newPlace(t)
	p.write("a", "text")
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(p.folder, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	p.does("files", "{move: a, to: "+other+"/b/c, overwrite: false}")
	p.holds()
	info, err := os.Stat(other + "/b/c")
	if err != nil || info.Size() != 4 || !info.ModTime().Equal(old) {
		t.Errorf("got %v %v", info, err)
	}
	// An attempt that died between the copy and the removal.
	p.write("a", "text")
	p.does("files", "{move: a, to: "+other+"/b/c, overwrite: false}")
	p.holds()
}

func TestFilesAreDeleted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("tmp/a", "aa")
	p.write("tmp/b", "b")
	p.write("tmp/sub/c", "c")
	p.write("tmp/.keep", "")
	p.leaves(p.does("files", "{delete: [tmp/*, nowhere/x]"+counting+"}"), "n=2", "b=3")
	p.leaves(p.does("files", "{delete: [tmp/*, nowhere/x]"+counting+"}"), "n=0", `p=""`)
	p.holds("tmp/sub/c=c", "tmp/.keep=")
	p.refuses("files", "{delete: tmp/sub}", fault.Environment, "tmp/sub is a folder")
}

func TestArchivesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"day.zip", "day.tar", "day.tar.gz", "day.tgz", "day.tar.zst"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.write("out/a.csv", "a")
			p.write("out/kr/b.csv", strings.Repeat("b", 1000))
			p.write("out/kr/deep/c.csv", "")
			keys := "{archive: [out/*.csv, out/kr], to: keep/" + name + counting + "}"
			p.leaves(p.does("files", keys), "n=3", "b=1001", `p="keep/`+name+`"`)
			first := p.read("keep/" + name)
			p.does("files", keys)
			if p.read("keep/"+name) != first {
				t.Error("the same files made another archive")
			}
			for range 2 {
				p.leaves(p.does("files", "{unpack: keep/"+name+", to: back"+counting+"}"), "n=3", "b=1001")
			}
			p.does("files", "{delete: [out/*, out/kr/*, out/kr/deep/*, keep/*]}")
			p.holds("back/a.csv=a", "back/kr/b.csv="+strings.Repeat("b", 1000), "back/kr/deep/c.csv=")
			p.refuses("files", "{archive: out/nothing.csv, to: x.zip}", fault.Environment, "out/nothing.csv")
		})
	}
	t.Run("one file", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		p.write("a.csv", "text")
		for _, kind := range []string{"gz", "zst"} {
			p.does("files", "{archive: a.csv, to: keep/a.csv."+kind+"}")
			p.does("files", "{unpack: keep/a.csv."+kind+", to: back/}")
			p.does("files", "{unpack: keep/*."+kind+", to: again}")
			p.does("files", "{unpack: keep/a.csv."+kind+", to: back/b}")
			p.does("files", "{delete: keep/*}")
		}
		p.holds("a.csv=text", "again/a.csv=text", "back/a.csv=text", "back/b=text")
		p.write("b.csv", "text")
		p.refuses("files", "{archive: '*.csv', to: x.gz}", fault.Definition, "x.gz holds one file, and archive names 2")
		p.refuses("files", "{archive: a.csv, to: x.rar}", fault.Definition, "does not say what archive to make")
		p.refuses("files", "{unpack: a.csv, to: x/}", fault.Environment, "a.csv is no archive")
		p.write("sub/a.csv", "")
		p.refuses("files", "{archive: [a.csv, sub/a.csv], to: x.zip}", fault.Definition, "would both be a.csv in the archive")
	})
}

func tarOf(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := "evil"
		if h.Typeflag != tar.TypeReg {
			text = ""
		}
		h.Size, h.Mode = int64(len(text)), 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestArchivesCannotLeaveTheFolder(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]tar.Header{
		"up":            {{Typeflag: tar.TypeReg, Name: "../evil"}},
		"up later":      {{Typeflag: tar.TypeReg, Name: "a/../../evil"}},
		"absolute":      {{Typeflag: tar.TypeReg, Name: "/evil"}},
		"symbolic link": {{Typeflag: tar.TypeSymlink, Name: "link", Linkname: ".."}, {Typeflag: tar.TypeReg, Name: "link/evil"}},
		"hard link":     {{Typeflag: tar.TypeLink, Name: "link", Linkname: "../secret"}},
		"device":        {{Typeflag: tar.TypeChar, Name: "null"}},
		"nothing":       {{Typeflag: tar.TypeReg, Name: "./."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			text := tarOf(t, headers...)
			p.write("x.tar", text)
			p.refuses("files", "{unpack: x.tar, to: sub/}", fault.Environment, "")
			p.holds("x.tar=" + text)
		})
	}
	t.Run("a link that is there", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		p.write("x.tar", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "link/evil"}))
		p.write("sub/here", "")
		if err := os.Symlink("..", filepath.Join(p.folder, "sub/link")); err != nil {
			t.Skip(err)
		}
		p.refuses("files", "{unpack: x.tar, to: sub/}", fault.Environment, "sub/link/evil")
		if _, err := os.Stat(filepath.Join(p.folder, "evil")); err == nil {
			t.Error("the file is outside")
		}
	})
	t.Run("zip", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, name := range []string{`..\evil`, "ok"} {
			to, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := to.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		p.write("x.zip", b.String())
		p.refuses("files", "{unpack: x.zip, to: sub/}", fault.Environment, "leads out of the folder")
		p.holds("x.zip=" + b.String())
	})
}

func TestArchivesThatExpandTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	zeros := make([]byte, 1<<20)
	var zipped, gzipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	to, err := z.Create("bomb")
	if err != nil {
		t.Fatal(err)
	}
	g := gzip.NewWriter(&gzipped)
	for range 80 {
		if _, err := to.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	p.write("x.zip", zipped.String())
	p.write("x.gz", gzipped.String())
	for _, name := range []string{"x.zip", "x.gz"} {
		err := p.refuses("files", "{unpack: "+name+", to: sub/}", fault.Environment, "expands to more than 200 times its size")
		if fault.CodeOf(err) != "max_expansion" {
			t.Errorf("%s: got code %s", name, fault.CodeOf(err))
		}
	}
	p.does("files", "{unpack: x.zip, to: sub/, max_expansion: 2000}")
	if info, err := os.Stat(filepath.Join(p.folder, "sub/bomb")); err != nil || info.Size() != 80<<20 {
		t.Errorf("got %v %v", info, err)
	}
}

// zipOfFolders returns a zip archive with a directory of some bytes and a bit, which names folders and says that it is of
// no file at all.
func zipOfFolders(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if _, err := w.Create(strings.Repeat("d", 49) + "/"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	from, to := strings.Index(text, "PK\x01\x02"), strings.Index(text, "PK\x05\x06")
	all := strings.Repeat(text[from:to], size/(to-from)>>16<<16) // the number of its entries, as the end has it, is 0
	end := []byte(text[to:])
	copy(end[8:], make([]byte, 4))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(all)))
	return text[:from] + all + string(end)
}

func TestDirectoriesOfZipsThatAreTooLargeAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("much.zip", zipOfFolders(t, 14<<20))
	p.write("more.zip", zipOfFolders(t, 40<<20))
	p.leaves(p.does("files", "{unpack: much.zip, to: sub/"+counting+"}"), "n=0")
	err := p.refuses("files", "{unpack: more.zip, to: other/}", fault.Environment, "the directory of more.zip is larger than 16 MiB")
	if fault.CodeOf(err) != "too_large" {
		t.Errorf("got code %s", fault.CodeOf(err))
	}
	if _, err := os.Stat(filepath.Join(p.folder, "other")); err == nil {
		t.Error("the folder was made")
	}
}

func TestDamagedArchivesAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a", strings.Repeat("abcdefgh", 1000))
	for _, name := range []string{"x.zip", "x.tar", "x.tgz"} {
		p.does("files", "{archive: a, to: "+name+"}")
		text := p.read(name)
		p.write(name, text[:len(text)/2])
		p.refuses("files", "{unpack: "+name+", to: sub/}", fault.Environment, name)
	}
	if _, err := os.Stat(filepath.Join(p.folder, "sub/a")); err == nil {
		t.Error("a part of a file has its name")
	}
}

func TestChecksumsAreVerified(t *testing.T) {
	t.Parallel()
	const (
		sumA  = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" // of "a"
		md5A  = "0cc175b9c0f1b6a831c399e269772661"
		sumBB = "3b64db95cb55c763391c707108489ae18b4112d783300de38e033b4c98c3deaf" // of "bb"
	)
	p := newPlace(t)
	p.write("in/a", "a")
	p.write("in/b c", "bb")
	p.does("files", "{checksum: {path: in/a, sum: "+strings.ToUpper(sumA)+"}}")
	p.does("files", "{checksum: {path: in/a, sum: "+md5A+"}}")
	err := p.refuses("files", "{checksum: {path: in/a, sum: "+sumBB+"}}", fault.Validation, "in/a has the checksum "+sumA+", and should have "+sumBB)
	if fault.CodeOf(err) != "checksum_mismatch" {
		t.Errorf("got code %s", fault.CodeOf(err))
	}
	p.write("in/SUMS", "# two\n"+sumA+"  a\r\n\n"+sumBB+" *b c\n")
	p.leaves(p.does("files", "{checksum: {list: in/SUMS}"+counting+"}"), "n=2", "b=3")
	p.leaves(p.does("files", "{checksum: {list: in/SUMS, path: in/b*}"+counting+"}"), "n=1")
	p.write("in/a.sha256", sumA+"\n")
	p.does("files", "{checksum: {list: in/a.sha256, path: in/a}}")
	p.write("in/tags", "SHA256 (a) = "+sumA+"\n")
	p.does("files", "{checksum: {list: in/tags}}")

	p.refuses("files", "{checksum: {list: in/SUMS, path: in/tags}}", fault.Validation, "in/tags has no checksum in in/SUMS")
	p.refuses("files", "{checksum: {list: in/a.sha256}}", fault.Parse, "in/a.sha256:1: a checksum without a name")
	p.write("in/wrong", "hello\n")
	p.refuses("files", "{checksum: {list: in/wrong}}", fault.Parse, "in/wrong:1: not a checksum")
	p.write("in/empty", "\n")
	p.refuses("files", "{checksum: {list: in/empty}}", fault.Validation, "holds no checksum")
	p.refuses("files", "{checksum: {path: in/a, sum: abc}}", fault.Definition, "sum is no checksum")
	p.refuses("files", "{checksum: {path: in/*, sum: "+sumA+"}}", fault.Definition, "sum is that of one file")
	p.refuses("files", "{checksum: {path: in/a}}", fault.Definition, "takes one of sum, list, write")
	p.refuses("files", "{checksum: {path: in/a, sum: abc, write: b}}", fault.Definition, "takes one of sum, list, write")
	p.refuses("files", "{checksum: {sum: "+sumA+"}}", fault.Definition, "checksum needs path")
	p.refuses("files", "{checksum: {write: in/NEW}}", fault.Definition, "checksum needs path")
	p.write("SUMS", sumBB+"  other/a\n"+sumA+"  in/a\n")
	p.does("files", "{checksum: {list: SUMS, path: in/a}}")

	p.does("files", "{checksum: {path: [in/a, in/b*], write: in/NEW}}")
	if got, want := p.read("in/NEW"), sumA+"  a\n"+sumBB+"  b c\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.does("files", "{checksum: {list: in/NEW}}")
	if runtime.GOOS != "windows" { // which has no such names
		p.write("odd/a\\\nb", "a")
		p.does("files", "{checksum: {path: odd/*, write: SUMS}}")
		if got, want := p.read("SUMS"), `\`+sumA+`  odd/a\\\nb`+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		p.leaves(p.does("files", "{checksum: {list: SUMS}"+counting+"}"), "n=1")
	}
}

func TestFilesTaskletRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for keys, want := range map[string]string{
		"{exists: a, delete: b}":                "exists and delete are two things",
		"{to: b}":                               "there is nothing to do",
		"{copy: a}":                             "copy needs to",
		"{delete: a, to: b}":                    "delete goes nowhere",
		"{exists: a, poll: 0s}":                 "poll has to be more",
		"{unpack: a, to: b, max_expansion: -1}": "max_expansion is negative",
		"{exists: a, context: {x: nope}}":       "nope",
		"{exists: []}":                          "the list is empty",
	} {
		p.refuses("files", keys, fault.Definition, want)
	}
}
