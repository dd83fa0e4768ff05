package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
)

// setting is a way to run a job other than with its defaults.
type setting struct {
	name       string
	definition string // empty: that of the job
	parameters []string
}

// settings compares a job with itself under other settings. The first one is what the others are compared with.
func (b *bench) settings(c contest, job, definition string, defaults []string, before, check func(context.Context) error, needs string, variants ...setting) contest {
	const usual = "batchctl"
	c.setup = b.prepare(b.rows, ".csv")
	running := func(name string, s setting) contender {
		run := b.job(cmp.Or(s.definition, definition), slices.Concat(defaults, s.parameters)...)
		return contender{name: name, needs: needs, before: before, check: check, run: run.measured}
	}
	c.contenders = []contender{running(usual, setting{})}
	for _, s := range variants {
		name := usual + " " + s.name
		c.contenders = append(c.contenders, running(name, s))
		c.claims = append(c.claims, claim{job: job + ": " + s.name, by: name, against: usual, setting: true})
	}
	return c
}

func chunk(n int) setting {
	return setting{name: "chunk " + strconv.Itoa(n), parameters: []string{"chunk=" + strconv.Itoa(n)}}
}

func relaxed() setting {
	return setting{name: "durability: relaxed", parameters: []string{"durability=relaxed"}}
}

func (b *bench) loadSettings() contest {
	return b.settings(contest{name: "settings-load"}, "CSV to PostgreSQL", "load", []string{"file=" + b.input(b.rows, ".csv")},
		b.emptyTable(), b.checkTable(b.rows), postgres,
		chunk(100), chunk(5000), chunk(20000),
		setting{name: "2 workers", parameters: []string{workers(2)}},
		setting{name: "4 workers", parameters: []string{workers(4)}},
		relaxed(),
		setting{name: "checkpoint: metadata", parameters: []string{"checkpoint=metadata"}},
		setting{name: "checkpoint: intent", parameters: []string{"checkpoint=intent"}},
		setting{name: "2 partitions of the file", definition: "load-partitions"})
}

func (b *bench) sqliteSettings() contest {
	return b.settings(contest{name: "settings-sqlite"}, "CSV to SQLite", "sqlite",
		[]string{"file=" + b.input(b.rows, ".csv"), "database=" + b.out("tx.db")}, b.emptySQLite, b.checkSQLite(b.rows), "",
		chunk(100), chunk(5000), relaxed())
}

func (b *bench) fileSettings() contest {
	out := b.out("paid.csv")
	return b.settings(contest{name: "settings-file"}, "CSV, filter, computed decimal, to CSV", "paid-csv",
		[]string{"file=" + b.input(b.rows, ".csv"), "out=" + out}, b.withoutOutputs, b.checkPaid(b.rows, out), "",
		chunk(100), chunk(10000), setting{name: "2 workers", parameters: []string{workers(2)}})
}

// checkPaid checks a CSV of the paid rows with their fee.
func (b *bench) checkPaid(rows int64, path string) func(context.Context) error {
	return func(context.Context) error {
		return newChecker(rows, paidWithFee, map[int]int64{4: 0, 10: 0}).checkCSV(path)
	}
}
