package readers

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

const (
	firstPart  = "id,name\n1,Kim\n"
	secondPart = "2,\"이\n하나\"\n3,Park\n4,x\n5,y\n"
	// bzipped1 and bzipped2 are the parts as bzip2 compresses them.
	bzipped1 = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x71\x00\xb7\x0b\x00\x00\x04\xdd\x00\x00\x10\x00\x04\x20\x00\x00\x08\x26\x23\x20\x00\x31\x00\x30\x20\x34\xd3\x21\x43\x86\xb6\x42\xc6\x7c\x5d\xc9\x14\xe1\x42\x41\xc4\x02\xdc\x2c"
	bzipped2 = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xd5\xc6\x21\x8f\x00\x00\x05\xdb\xe9\x00\x10\x10\x04\x1e\x00\x40\x00\x20\x08\x10\x60\x10\x00\x02\x42\x04\x00\x00\x0e\x20\x00\x31\x40\xd3\x43\x23\x26\x21\x10\x01\x9a\x83\x26\x82\x46\x17\xb7\xc6\x4d\x10\x8a\xa3\x7b\x99\x33\xab\x3b\xf3\xc3\xe2\xee\x48\xa7\x0a\x12\x1a\xb8\xc4\x31\xe0"
)

var partRows = []string{`id=int:1 name=text:"Kim"`, `id=int:2 name=text:"이\n하나"`, `id=int:3 name=text:"Park"`, `id=int:4 name=text:"x"`, `id=int:5 name=text:"y"`}

