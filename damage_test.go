package main_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The metadata of a load that failed in the middle is damaged in many ways. The next run either refuses, with a hint and
// without touching what is there, or the damage did no harm: then the result is the one of an undisturbed run.

// damagedTrials are how many damages are tried on each target, in the soak and otherwise.
const (
	damagedTrials = 500
	damagedSample = 18
)

// A damage is done to a folder with batchctl.db and, where the process did not end cleanly, batchctl.db-wal.
type damage struct {
	name string
	do   func(t *testing.T, meta string, random *rand.Rand)
}

func damages() []damage {
	onBytes := func(change func(b []byte, random *rand.Rand) []byte) func(*testing.T, string, *rand.Rand) {
		return func(t *testing.T, meta string, random *rand.Rand) {
			files, err := filepath.Glob(filepath.Join(meta, "batchctl.db*"))
			if err != nil {
				t.Fatal(err)
			}
			for {
				path := files[random.IntN(len(files))]
				if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
					rewrite(t, path, change(b, random))
					return
				}
			}
		}
	}
	return []damage{
		{"bit flip", onBytes(func(b []byte, random *rand.Rand) []byte {
			bit := random.IntN(8 * len(b))
			b[bit/8] ^= 1 << (bit % 8)
			return b
		})},
		{"zero page", onBytes(func(b []byte, random *rand.Rand) []byte {
			at := random.IntN(len(b)/4096+1) * 4096
			clear(b[min(at, len(b)):min(at+4096, len(b))])
			return b
		})},
		{"truncate", onBytes(func(b []byte, random *rand.Rand) []byte { return b[:random.IntN(len(b))] })},
		{"garbage sector", onBytes(func(b []byte, random *rand.Rand) []byte {
			at := random.IntN(len(b)/512+1) * 512
			for i := at; i < min(at+512, len(b)); i++ {
				b[i] = byte(random.Uint32())
			}
			return b
		})},
		{"wrong file", func(t *testing.T, meta string, random *rand.Rand) {
			rewrite(t, filepath.Join(meta, "batchctl.db"), []byte(strings.Repeat("id,name,amount\n", 1+random.IntN(1000))))
		}},
		{"empty file", func(t *testing.T, meta string, _ *rand.Rand) {
			rewrite(t, filepath.Join(meta, "batchctl.db"), nil)
		}},
		{"newer schema", func(t *testing.T, meta string, _ *rand.Rand) {
			execute(t, filepath.Join(meta, "batchctl.db"), "update BATCHCTL_REPOSITORY set SCHEMA_VERSION = 999")
		}},
		{"deleted -wal", func(t *testing.T, meta string, _ *rand.Rand) {
			if err := os.Remove(filepath.Join(meta, "batchctl.db-wal")); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}},
		{"database of somebody else", func(t *testing.T, meta string, _ *rand.Rand) {
			path := filepath.Join(meta, "batchctl.db")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			execute(t, path, "create table orders (id int)")
		}},
		{"file of another job", func(t *testing.T, meta string, _ *rand.Rand) {
			if err := os.RemoveAll(meta); err != nil {
				t.Fatal(err)
			}
			copyFolder(t, meta+".other", meta)
		}},
	}
}

func rewrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(statement)
	if closed := db.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}

func TestDamagedMetadataNeverMakesAWrongRestart(t *testing.T) {
	t.Parallel()
	trials := damagedSample
	if os.Getenv("BATCHCTL_SOAK") != "" {
		trials = damagedTrials
	}
	for _, target := range syscallTargets() {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s_ended_cleanly_%v", strings.ReplaceAll(target.name, " ", "_"), clean), func(t *testing.T) {
				t.Parallel()
				p := failedInTheMiddle(t, target, clean)
				seed := rand.Uint64()
				random := rand.New(rand.NewPCG(seed, 9))
				all := damages()
				outcomes := map[string]int{}
				for i := range trials / 2 {
					d := all[i%len(all)]
					p.restore(t)
					d.do(t, filepath.Join(p.folder, "meta"), random)
					outcomes[p.afterDamage(t, fmt.Sprintf("seed %d, trial %d, %s", seed, i, d.name))]++
				}
				t.Logf("%d damages: %v", trials/2, outcomes)
				if outcomes["refused"] == 0 || outcomes["harmless"] == 0 {
					t.Error("either none was refused, or none was harmless: this shows nothing")
				}
			})
		}
	}
}

