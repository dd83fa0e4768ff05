package tasklets_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/tasklets"
)

// place is a folder that tasklets work in, with a clock that moves when it is waited for.
type place struct {
	*testing.T
	folder  string
	clock   time.Time
	waited  func(n int) // called before the nth pause ends
	pauses  int
	notices []string
	output  []string
	names   *config.Names
	patient bool // pauses take their time
	disk    files.Disk
	hide    func(string)
}

func newPlace(t *testing.T) *place {
	t.Helper()
	names := config.NewNames(nil).SetInt("job.execution_id", 7).SetInt("step.execution_id", 8)
	return &place{T: t, folder: t.TempDir(), clock: time.Now(), names: names}
}

func (p *place) env() *catalog.Env {
	return &catalog.Env{
		Job: "job", Step: "step", Instance: "0123456789ab", Base: p.folder, Location: time.UTC, Scope: p.names, Disk: p.disk, Hide: p.hide,
		Now: func() time.Time { return p.clock },
		After: func(d time.Duration) <-chan time.Time {
			if p.patient {
				return time.After(d)
			}
			p.pauses++
			if p.waited != nil {
				p.waited(p.pauses)
			}
			p.clock = p.clock.Add(d)
			now := make(chan time.Time, 1)
			now <- p.clock
			return now
		},
		Notice: func(message string) { p.notices = append(p.notices, message) },
		Output: func(stream, line string) { p.output = append(p.output, stream+": "+line) },
		Getenv: func(string) (string, bool) { return "", false },
	}
}

// make makes a tasklet of its keys.
func (p *place) make(kind, keys string) (batch.Tasklet, error) {
	p.Helper()
	document, err := config.Parse("job.yaml", []byte(keys))
	if err != nil {
		p.Fatalf("%s: %v", keys, err)
	}
	entry, ok := tasklets.Table().Lookup(kind)
	if !ok {
		p.Fatalf("there is no tasklet %s", kind)
	}
	conf := entry.New()
	if err := (&config.Decoder{Scope: p.names, Base: p.folder}).For("tasklet "+kind).Decode(document.Root, conf); err != nil {
		return nil, err
	}
	return entry.Build(conf, p.env())
}

// run makes and runs a tasklet.
func (p *place) run(kind, keys string) (*batch.Contribution, error) {
	p.Helper()
	c := &batch.Contribution{}
	return c, p.runAgain(kind, keys, c)
}

// runAgain runs a tasklet with what an earlier attempt has kept.
func (p *place) runAgain(kind, keys string, c *batch.Contribution) error {
	p.Helper()
	t, err := p.make(kind, keys)
	if err != nil {
		return err
	}
	c.Save = func(_ context.Context, kept batch.Context) error {
		c.Kept = kept
		return nil
	}
	return t.Run(p.Context(), c)
}

// does runs a tasklet that has to complete.
func (p *place) does(kind, keys string) *batch.Contribution {
	p.Helper()
	c, err := p.run(kind, keys)
	if err != nil {
		p.Fatalf("%s: %v\n  hint: %s", keys, err, fault.HintOf(err))
	}
	return c
}

// refuses runs a tasklet that has to fail with an error of a class that says want.
func (p *place) refuses(kind, keys string, class fault.Class, want string) error {
	p.Helper()
	_, err := p.run(kind, keys)
	if err == nil || fault.ClassOf(err) != class || !strings.Contains(err.Error(), want) {
		p.Errorf("%s:\n got %v of class %s\nwant %q of class %s", keys, err, fault.ClassOf(err), want, class)
	}
	return err
}

func (p *place) write(name, text string) {
	p.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

func (p *place) read(name string) string {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

// holds compares all files in the folder: "name=text", sorted.
func (p *place) holds(want ...string) {
	p.Helper()
	var got []string
	err := filepath.WalkDir(p.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(p.folder, path)
		got = append(got, fmt.Sprintf("%s=%s", filepath.ToSlash(name), p.read(name)))
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.Errorf("got  %q\nwant %q", got, want)
	}
}

// leaves compares values left behind.
func (p *place) leaves(c *batch.Contribution, want ...string) {
	p.Helper()
	for _, w := range want {
		name, value, _ := strings.Cut(w, "=")
		if got := string(c.Context[name]); got != value {
			p.Errorf("context.%s is %s, want %s", name, got, value)
		}
	}
}
