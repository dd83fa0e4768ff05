package writers

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

func stdoutWriterOf(t *testing.T, to *bytes.Buffer, kind, yaml string) batch.Writer {
	t.Helper()
	env := environment(t.TempDir(), 1)
	env.Stdout = to
	w, err := buildFile(env, kind, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestStandardOutputGetsWhatHeld(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"csv":   "id,name,amount",
		"jsonl": `{"id":`,
		"json":  "[",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			ctx, rows := t.Context(), payments(t)
			w := stdoutWriterOf(t, &out, kind, `path: "-"`)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(w.Open(ctx, nil))
			must(w.Write(ctx, nil, rows[:1]))
			held, err := w.State()
			must(err)
			must(w.Write(ctx, nil, rows[1:]))
			if out.Len() > 0 {
				t.Errorf("sent before anything was flushed: %q", out.String())
			}
			must(w.Flush(ctx, nil))
			begun := out.Len()
			must(w.Open(ctx, held)) // the attempt failed
			must(w.Write(ctx, nil, rows[1:]))
			if out.Len() != begun {
				t.Errorf("rows of an attempt that did not hold were sent: %q", out.String())
			}
			_, err = w.State()
			must(err)
			must(w.Flush(ctx, nil))
			must(w.(batch.Publisher).Finish(ctx))
			must(w.Flush(ctx, nil))
			end, err := w.State()
			must(err)
			must(w.(batch.Publisher).Publish(ctx))
			must(w.Close())
			if got := strings.Count(out.String(), "\n"); !strings.HasPrefix(out.String(), want) || got < len(rows) {
				t.Errorf("got %q", out.String())
			}
			first := out.String()

			again := stdoutWriterOf(t, &out, kind, `path: "-"`)
			if err := again.Open(ctx, held); !errors.Is(err, batch.ErrNotRestartable) || fault.HintOf(err) == "" {
				t.Errorf("another process goes on: %v", err)
			}
			again = stdoutWriterOf(t, &out, kind, `path: "-"`)
			must(again.Open(ctx, end))
			must(again.(batch.Publisher).Publish(ctx))
			if out.String() != first {
				t.Errorf("what was complete was written again: %q", out.String())
			}
		})
	}
}

func TestStandardOutputThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		`{path: "-", append: true}`:      "nothing can be added to standard output",
		`{path: "-", exists: fail}`:      "exists: fail has no meaning",
		`{path: "-", compression: gzip}`: "standard output is not compressed",
	} {
		env := environment(t.TempDir(), 1)
		env.Stdout = new(bytes.Buffer)
		if _, err := buildFile(env, "csv", yaml); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", yaml, err)
		}
	}
}
