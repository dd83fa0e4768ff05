package main_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A power cut takes away what was not synced: of each file any 512-byte sectors and truncations since its last fsync, of
// the names any since the last fsync of their folder. One run is recorded with strace. The disk is then made as it may be
// found after a power cut at any moment of the run, again and again, and the job is run to its end.

// diskEvent is something that a process did to a disk.
type diskEvent struct {
	call   string // create, mkdir, write, truncate, fsync, rename, unlink
	path   string
	to     string
	offset int64 // of a write; of a truncation the size
	data   []byte
}

// inode is a file: what a power cut leaves, and what it may take away.
type inode struct {
	durable []byte
	pending []diskEvent
}

// disk is what a run has made of the files of a folder.
type disk struct {
	files   map[string]*inode // by their names as processes see them; nil for folders
	durable map[string]*inode // by those that a power cut leaves
	pending []nameChange      // of names, in their order
	careful bool              // fsync does something
}

// nameChange gives a file a name, takes one away, or both.
type nameChange struct {
	gone, named string
	file        *inode
	folder      bool
}

func newDisk(t *testing.T, folder string, careful bool) *disk {
	t.Helper()
	d := &disk{files: map[string]*inode{}, durable: map[string]*inode{}, careful: careful}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			d.files[path], d.durable[path] = nil, nil
			return err
		}
		text, err := os.ReadFile(path)
		d.files[path] = &inode{durable: text}
		d.durable[path] = d.files[path]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) apply(e diskEvent) {
	file, known := d.files[e.path]
	switch e.call {
	case "create":
		if !known {
			d.files[e.path] = &inode{}
			d.pending = append(d.pending, nameChange{named: e.path, file: d.files[e.path]})
		}
	case "mkdir":
		d.files[e.path] = nil
		d.pending = append(d.pending, nameChange{named: e.path, folder: true})
	case "write", "truncate":
		if file != nil {
			file.pending = append(file.pending, e)
		}
	case "rename":
		delete(d.files, e.path)
		d.files[e.to] = file
		d.pending = append(d.pending, nameChange{gone: e.path, named: e.to, file: file})
	case "unlink":
		delete(d.files, e.path)
		d.pending = append(d.pending, nameChange{gone: e.path})
	case "fsync":
		d.sync(e.path, file)
	}
}

func (d *disk) sync(path string, file *inode) {
	if !d.careful {
		return
	}
	if file != nil {
		for _, e := range file.pending {
			file.durable = changed(file.durable, e, func() bool { return true })
		}
		file.pending = nil
		return
	}
	d.pending = slices.DeleteFunc(d.pending, func(c nameChange) bool {
		if filepath.Dir(c.gone+c.named) != path && filepath.Dir(c.named) != path {
			return false
		}
		c.apply(d.durable)
		return true
	})
}

func (c nameChange) apply(names map[string]*inode) {
	if c.gone != "" {
		delete(names, c.gone)
	}
	if c.named != "" {
		names[c.named] = c.file
	}
}

const sector = 512

// changed returns a file's bytes after an event, of which each sector is kept or not.
func changed(text []byte, e diskEvent, keep func() bool) []byte {
	if e.call == "truncate" {
		if !keep() {
			return text
		}
		return resized(slices.Clone(text), int(e.offset))
	}
	text = slices.Clone(text)
	for from := 0; from < len(e.data); {
		at := int(e.offset) + from
		size := min(sector-at%sector, len(e.data)-from)
		if keep() {
			if len(text) < at+size {
				text = resized(text, at+size)
			}
			copy(text[at:], e.data[from:from+size])
		}
		from += size
	}
	return text
}

func resized(text []byte, size int) []byte {
	if size <= len(text) {
		return text[:size]
	}
	return append(text, make([]byte, size-len(text))...)
}

// afterCut is what is found when the power is back.
func (d *disk) afterCut(random *rand.Rand) map[string][]byte {
	names := map[string]*inode{}
	for name, file := range d.durable {
		names[name] = file
	}
	for _, c := range d.pending[:random.IntN(len(d.pending)+1)] {
		c.apply(names)
	}
	share := []float64{0, 0.1, 0.5, 0.9, 1}[random.IntN(5)]
	keep := func() bool { return random.Float64() < share }
	found := map[string][]byte{}
	for name, file := range names {
		if file == nil {
			found[name] = nil
			continue
		}
		text := slices.Clone(file.durable)
		for _, e := range file.pending {
			text = changed(text, e, keep)
		}
		found[name] = append([]byte{}, text...)
	}
	return found
}

