package files

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"batchctl/pkg/fault"
)

func openInput(t testing.TB, data []byte, o InputOptions) (*Input, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return OpenInput(f, "in", o)
}

// bomb is 65 MB and a bit of one byte, in 65 kB.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range expandsFrom>>20 + 1 {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFileThatExpandsTooFarIsRefused(t *testing.T) {
	t.Parallel()
	data := bomb(t)
	for _, c := range []struct {
		limit int64
		code  string
	}{{100, "max_expansion"}, {2000, ""}, {0, ""}} {
		in, err := openInput(t, data, InputOptions{MaxExpansion: c.limit})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, in)
		if fault.CodeOf(err) != c.code || c.code == "" && err != nil || c.code != "" && (fault.HintOf(err) == "" || fault.ClassOf(err) != fault.Environment) {
			t.Errorf("limit %d: got %v after %d bytes", c.limit, err, n)
		}
		if n > expandsFrom+1<<20 {
			t.Errorf("limit %d: %d bytes were handed out", c.limit, n)
		}
		check(t, in.Close())
	}
}

func TestTextThatBeginsLikeACompressedFileIsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"BZh1,a\n1,2\n", "BZh9", "", "P*M", "\x1f\x8b"} {
		in, err := openInput(t, []byte(text), InputOptions{Compression: "auto", Encoding: "utf-8"})
		if err != nil {
			t.Fatal(err)
		}
		if got := must[[]byte](t)(io.ReadAll(in)); string(got) != text {
			t.Errorf("%q: got %q", text, got)
		}
		check(t, in.Close())
	}
}

func TestEveryEncodingDecodesWhatItEncodes(t *testing.T) {
	t.Parallel()
	for _, name := range Encodings() {
		if normal, err := NormalEncoding(name); err != nil || normal != name {
			t.Errorf("%s is called %s: %v", name, normal, err)
		}
		if name == "utf-8" {
			continue
		}
		found, err := EncodingOf(name)
		check(t, err)
		data, err := found.NewEncoder().Bytes([]byte("id,name\n1,x~\n"))
		check(t, err)
		in, err := openInput(t, data, InputOptions{Encoding: name})
		check(t, err)
		if got := must[[]byte](t)(io.ReadAll(in)); string(got) != "id,name\n1,x~\n" {
			t.Errorf("%s: got %q", name, got)
		}
		check(t, in.Close())
	}
}

// FuzzInput: whatever stands in a file, reading it ends, without a panic, with text or an error that has a class.
func FuzzInput(f *testing.F) {
	f.Add([]byte("id,name\n"), "")
	f.Add([]byte("\x28\xb5\x2f\xfd\x00\x00"), "")
	f.Add([]byte("\xff\xfea\x00"), "utf-16")
	f.Add([]byte("BZh91AY&SY\x00"), "cp949")
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte("id,name\n1,x\n"))
	_ = w.Close()
	f.Add(b.Bytes(), "")
	f.Fuzz(func(t *testing.T, data []byte, encoding string) {
		if _, err := NormalEncoding(encoding); err != nil {
			encoding = ""
		} else {
			encoding, _ = NormalEncoding(encoding)
		}
		in, err := openInput(t, data, InputOptions{Encoding: encoding, MaxExpansion: 200})
		if err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(in, 8<<20))
			check(t, in.Close())
		}
		if err != nil && fault.ClassOf(err) != fault.Environment {
			t.Errorf("got %v of class %s", err, fault.ClassOf(err))
		}
	})
}
