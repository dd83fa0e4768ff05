package tasklets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
)

// sight is what a file looked like, and since when.
type sight struct {
	size    int64
	changed time.Time
	since   time.Time
}

// await looks for the files until all are there, at most for wait.
func (f *filesTasklet) await(ctx context.Context, d *done) error {
	until := f.env.Now().Add(time.Duration(f.conf.Wait))
	seen := map[string]sight{}
	for looks := 0; ; looks++ {
		*d = done{}
		missing, err := f.look(seen, d)
		switch {
		case err != nil:
			return err
		case len(missing) == 0:
			return nil
		case !f.env.Now().Before(until):
			return f.notThere(missing)
		case looks == 0:
			f.env.Notice("waiting for " + strings.Join(missing, ", "))
		}
		select {
		case <-f.env.After(min(time.Duration(f.conf.Poll), until.Sub(f.env.Now()))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (f *filesTasklet) notThere(missing []string) error {
	after := ""
	if f.conf.Wait > 0 {
		after = " after " + shown(f.conf.Wait)
	}
	return fault.New(fault.Environment, "not there%s: %s", after, strings.Join(missing, ", ")).WithCode(noSuchFile).
		WithHint("%s; wait: 10m waits for files", fromBase)
}

// look returns what is not there, and why.
func (f *filesTasklet) look(seen map[string]sight, d *done) (missing []string, err error) {
	counted := map[string]bool{}
	for _, p := range f.conf.Exists {
		found, err := files.Find(string(p))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, trouble("look for", f.name(string(p)), err)
		}
		if len(found) == 0 {
			missing = append(missing, f.name(string(p)))
		}
		for _, path := range found {
			if path = filepath.Clean(path); counted[path] {
				continue
			}
			counted[path] = true
			switch size, why, err := f.ready(path, seen); {
			case errors.Is(err, fs.ErrNotExist):
				missing = append(missing, f.name(path))
			case err != nil:
				return nil, trouble("look up", f.name(path), err)
			case why != "":
				missing = append(missing, f.name(path)+" ("+why+")")
			default:
				d.add(f.name(path), size)
			}
		}
	}
	return missing, nil
}

// ready says why a file does not count yet, "" where it does.
func (f *filesTasklet) ready(path string, seen map[string]sight) (size int64, why string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, "", err
	}
	now := f.env.Now()
	if age := time.Duration(f.conf.MinAge); age > 0 && now.Sub(info.ModTime()) < age {
		return 0, "changed less than " + shown(f.conf.MinAge) + " ago", nil
	}
	last, known := seen[path]
	if !known || last.size != info.Size() || !last.changed.Equal(info.ModTime()) {
		last = sight{info.Size(), info.ModTime(), now}
		seen[path] = last
	}
	if now.Sub(last.since) < time.Duration(f.conf.Stable) {
		return 0, "may still be written", nil
	}
	return info.Size(), "", nil
}

// shown is a duration as people write it: 10m, not 10m0s.
func shown(d config.Duration) string {
	text := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