// gzipped returns the texts as one member each.
func gzipped(t testing.TB, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// zstandard returns the texts as one frame each.
func zstandard(t testing.TB, texts ...string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, text := range texts {
		b = w.EncodeAll([]byte(text), b)
	}
	return string(b)
}

func encoded(t testing.TB, name, text string) string {
	t.Helper()
	e, err := files.EncodingOf(name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompressedAndEncodedFilesKeepTheContract(t *testing.T) {
	t.Parallel()
	const whole = firstPart + secondPart
	long := whole + strings.Repeat("6,가나다라마바사아자차카타파하\n", 3)
	for _, c := range []struct {
		name, yaml, text string
		rows             []string
	}{
		{"gzip", "", gzipped(t, firstPart, secondPart), partRows},
		{"gzip with an empty member", "", gzipped(t, firstPart, "", secondPart, ""), partRows},
		{"gzip, asked for", ", compression: gzip", gzipped(t, whole), partRows},
		{"zstd", "", zstandard(t, firstPart, secondPart), partRows},
		{"bzip2", "", bzipped1 + bzipped2, partRows},
		{"utf-16 little endian by its mark", "", "\xff\xfe" + encoded(t, "utf-16le", whole), partRows},
		{"utf-16 big endian by its mark", ", encoding: UTF-16", "\xfe\xff" + encoded(t, "utf-16be", whole), partRows},
		{"utf-16le without a mark", ", encoding: utf-16le", encoded(t, "utf-16le", whole), partRows},
		{"cp949", ", encoding: CP949", encoded(t, "euc-kr", whole), partRows},
		{"utf-16 in gzip", "", gzipped(t, "\xff\xfe"+encoded(t, "utf-16le", firstPart), encoded(t, "utf-16le", secondPart)), partRows},
		{"cp949 in zstd", ", encoding: ks_c_5601-1987", zstandard(t, encoded(t, "cp949", long)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := folder(t, "in", c.text)
			batchtest.Reader(t, batchtest.ReaderCase{
				New: maker(t, base, "{type: csv, path: in, columns: {id: int}"+c.yaml+"}"), Rows: c.rows,
			})
		})
	}
	base := folder(t, "a.gz", gzipped(t, firstPart), "b.csv", "id,name\n"+secondPart, "c.zst", zstandard(t, "id,name\n6,z\n"))
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		batchtest.Reader(t, batchtest.ReaderCase{
			New:  maker(t, base, "{type: csv, path: ['[ab].*', c.zst], columns: {id: int}}"),
			Rows: append(partRows[:5:5], `id=int:6 name=text:"z"`),
		})
	})
	objects := folder(t, "in", gzipped(t, "{\"a\":1}\n{\"b\":\"", "이\"}\n{}\n"), "array", zstandard(t, "[{\"a\":1},", "\n{\"a\":2}]"))
	t.Run("jsonl", func(t *testing.T) {
		t.Parallel()
		batchtest.Reader(t, batchtest.ReaderCase{New: maker(t, objects, "{type: jsonl, path: in}"), Rows: []string{"a=int:1", `b=text:"이"`, ""}})
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		batchtest.Reader(t, batchtest.ReaderCase{New: maker(t, objects, "{type: json, path: array}"), Rows: []string{"a=int:1", "a=int:2"}})
	})
}

func TestBytesThatAreNotOfTheEncodingAreABadRecord(t *testing.T) {
	t.Parallel()
	good := encoded(t, "cp949", "id,name\n1,가\n")
	base := folder(t, "in", good+"2,\xff\xfe\n"+encoded(t, "cp949", "3,나\n4,")+"\xb0\n5,x\n",
		"half", "\xff\xfe"+encoded(t, "utf-16le", "id\n1\n2\n")+"\x00\xd8\n\x00"+encoded(t, "utf-16le", "3\n")+"4", "header", "n\xffme\n1\n")
	expectRows(t, readAll(t, mustBuild(t, base, "{type: csv, path: in, encoding: cp949}")),
		`id=text:"1" name=text:"가"`, "! in:3:3: bytes that are not cp949", `id=text:"3" name=text:"나"`, "! in:5:3: bytes that are not cp949", `id=text:"5" name=text:"x"`)
	expectRows(t, readAll(t, mustBuild(t, base, "{type: csv, path: half}")),
		`id=text:"1"`, `id=text:"2"`, "! half:4:1: bytes that are not utf-16", `id=text:"3"`, "! half:6:1: bytes that are not utf-16")
	expectRows(t, readAll(t, mustBuild(t, base, "{type: csv, path: header, encoding: cp949}")),
		"!! environment: header:1:2: the header cannot be read: bytes that are not cp949")
	batchtest.Reader(t, batchtest.ReaderCase{
		New:       maker(t, folder(t, "in", good+good[8:]), "{type: csv, path: in, encoding: cp949}"),
		Malformed: maker(t, base, "{type: csv, path: in, encoding: cp949}"), BadLines: []int64{3, 5},
	})
	_, err := build(t, base, "{type: csv, path: in, encoding: cp994}")
	if fault.ClassOf(err) != fault.Definition {
		t.Errorf("got %v", err)
	}
	expectHint(t, err, "cp949")
}

func TestCompressedFileThatIsCutShortIsNeverComplete(t *testing.T) {
	t.Parallel()
	const text = firstPart + secondPart
	for kind, data := range map[string]string{"gzip": gzipped(t, text), "zstd": zstandard(t, text), "bzip2": bzipped1 + bzipped2} {
		for n := range len(data) - 1 {
			if kind == "bzip2" && n == len(bzipped1) {
				continue // a whole stream
			}
			base := folder(t, "in", data[:n])
			rows := readAll(t, mustBuild(t, base, "{type: csv, path: in, columns: {id: int}, compression: "+kind+"}"))
			last := rows[len(rows)-1]
			if !strings.HasPrefix(last, "!! environment: in is cut short") && !strings.HasPrefix(last, "!! environment: in is not ") {
				t.Fatalf("%s cut at %d of %d: got %v", kind, n, len(data), rows)
			}
			for i, row := range rows[:len(rows)-1] {
				if row != partRows[i] {
					t.Fatalf("%s cut at %d: row %d is %s", kind, n, i, row)
				}
			}
		}
		base := folder(t, "in", data+"garbage behind it")
		rows := readAll(t, mustBuild(t, base, "{type: csv, path: in, columns: {id: int}}"))
		if last := rows[len(rows)-1]; !strings.HasPrefix(last, "!! environment: in ") || len(rows) != len(partRows)+1 {
			t.Errorf("%s with garbage behind it: got %v", kind, rows)
		}
	}
}

func TestRestartInACompressedFile(t *testing.T) {
	t.Parallel()
	long := "id,name\n" + strings.Repeat("7,a row that fills the file up\n", 10000)
	for _, c := range []struct {
		name, text, want string
	}{
		{"the same, compressed in other pieces", gzipped(t, long[:50], long[50:]), ""},
		{"the same, not compressed", long, ""},
		{"the same, compressed by something else", zstandard(t, long), ""},
		{"grown", gzipped(t, long, "8,z\n"), ""},
		{"changed before", gzipped(t, strings.Replace(long, "row", "cow", 4000)), "in was changed before line"},
		{"cut", gzipped(t, long[:len(long)/3]), "in is shorter than when it was read"},
		{"damaged", gzipped(t, long)[:100], "in is cut short"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := folder(t, "in", gzipped(t, long))
			r := mustBuild(t, base, "{type: csv, path: in}")
			if err := r.Open(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			var chunk record.Chunk
			for range 5000 {
				if err := r.Read(t.Context(), &chunk); err != nil {
					t.Fatal(err)
				}
			}
			state, err := r.State()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(base, "in"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r = mustBuild(t, base, "{type: csv, path: in}")
			defer r.Close()
			err = r.Open(t.Context(), state)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if rows, err := readRows(t, r); err != nil || len(rows) < 5000 {
					t.Errorf("%d rows, %v", len(rows), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
