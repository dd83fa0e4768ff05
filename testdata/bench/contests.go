package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// MiB of peak memory that jobs may take, by what they write.
const (
	postgresMiB, exportMiB = 48, 32
	sqliteMiB, filesMiB    = 32, 48
)

// contests lists everything that is measured, in the order of the table.
func (b *bench) contests() []contest {
	all := append(b.own(), b.startUp())
	if b.old == "" {
		return all
	}
	before := *b
	before.binary = b.old
	for i, c := range append(before.own(), before.startUp()) {
		all[i] = besides(all[i], c)
	}
	return all
}

func (b *bench) own() []contest {
	return []contest{
		b.load(), b.upsert(), b.export(), b.intoSQLite(), b.paidToCSV(), b.paidToJSONL(), b.fromJSONL(), b.settle(),
		b.restartedLoad(), b.restartedSQLite(), b.restartedFile(),
		b.scaledLoad(), b.scaledSQLite(), b.scaledFile(),
		b.loadSettings(), b.sqliteSettings(), b.fileSettings(),
	}
}

// oldPrefix begins the names of contenders that are another batchctl.
const oldPrefix = "old "

// besides adds the contenders of another batchctl to a contest, and compares each with its counterpart.
func besides(c, old contest) contest {
	for _, p := range old.contenders {
		if isBatchctl(p.name) {
			p.name = oldPrefix + p.name
			c.contenders = append(c.contenders, p)
		}
	}
	for _, claim := range c.claims {
		claim.against, claim.peer, claim.goal, claim.setting = oldPrefix+claim.by, "old batchctl", goal{}, false
		c.claims = append(c.claims, claim)
	}
	return c
}

func isBatchctl(contender string) bool { return len(contender) >= 8 && contender[:8] == "batchctl" }

// input makes the reference data where they are not there, and returns the path.
func (b *bench) input(rows int64, ending string) string {
	return filepath.Join(b.folder, "data", fmt.Sprintf("tx-%d%s", rows, ending))
}

func (b *bench) prepare(rows int64, ending string) func(context.Context) error {
	return func(context.Context) error { return writeRows(b.input(rows, ending), rows) }
}

// out is a path for an output.
func (b *bench) out(name string) string { return filepath.Join(b.folder, "out", name) }

// withoutOutputs removes what an earlier run has written, the job repository included.
func (b *bench) withoutOutputs(context.Context) error {
	return firstOf(os.RemoveAll(b.out("")), os.MkdirAll(b.out(""), 0o755))
}

// meta is the job repository: a new one for each run.
func (b *bench) meta() string { return b.out("meta.db") }

// job is a run of a definition with parameters.
func (b *bench) job(name string, parameters ...string) command {
	c := command{args: []string{b.binary, "run", filepath.Join(b.jobs, name+".yaml"), "--quiet", "--meta", b.meta()}, env: b.env()}
	for _, p := range parameters {
		c.args = append(c.args, "-p", p)
	}
	return c
}

// self is this program in another part.
func (b *bench) self(args ...string) command {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return command{args: append([]string{path}, args...), env: b.env()}
}

func (b *bench) env() []string {
	if b.server == nil {
		return nil
	}
	return []string{dsnVariable + "=" + b.server.dsn, "PGTZ=UTC"}
}

func (c command) measured(context.Context) (usage, error) { return c.run() }

// all runs functions one after the other.
func all(fns ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, fn := range fns {
			if err := fn(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func workers(n int) string { return "workers=" + strconv.Itoa(n) }

// startUp is what a process costs that has next to nothing to do.
func (b *bench) startUp() contest {
	return contest{
		name: "start",
		contenders: []contender{
			{name: "batchctl version", run: b.oftenQuick(command{args: []string{b.binary, "version"}})},
			{name: "batchctl one record", before: b.withoutOutputs, run: b.oftenQuick(b.job("one", "out="+b.out("one.csv"))), check: b.checkOne},
		},
		claims: []claim{
			{job: "start-up of `version`", by: "batchctl version", goal: goal{wall: 15 * time.Millisecond}},
			{job: "a job of one record, with its new metadata file", by: "batchctl one record", goal: goal{wall: 40 * time.Millisecond}},
		},
	}
}

// oftenQuick runs a command ten times, from nothing each time, and takes the means.
func (b *bench) oftenQuick(c command) func(context.Context) (usage, error) {
	return func(ctx context.Context) (usage, error) {
		const times = 10
		var sum usage
		for range times {
			if err := b.withoutOutputs(ctx); err != nil {
				return sum, err
			}
			u, err := c.run()
			if err != nil {
				return sum, err
			}
			sum = sum.and(u)
		}
		sum.wall, sum.cpu = sum.wall/times, sum.cpu/times
		return sum, nil
	}
}

func (b *bench) checkOne(context.Context) error {
	text, err := os.ReadFile(b.out("one.csv"))
	if err == nil && string(text) != "id\n1\n" {
		err = fmt.Errorf("the file holds %q", text)
	}
	return err
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
