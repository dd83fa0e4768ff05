package files

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"batchctl/pkg/fault"
)

// until is a Reader of a stream that waits until a channel is closed.
type until struct {
	*Stream
	done chan struct{}
}

func (u until) Read(b []byte) (int, error) { return u.Stream.Read(b, u.done) }

func TestStreamIsReadOnceAndWhole(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 30_000)
	s := NewStream("standard input", strings.NewReader(text))
	if err := s.Take("step a"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(until{s, nil})
	if err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	err = s.Take("step b")
	if err == nil || !strings.Contains(err.Error(), "step a") || fault.HintOf(err) == "" {
		t.Errorf("a second taker: %v", err)
	}
}

func TestWaitingForAStreamCanBeGivenUp(t *testing.T) {
	t.Parallel()
	from, to := io.Pipe()
	defer to.Close()
	s := NewStream("standard input", from)
	if err := s.Take("step a"); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	b := make([]byte, 10)
	if n, err := s.Read(b, nil, done); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	close(done)
	if n, err := s.Read(b, nil, done); n != 0 || !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestStreamThatBreaksIsAnError(t *testing.T) {
	t.Parallel()
	from, to := io.Pipe()
	_ = to.CloseWithError(errors.New("the line is dead"))
	s := NewStream("standard input", from)
	if err := s.Take("step a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "standard input") || !strings.Contains(err.Error(), "dead") {
		t.Errorf("got %v", err)
	}
}

func TestStreamHoldsTheTextThatAFileWouldHold(t *testing.T) {
	t.Parallel()
	const text = "a,b\n1,가\n"
	for name, c := range map[string]struct {
		data    string
		options InputOptions
	}{
		"plain":  {text, InputOptions{}},
		"gzip":   {gz(t, text), InputOptions{Compression: "auto"}},
		"cp949":  {"a,b\n1,\xb0\xa1\n", InputOptions{Encoding: "cp949"}},
		"utf-16": {"\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\x00\xac\n\x00", InputOptions{}},
		"empty":  {"", InputOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := StreamInput(strings.NewReader(c.data), "standard input", c.options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			want := text
			if name == "empty" {
				want = ""
			}
			if err = errors.Join(err, in.Close()); err != nil || strings.TrimPrefix(string(got), "\ufeff") != want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	in, err := StreamInput(strings.NewReader(gz(t, text)[:len(gz(t, text))-9]), "standard input", InputOptions{})
	if err == nil {
		_, err = io.ReadAll(in)
	}
	if fault.CodeOf(err) != "cut_short" {
		t.Errorf("cut short: %v", err)
	}
}

func gz(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
