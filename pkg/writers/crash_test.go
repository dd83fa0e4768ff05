package writers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// crashJob writes rows in chunks of three with a checkpoint behind each, as the runner does. What a checkpoint holds
// outlives a crash, the rest does not.
type crashJob struct {
	kind, yaml, folder string
	adopt              bool
	rows               []record.Record
	early              bool // the control: the checkpoint counts a chunk before it is written

	state batch.State
	next  int
	phase batch.Phase
	epoch int64
}

// attempt runs the job from its checkpoint to its end, or to where the fuse blows.
func (j *crashJob) attempt(t *testing.T, fuse *batchtest.Fuse) error {
	j.epoch++
	env := environment(j.folder, j.epoch)
	env.Adopt, env.Disk = j.adopt, files.Hooked(fuse.File)
	w := fuse.Writer(mustBuild(t, env, j.kind, j.yaml))
	defer w.Close()
	if j.phase == batch.Done {
		return nil
	}
	if err := j.stream(t.Context(), w, fuse); err != nil {
		return err
	}
	if err := w.(batch.Publisher).Publish(t.Context()); err != nil {
		return err
	}
	if err := fuse.Step("done.before"); err != nil {
		return err
	}
	j.phase = batch.Done
	return nil
}

func (j *crashJob) stream(ctx context.Context, w batch.Writer, fuse *batchtest.Fuse) error {
	err := w.Open(ctx, j.state)
	if errors.Is(err, batch.ErrOutputLost) && j.phase != batch.Publishing {
		j.state, j.next = nil, 0
		err = w.Open(ctx, nil)
	}
	if err != nil || j.phase == batch.Publishing {
		return err
	}
	for at := j.next; at < len(j.rows); at = j.next {
		end := min(at+3, len(j.rows))
		if j.early {
			j.next = end
		}
		if err := w.Write(ctx, nil, j.rows[at:end]); err != nil {
			return err
		}
		if err := j.save(fuse, w, end, batch.Running); err != nil {
			return err
		}
	}
	if err := w.(batch.Publisher).Finish(ctx); err != nil {
		return err
	}
	return j.save(fuse, w, j.next, batch.Publishing)
}

// save makes what was written durable and records it.
func (j *crashJob) save(fuse *batchtest.Fuse, w batch.Writer, next int, phase batch.Phase) error {
	if err := w.Flush(context.Background(), nil); err != nil {
		return err
	}
	state, err := w.State()
	if err != nil {
		return err
	}
	if err := fuse.Step("checkpoint.before"); err != nil {
		return err
	}
	j.state, j.next, j.phase = state, next, phase
	return fuse.Step("checkpoint.after")
}

// crashEverywhere returns the points at which a crash left something else than an uninterrupted run.
func crashEverywhere(t *testing.T, kind, yaml string, adopt, early bool, mode batchtest.Mode, want string) (bad []string) {
	t.Helper()
	newJob := func() *crashJob {
		return &crashJob{kind: kind, yaml: yaml, folder: t.TempDir(), adopt: adopt, rows: payments(t), early: early}
	}
	whole := batchtest.NewFuse(0, mode)
	if err := newJob().attempt(t, whole); err != nil {
		t.Fatal(err)
	}
	if whole.Ops() < 40 {
		t.Fatalf("only %d operations", whole.Ops())
	}
	for i, point := range whole.Points() {
		job, fuse := newJob(), batchtest.NewFuseAt(point, mode)
		_ = job.attempt(t, fuse)
		if _, blown := fuse.Blown(); !blown {
			t.Fatalf("%s: the fuse did not blow", point)
		}
		left := 1
		second := batchtest.NewFuse(1+i%29, mode) // the restart does not come far either
		for job.phase != batch.Done {
			err := job.attempt(t, second)
			if at, _ := second.Blown(); strings.HasPrefix(at.Name, "file.remove") {
				left = 2 // what cannot be removed stays
			}
			if job.epoch > 5 {
				t.Fatalf("%s %s: still not done: %v", mode, point, err)
			}
			second = batchtest.NewFuse(0, mode)
		}
		if got := content(t, filepath.Join(job.folder, "out")); got != want {
			bad = append(bad, fmt.Sprintf("%s at %s: got %q", mode, point, got))
		}
		if found, _ := os.ReadDir(job.folder); len(found) > left {
			bad = append(bad, fmt.Sprintf("%s at %s: the folder holds %v", mode, point, found))
		}
	}
	return bad
}

func TestCrashAtEveryFileOperationLeavesTheSameFile(t *testing.T) {
	t.Parallel()
	footed := paymentsCSV + "# 8\n"
	for _, c := range []struct{ kind, yaml, want string }{
		{"csv", "{path: out, footer: \"# ${counters.write_count}\"}", footed},
		{"json", "{path: out, exists: fail}", array(paymentsJSON)},
		{"jsonl", "{path: sub/../out}", paymentsJSON},
		{"csv", "{path: out, append: true, footer: \"# ${counters.write_count}\"}", footed},
		{"jsonl", "{path: out, append: true}", paymentsJSON},
		{"jsonl", "{path: out, compression: gzip}", paymentsJSON},
		{"json", "{path: out, compression: zstd}", array(paymentsJSON)},
	} {
		for _, adopt := range []bool{true, false} {
			for _, mode := range []batchtest.Mode{batchtest.Fail, batchtest.Kill} {
				t.Run(fmt.Sprintf("%s%s/adopt=%v/%s", c.kind, c.yaml, adopt, mode), func(t *testing.T) {
					t.Parallel()
					for _, bad := range crashEverywhere(t, c.kind, c.yaml, adopt, false, mode, c.want) {
						t.Error(bad)
					}
				})
			}
		}
	}
}

func TestControlFindsRecordsLostByAnEarlyCheckpoint(t *testing.T) {
	t.Parallel()
	if bad := crashEverywhere(t, "csv", "path: out", true, true, batchtest.Kill, paymentsCSV); len(bad) == 0 {
		t.Error("a checkpoint that is early by a chunk lost nothing that the harness could see")
	}
}
