package files

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrittenFilesOfNothingAreEmpty(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"gzip", "zstd"} {
		c, err := NewCompressor(kind)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.Member(nil)
		if err != nil {
			t.Fatal(err)
		}
		o := Output{Path: filepath.Join(t.TempDir(), "x"), Owner: "o", Epoch: 1}
		if err := os.WriteFile(o.Path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := writtenText(t, o, Mark{}); got != "" {
			t.Errorf("%s: got %q", kind, got)
		}
	}
}

// A step that was begun anew has written other text since, and may have come further with it.
func TestUnfinishedFileIsTheOneThatTheMarkIsOf(t *testing.T) {
	t.Parallel()
	o := Output{Path: filepath.Join(t.TempDir(), "x"), Owner: "o", Epoch: 1}
	p, err := Begin(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	mark := p.Mark()
	if got := writtenText(t, o, mark); got != "first" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.Path), mark.Partial), []byte("other text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := OpenWritten(o, mark); err == nil {
		w.Close()
		t.Error("got what the mark is not of")
	}
}

func writtenText(t *testing.T, o Output, at Mark) string {
	t.Helper()
	w, err := OpenWritten(o, at)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	text, err := io.ReadAll(w)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
