package plan

import (
	"context"
	"os"
	"strings"
	"testing"

	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

func (p *crashPlace) runAnswered(fuse *batchtest.Fuse, answer string) (*Outcome, error) {
	e := p.engine(fuse)
	e.instruments.answer = answer
	return e.Run(context.Background(), RunRequest{Path: "job.yaml"}, Watcher{Observer: nobody{}})
}

// Where the target's answer is not asked for, but taken for granted, the harness must find what is lost or doubled.
func TestControlsOfIntentsFindLostAndDoubledRecords(t *testing.T) {
	t.Parallel()
	for point, answer := range map[string]string{"intent.saved": "committed", "intent.committed": "aborted"} {
		for _, target := range crashTargets() {
			if !target.intent || target.bad {
				continue
			}
			t.Run(answer+"_"+strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				server := sqltest.Postgres(t)
				whole := batchtest.NewFuse(0, batchtest.Kill)
				clean := newCrashPlace(t, target, server)
				outcome, err := clean.run(whole)
				if err != nil {
					t.Fatal(err)
				}
				want := clean.left(t, outcome)
				kills, found := 0, 0
				for _, at := range whole.Points() {
					if at.Name != point {
						continue
					}
					kills++
					p := newCrashPlace(t, target, server)
					if outcome, err = p.runAnswered(batchtest.NewFuseAt(at, batchtest.Kill), answer); err != nil {
						outcome, err = p.runAnswered(nil, answer)
					}
					if err != nil || p.left(t, outcome) != want {
						found++
					}
					os.RemoveAll(p.folder)
				}
				t.Logf("%d of %d kills lost or doubled records", found, kills)
				if found == 0 {
					t.Errorf("none of %d kills lost or doubled a record: the harness sees nothing", kills)
				}
			})
		}
	}
}

func TestIntentIsRefusedWhereTheTargetCannotBeAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connection, writer, checkpoint, defaults, code string
	}{
		"sqlite":           {"{driver: sqlite, dsn: shop.db}", strict, "intent", "", "intent_not_possible"},
		"sqlite, default":  {"{driver: sqlite, dsn: shop.db}", strict, "", "intent", "intent_not_possible"},
		"sqlite, letters":  {"{driver: sqlite, dsn: shop.db}", "{type: discard}\n    dead_letter: " + strict, "intent", "", "intent_not_possible"},
		"one connection":   {"{driver: postgres, dsn: 'postgres://u@127.0.0.1/d', max_connections: 1}", strict, "intent", "", "intent_not_possible"},
		"postgres":         {"{driver: postgres, dsn: 'postgres://u@127.0.0.1/d'}", strict, "intent", "", ""},
		"sqlite as source": {"{driver: sqlite, dsn: shop.db}", "{type: csv, path: out.csv}", "intent", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &crashPlace{folder: t.TempDir()}
			text := "job: j\nconnections:\n  shop: " + c.connection + "\n"
			if c.defaults != "" {
				text += "defaults: {checkpoint: " + c.defaults + "}\n"
			}
			text += "steps:\n  - name: load\n    reader: {type: inline, records: [{id: 1}]}\n    writer: " + c.writer + "\n"
			if c.checkpoint != "" {
				text += "    checkpoint: " + c.checkpoint + "\n"
			}
			p.write(t, "job.yaml", text)
			_, err := p.engine(nil).Describe(t.Context(), "job.yaml", nil)
			if fault.CodeOf(err) != c.code || c.code == "" && err != nil {
				t.Errorf("got %v, want code %q", err, c.code)
			}
		})
	}
}