// restore makes a folder what was found.
func restore(t *testing.T, folder string, found map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names) // a folder before what is in it
	for _, name := range names {
		if _, kept := found[filepath.Dir(name)]; !kept && name != folder {
			delete(found, name) // its folder has lost its name
			continue
		}
		if found[name] == nil {
			err = os.MkdirAll(name, 0o755)
		} else {
			err = os.WriteFile(name, found[name], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// recordRun runs the job under strace and returns what it did to the files of its folder.
func (p *place) recordRun(t *testing.T) []diskEvent {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "strace.txt")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "strace", "-f", "-y", "-xx", "-s", "10000000", "-o", trace, "-e",
		"trace=pwrite64,write,pwritev,writev,open,openat,creat,lseek,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,close", path, "run", "job.yaml")
	c.Dir = p.folder
	c.Env = append(os.Environ(), "BATCHCTL_META=meta/batchctl.db")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the recorded run: %v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	r := recorder{t: t, folder: p.folder, at: map[string]int64{}, begun: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		r.line(strings.TrimSuffix(line, "\n"))
	}
	return r.events
}

// recorder reads what strace says.
type recorder struct {
	t      *testing.T
	folder string
	at     map[string]int64  // where descriptors stand
	begun  map[string]string // calls that were interrupted by another thread's, by thread
	events []diskEvent
}

var (
	hexText  = regexp.MustCompile(`(?:\\x[0-9a-f]{2})+`)
	finished = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+)`)
	named    = regexp.MustCompile(`^(\d+)<([^>]*)>`)
	quoted   = regexp.MustCompile(`"([^"]*)"`)
)

func (r *recorder) line(line string) {
	thread, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if head, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
		r.begun[thread] = head
		return
	}
	if strings.HasPrefix(rest, "<... ") {
		_, tail, _ := strings.Cut(rest, "resumed>")
		rest = r.begun[thread] + tail
	}
	m := finished.FindStringSubmatch(rest)
	if m == nil || m[3][0] == '-' {
		return
	}
	result, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		r.t.Fatalf("strace: %s", line)
	}
	r.call(m[1], m[2], result)
}

// unhex turns \x61\x62 into ab.
func (r *recorder) unhex(text string) string {
	return hexText.ReplaceAllStringFunc(text, func(s string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
		if err != nil {
			r.t.Fatalf("strace: %s", s)
		}
		return string(b)
	})
}

func (r *recorder) add(e diskEvent) {
	inside := func(path string) bool { return strings.HasPrefix(path, r.folder+"/") }
	if e.path == r.folder || inside(e.path) && !strings.HasSuffix(e.path, "-shm") && !strings.Contains(e.path, "(deleted)") {
		r.events = append(r.events, e)
	}
}

func (r *recorder) call(name, args string, result int64) {
	descriptor, path := "", ""
	if m := named.FindStringSubmatch(args); m != nil {
		descriptor, path = m[1], r.unhex(m[2])
	}
	var texts []string
	for _, m := range quoted.FindAllStringSubmatch(args, -1) {
		texts = append(texts, m[1])
	}
	switch name {
	case "open", "openat":
		r.at[strconv.FormatInt(result, 10)] = 0
		if strings.Contains(args, "O_CREAT") {
			r.add(diskEvent{call: "create", path: r.unhex(texts[0])})
		}
		if strings.Contains(args, "O_TRUNC") {
			r.add(diskEvent{call: "truncate", path: r.unhex(texts[0])})
		}
	case "lseek":
		r.at[descriptor] = result
	case "write":
		r.add(diskEvent{call: "write", path: path, offset: r.at[descriptor], data: []byte(r.unhex(texts[0]))[:result]})
		r.at[descriptor] += result
	case "pwrite64":
		offset, err := strconv.ParseInt(args[strings.LastIndex(args, " ")+1:], 10, 64)
		if err != nil {
			r.t.Fatalf("strace: pwrite64(%s)", args)
		}
		r.add(diskEvent{call: "write", path: path, offset: offset, data: []byte(r.unhex(texts[0]))[:result]})
	case "ftruncate":
		size, err := strconv.ParseInt(args[strings.LastIndex(args, " ")+1:], 10, 64)
		if err != nil {
			r.t.Fatalf("strace: ftruncate(%s)", args)
		}
		r.add(diskEvent{call: "truncate", path: path, offset: size})
	case "fsync", "fdatasync":
		r.add(diskEvent{call: "fsync", path: path})
	case "mkdir", "mkdirat":
		r.add(diskEvent{call: "mkdir", path: r.unhex(texts[0])})
	case "unlink", "unlinkat":
		r.add(diskEvent{call: "unlink", path: r.unhex(texts[0])})
	case "rename", "renameat", "renameat2":
		r.add(diskEvent{call: "rename", path: r.unhex(texts[0]), to: r.unhex(texts[1])})
	case "close":
	default:
		r.t.Fatalf("a power cut in %s is not thought of", name)
	}
}

// powercutTargets are loads of several checkpoints.
func powercutTargets() []killTarget {
	return []killTarget{
		{name: "cut csv to sqlite", records: 1500, database: "sqlite", source: "csv", writer: "{type: sql, connection: shop, table: payments, create: true}"},
		{name: "cut csv to csv", records: 20_000, source: "csv", writer: "{type: csv, path: out/payments.csv}", outputs: []string{"out/payments.csv"}},
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
	for _, name := range p.target.outputs {
		text, err := os.ReadFile(filepath.Join(p.folder, name))
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