// failedInTheMiddle is a load that committed some chunks and met a bad record, which is mended since. A process that did
// not end cleanly leaves its write-ahead log.
func failedInTheMiddle(t *testing.T, target killTarget, clean bool) *place {
	t.Helper()
	p := &place{target: target, folder: t.TempDir(), dsn: "out/shop.db"}
	p.writeQuickly(t)
	input := filepath.Join(p.folder, "in/payments.csv")
	good, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "in/payments.csv", strings.Replace(string(good), "\n250,", "\n25x,", 1))
	p.write(t, "other.yaml", strings.Replace(p.target.definition("other/shop.db"), "job: killed", "job: other", 1))
	p.write(t, "other.yaml", strings.ReplaceAll(string(read(t, filepath.Join(p.folder, "other.yaml"))), "out/", "other/"))
	if code, _, output := p.run(t, time.Minute, "run", "other.yaml"); code != 1 {
		t.Fatalf("exit %d\n%s", code, output)
	}
	if err := os.Rename(filepath.Join(p.folder, "meta"), filepath.Join(p.folder, "meta.other")); err != nil {
		t.Fatal(err)
	}
	if !clean {
		defer p.holdLog(t)()
	}
	if code, _, output := p.run(t, time.Minute, "run", "job.yaml"); code != 1 {
		t.Fatalf("exit %d\n%s", code, output)
	}
	for _, name := range []string{"meta", "out"} {
		copyFolder(t, filepath.Join(p.folder, name), filepath.Join(p.folder, name+".saved"))
	}
	p.write(t, "in/payments.csv", string(good))
	return p
}

// holdLog makes the job repository and keeps it open, so that its log stays when the next process ends.
func (p *place) holdLog(t *testing.T) (release func()) {
	t.Helper()
	if code, _, output := p.run(t, time.Minute, "list"); code != 0 {
		t.Fatalf("exit %d\n%s", code, output)
	}
	db, err := sql.Open("sqlite", filepath.Join(p.folder, "meta/batchctl.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("select count(*) from BATCHCTL_REPOSITORY").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	return func() { db.Close() }
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return b
}

// restore puts metadata and output back as the failed run left them.
func (p *place) restore(t *testing.T) {
	t.Helper()
	for _, name := range []string{"meta", "out"} {
		path := filepath.Join(p.folder, name)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, path+".saved", path)
	}
	_ = os.Remove(filepath.Join(p.folder, "meta/batchctl.db-shm")) // of a process that is gone
}

// afterDamage runs the job on damaged metadata and says what came of it.
func (p *place) afterDamage(t *testing.T, what string) string {
	t.Helper()
	before := p.metadata(t)
	output := filesOf(t, filepath.Join(p.folder, "out"))
	code, _, said := p.run(t, time.Minute, "run", "job.yaml", "--quiet")
	switch {
	case code == 0:
		p.exact(t, what)
		return "harmless"
	case code == 8 && strings.Contains(said, "another job repository"):
		if code, _, again := p.run(t, time.Minute, "run", "job.yaml", "--quiet", "--adopt"); code != 0 {
			t.Errorf("%s: %s\nwith --adopt: exit %d\n%s", what, said, code, again)
		}
		p.exact(t, what)
		return "foreign"
	case code != 3 || !strings.Contains(said, "hint: "):
		t.Errorf("%s: exit %d, want 0, or 3 and a hint\n%s", what, code, said)
	}
	// To SQLite these files are sound, so it puts its log away when it closes them.
	sound := strings.Contains(said, "its checksum is wrong") || strings.Contains(said, "a row is damaged") || strings.Contains(said, "not as batchctl made it")
	for name, b := range p.metadata(t) {
		if !sound && !bytes.Equal(b, before[name]) {
			t.Errorf("%s: %s was changed although it is damaged\n%s", what, name, said)
		}
	}
	for name, b := range filesOf(t, filepath.Join(p.folder, "out")) {
		if !bytes.Equal(b, output[name]) && !strings.HasSuffix(name, "-shm") {
			t.Errorf("%s: %s was changed although the metadata is damaged\n%s", what, name, said)
		}
	}
	return "refused"
}

// metadata is the job repository's file and its log.
func (p *place) metadata(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range []string{"batchctl.db", "batchctl.db-wal"} {
		all[name] = read(t, filepath.Join(p.folder, "meta", name))
	}
	return all
}

func filesOf(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// exact compares what a load left with an undisturbed one. Unfinished files of a job repository that is lost stay.
func (p *place) exact(t *testing.T, what string) {
	t.Helper()
	if p.target.database != "" {
		p.checkTable(t, 0)
	}
	for _, name := range p.target.outputs {
		if got := string(read(t, filepath.Join(p.folder, name))); got != p.expected(t, name) {
			t.Errorf("%s: %s differs from an uninterrupted run's", what, name)
		}
	}
	if t.Failed() {
		t.Fatal(what)
	}
}
