package main_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A power cut takes away what was not synced: of each file any 512-byte sectors and truncations since its last fsync, of
// the names any since the last fsync of their folder. One run is recorded with strace. The disk is then made as it may be
// found after a power cut at any moment of the run, again and again, and the job is run to its end.

// powercutTargets are loads of several checkpoints.
func powercutTargets() []killTarget {
	return []killTarget{
		{name: "cut csv to sqlite", records: 1500, database: "sqlite", source: "csv", writer: "{type: sql, connection: shop, table: payments, create: true}"},
		{name: "cut csv to csv", records: 20_000, source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
		{name: "cut csv added to csv", records: 20_000, source: "csv", writer: "{type: csv, path: in/all.csv, append: true}", outputs: []string{"in/all.csv"}},
	}
}

func TestPowerCutLosesNothing(t *testing.T) {
	t.Parallel()
	if err := straceWorks(); err != nil {
		t.Skipf("NOT TESTED: no power can be cut: %v", err)
	}
	for _, target := range powercutTargets() {
		t.Run(strings.ReplaceAll(target.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			states, patience := 3000, time.Hour
			if os.Getenv("BATCHCTL_SOAK") != "1" {
				states, patience = 60, 5*time.Second
			}
			cuts := newCuts(t, target)
			until := time.Now().Add(patience)
			done := 0
			for ; done < states && time.Now().Before(until); done++ {
				if wrong := cuts.one(t, uint64(done), true); wrong != "" {
					t.Errorf("power cut %d: %s", done, wrong)
				}
			}
			t.Logf("%s: %d power cuts in %d events: nothing lost, nothing twice", target.name, done, len(cuts.events))
			cuts.control(t)
		})
	}
}

// cuts is a recorded run.
type cuts struct {
	place  *place
	events []diskEvent
	inputs map[string][]byte
	want   string
}

func newCuts(t *testing.T, target killTarget) *cuts {
	t.Helper()
	c := &cuts{place: newPlace(t, target)}
	c.inputs = newDisk(t, c.place.folder, true).afterCut(rand.New(rand.NewPCG(0, 0)))
	c.events = c.place.recordRun(t)
	c.want = c.place.whatIsLeft(t)
	return c
}

// one cuts the power somewhere, runs the job, and says what is wrong with what it leaves.
func (c *cuts) one(t *testing.T, seed uint64, careful bool) (wrong string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 41))
	restore(t, c.place.folder, c.inputs)
	d := newDisk(t, c.place.folder, careful)
	at := random.IntN(len(c.events) + 1)
	for _, e := range c.events[:at] {
		d.apply(e)
	}
	restore(t, c.place.folder, d.afterCut(random))
	code, _, output := c.place.run(t, time.Minute, "run", "job.yaml", "--if-complete", "skip")
	if code != 0 {
		return fmt.Sprintf("after event %d of %d: exit %d\n%s", at, len(c.events), code, output)
	}
	if got := c.place.whatIsLeft(t); got != c.want {
		return fmt.Sprintf("after event %d of %d: got %.300s, want %.300s\n%s", at, len(c.events), got, c.want, output)
	}
	return ""
}

// control makes fsync do nothing: a harness that does not see that proves nothing.
func (c *cuts) control(t *testing.T) {
	t.Helper()
	for seed := range uint64(200) {
		if wrong := c.one(t, seed, false); wrong != "" {
			t.Logf("without fsync, power cut %d does damage, as it must", seed)
			return
		}
	}
	t.Error("200 power cuts did no damage to a disk that syncs nothing: the harness sees nothing")
}

// whatIsLeft is what a user sees of a completed load.
func (p *place) whatIsLeft(t *testing.T) string {
	t.Helper()
	if len(p.target.outputs) > 0 {
		text, err := os.ReadFile(filepath.Join(p.folder, p.target.outputs[0]))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	db, err := sql.Open("sqlite", filepath.Join(p.folder, p.dsn))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var left string
	if err := db.QueryRow("select count(*) || ' ' || count(distinct id) || ' ' || sum(id) || ' ' || sum(length(name)) || ' ' || sum(amount) from payments").Scan(&left); err != nil {
		return err.Error()
	}
	return left
}
