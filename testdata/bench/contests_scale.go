package main

import "context"

// manyTimes is how much larger the large input is, and largerTimes how much longer it may take.
const manyTimes, largerTimes = 5, 5.2

// scaled compares a job with itself on a larger input.
func (b *bench) scaled(name, needs, title string, job func(rows int64) (c command, before, check func(context.Context) error)) contest {
	const small, large = "batchctl", "batchctl larger"
	c := contest{name: name, setup: all(b.prepare(b.rows, ".csv"), b.prepare(b.rows*manyTimes, ".csv"))}
	add := func(name string, rows int64) {
		command, before, check := job(rows)
		c.contenders = append(c.contenders, contender{name: name, needs: needs, before: before, run: command.measured, check: check})
	}
	add(small, b.rows)
	add(large, b.rows*manyTimes)
	c.claims = []claim{{
		job: title + ", " + thousands(b.rows*manyTimes) + " rows", by: large, against: small, peer: "itself, " + thousands(b.rows),
		goal: goal{times: largerTimes, samePeak: true},
	}}
	return c
}

func (b *bench) scaledLoad() contest {
	return b.scaled("scale-load", postgres, "CSV to PostgreSQL, 2 workers", func(rows int64) (c command, before, check func(context.Context) error) {
		return b.job("load", "file="+b.input(rows, ".csv"), workers(2)), b.emptyTable(), b.checkTable(rows)
	})
}

func (b *bench) scaledSQLite() contest {
	return b.scaled("scale-sqlite", "", "CSV to SQLite", func(rows int64) (c command, before, check func(context.Context) error) {
		return b.job("sqlite", "file="+b.input(rows, ".csv"), "database="+b.out("tx.db")), b.emptySQLite, b.checkSQLite(rows)
	})
}

func (b *bench) scaledFile() contest {
	out := b.out("paid.csv")
	return b.scaled("scale-file", "", "CSV, filter, computed decimal, to CSV, 2 workers", func(rows int64) (c command, before, check func(context.Context) error) {
		return b.job("paid-csv", "file="+b.input(rows, ".csv"), "out="+out, workers(2)), b.withoutOutputs, b.checkPaid(rows, out)
	})
}
