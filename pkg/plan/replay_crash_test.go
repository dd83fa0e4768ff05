package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb/sqltest"
)

// A replay is failed, and killed, at each single operation, and restarted. Rows, files, dead letters, counters, and what
// is recorded of the letters are those of a replay that nothing disturbed.

// replayPlace is a job that has left five dead letters behind, and whose definition has been mended for one of them.
type replayPlace struct {
	*crashPlace
	server string
	backup string // of the folder, where all that there is lies in it; else ""
}

func newReplayPlace(t *testing.T, target crashTarget, server string) *replayPlace {
	t.Helper()
	p := &replayPlace{server: server}
	p.fill(t, target)
	if target.database != "postgres" {
		p.backup = t.TempDir()
		if err := os.CopyFS(p.backup, os.DirFS(p.folder)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *replayPlace) fill(t *testing.T, target crashTarget) {
	t.Helper()
	p.crashPlace = newCrashPlace(t, target, p.server)
	if _, err := p.run(nil); err != nil {
		t.Fatal(err)
	}
	p.write(t, "job.yaml", strings.Replace(target.definition(p.dsn), "id != 5", "id != 500", 1))
}

// reset puts the place back to where nothing has been replayed.
func (p *replayPlace) reset(t *testing.T) {
	t.Helper()
	if p.backup == "" {
		old := p.folder
		p.fill(t, p.target)
		os.RemoveAll(old)
		return
	}
	if err := os.RemoveAll(p.folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.folder, os.DirFS(p.backup)); err != nil {
		t.Fatal(err)
	}
}

func (p *replayPlace) replay(fuse *batchtest.Fuse) (*Outcome, error) {
	e := p.engine(fuse)
	if fuse != nil {
		e.instruments.marks = fuse.Step
	}
	return e.Replay(context.Background(), ReplayRequest{Which: "1"}, Watcher{Observer: nobody{}})
}

// marks says what became of each letter.
func (p *replayPlace) marks(t *testing.T) string {
	t.Helper()
	store, err := p.engine(nil).OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	all, err := store.LetterReplays(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "letter %d at %d: through %t, %s\n", r.Letter.Ordinal, r.Place, r.Through, r.Status)
	}
	return b.String()
}

func replayTargets() (targets []crashTarget) {
	for _, c := range crashTargets() {
		if c.bad {
			targets = append(targets, c)
		}
	}
	return targets
}

func TestReplayCrashedAtEveryPointThenRestartedEqualsAnUninterruptedOne(t *testing.T) {
	t.Parallel()
	for _, target := range replayTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			server := ""
			if target.database == "postgres" {
				server = sqltest.Postgres(t)
			}
			p := newReplayPlace(t, target, server)
			whole := batchtest.NewFuse(0, batchtest.Kill)
			outcome, err := p.replay(whole)
			if err != nil {
				t.Fatal(err)
			}
			want := p.left(t, outcome) + p.marks(t)
			if n := strings.Count(want, "through true"); n != 1 {
				t.Fatalf("%d letters went through, want one:\n%s", n, want)
			}
			points := whole.Points()
			if len(points) < 40 {
				t.Fatalf("only %d operations were counted: %v", len(points), points)
			}
			stride := 8
			switch {
			case soaking():
				stride = 1
			case server != "" || testing.Short():
				stride = 24 // everything is made anew for each
			}
			for m, mode := range []batchtest.Mode{batchtest.Kill, batchtest.Fail} {
				for i, point := range points {
					if (i+2*m)%stride == 0 || strings.HasPrefix(point.Name, "marks.") {
						p.crashAt(t, mode, point, want)
					}
				}
			}
			t.Logf("%d operations", len(points))
		})
	}
}

func (p *replayPlace) crashAt(t *testing.T, mode batchtest.Mode, point batchtest.Point, want string) {
	t.Helper()
	p.reset(t)
	fuse := batchtest.NewFuseAt(point, mode)
	outcome, err := p.replay(fuse)
	if _, blown := fuse.Blown(); !blown {
		t.Errorf("%s at %s: the fuse did not blow", mode, point)
		return
	}
	if err != nil {
		if !errors.Is(err, batchtest.ErrKilled) && !errors.Is(err, batchtest.ErrFailed) {
			t.Errorf("%s at %s: got error %v, want the fuse's", mode, point, err)
		}
		if outcome != nil && point.Name != "repository.save_job.after" {
			if _, err := p.replay(nil); !strings.HasSuffix(fault.HintOf(err), "restart 2") {
				t.Errorf("%s at %s: another replay of the same letters: got %v, want a refusal that names restart 2", mode, point, err)
			}
		}
		if outcome, err = p.restartBehind(point, outcome); err != nil {
			t.Errorf("%s at %s: restart: %v", mode, point, err)
			return
		}
	}
	if got := p.left(t, outcome) + p.marks(t); got != want {
		t.Errorf("%s at %s: after the restart\n%s\nwant\n%s", mode, point, got, want)
	}
}

// A harness that cannot see a letter that goes through twice proves nothing: with the checkpoint saved after the rows' commit,
// and a crash between the two, it must see one.
func TestReplayControlFindsALetterThatWentThroughTwice(t *testing.T) {
	t.Parallel()
	for _, target := range replayTargets() {
		if target.database != "sqlite" || len(target.outputs) != 1 {
			continue
		}
		target.writer = "{type: sql, connection: shop, table: payments}"
		p := newReplayPlace(t, target, "")
		whole, err := p.replay(nil)
		if err != nil {
			t.Fatal(err)
		}
		want := p.left(t, whole) + p.marks(t)
		p.reset(t)
		e := p.engine(nil)
		e.instruments.order = meta.TestCheckpointAfter
		killed := errors.New("killed between the two commits")
		e.instruments.between = func() error { return killed }
		if _, err := e.Replay(context.Background(), ReplayRequest{Which: "1"}, Watcher{Observer: nobody{}}); !errors.Is(err, killed) {
			t.Fatalf("got %v, want the crash", err)
		}
		if outcome, err := p.restart(); err == nil && p.left(t, outcome)+p.marks(t) == want {
			t.Errorf("nothing was found: %s", want)
		}
	}
}
