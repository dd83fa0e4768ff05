package job_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/job"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each definition in testdata/errors has one kind of mistake; beside it stands what a person is told.
func TestWrongDefinitionsAreExplained(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(paths) < 25 {
		t.Fatalf("got %d definitions (%v), want at least 25", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			err := loadFile(t, path)
			if err == nil {
				t.Fatal("the definition was accepted")
			}
			checkComplete(t, err)
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", fault.Render(err))
		})
	}
}

func loadFile(t *testing.T, path string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = job.Load(filepath.Base(path), text)
	return err
}

// checkComplete holds every error to what all errors of a definition have: a class, a place with its line, a hint.
func checkComplete(t *testing.T, err error) {
	t.Helper()
	var all fault.List
	if !errors.As(err, &all) {
		t.Fatalf("got %T, want a fault.List", err)
	}
	for _, e := range all {
		if e.Class != fault.Definition || e.Pos.Line == 0 || e.Pos.Column == 0 || e.Hint == "" || e.Code == "" {
			t.Errorf("%s: class %q, position %+v, code %q, hint %q: something is missing", e.Message, e.Class, e.Pos, e.Code, e.Hint)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
