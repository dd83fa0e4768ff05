package main

import (
	"context"
	"fmt"
	"path/filepath"

	"batchctl/pkg/sqldb"
)

func (b *bench) intoSQLite() contest {
	file, database := b.input(b.rows, ".csv"), b.out("tx.db")
	loading := func(name, needs string, c command) contender {
		return contender{name: name, needs: needs, before: b.emptySQLite, run: c.measured, check: b.checkSQLite(b.rows)}
	}
	return contest{
		name: "sqlite", setup: b.prepare(b.rows, ".csv"),
		contenders: []contender{
			loading("sqlite3", sqlite, command{args: []string{sqlite, "-bail", database, fmt.Sprintf(".import --csv --skip 1 '%s' tx", file)}}),
			loading("batchctl", "", b.job("sqlite", "file="+file, "database="+database)),
		},
		claims: []claim{{
			job: "CSV to SQLite, chunk 1000", by: "batchctl", against: "sqlite3", peer: "`sqlite3 .import`, one transaction",
			goal: goal{speed: 0.8, peakMiB: sqliteMiB},
		}},
	}
}

func (b *bench) sqlite(ctx context.Context) (*sqldb.DB, error) {
	return sqldb.Open(ctx, sqldb.Config{Name: "target", Driver: "sqlite", DSN: absolute(b.out("tx.db")), Journal: "keep"})
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// emptySQLite makes a database with an empty table.
func (b *bench) emptySQLite(ctx context.Context) error {
	if err := b.withoutOutputs(ctx); err != nil {
		return err
	}
	db, err := b.sqlite(ctx)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, "create table tx "+columns)
	return firstOf(err, db.Close())
}

func (b *bench) checkSQLite(rows int64) func(context.Context) error {
	return func(ctx context.Context) error {
		db, err := b.sqlite(ctx)
		if err != nil {
			return err
		}
		const asText = `select cast(id as text), tx_id, cast(seller_id as text), cast(user_id as text), printf('%.2f', amount), currency,
			status, created_at, memo, case flag when 1 then 'true' when 0 then 'false' else flag end from tx order by tx.id`
		return firstOf(newChecker(rows, asIs, nil).checkQuery(ctx, db, asText), db.Close())
	}
}

// paid returns the contenders that write the paid rows with their fee into a file.
func (b *bench) paid(job, ending, output string, check func(*checker, string) error, select_ string, millerOutput string) contest {
	file, out := b.input(b.rows, ".csv"), b.out("paid"+ending)
	writing := func(name, needs string, c command, cents int64) contender {
		return contender{name: name, needs: needs, before: b.withoutOutputs, run: c.measured, check: func(context.Context) error {
			return check(newChecker(b.rows, paidWithFee, map[int]int64{4: 0, 10: cents}), out)
		}}
	}
	const one, two = "batchctl one worker", "batchctl two workers"
	const millerCent = 1 // Miller computes in binary floating point
	return contest{
		name: job, setup: b.prepare(b.rows, ".csv"),
		contenders: []contender{
			writing("DuckDB", duckdb, b.duckDB(fmt.Sprintf("copy (%s) to '%s' (%s)", fmt.Sprintf(select_, file), out, output)), 0),
			writing("Miller", miller, command{args: []string{miller, "--icsv", millerOutput, "filter", `$status == "PAID"`, "then",
				"put", `$fee = fmtnum($amount * 0.03, "%.2f")`, file}, output: out}, millerCent),
			writing(one, "", b.job(job, "file="+file, "out="+out, workers(1)), 0),
			writing(two, "", b.job(job, "file="+file, "out="+out, workers(2)), 0),
		},
		claims: []claim{
			{job: title(job) + ", one worker", by: one, against: "DuckDB", peer: "DuckDB, 2 threads", goal: goal{speed: 1.1, peakMiB: filesMiB}},
			{job: title(job) + ", 2 workers", by: two, against: "DuckDB", peer: "DuckDB, 2 threads", goal: goal{speed: 1.7, peakMiB: filesMiB}},
			{job: title(job) + ", 2 workers (Miller)", by: two, against: "Miller", peer: "Miller", goal: goal{speed: 5, peakMiB: filesMiB}},
		},
	}
}

func title(job string) string {
	if job == "paid-csv" {
		return "CSV, filter, computed decimal, to CSV"
	}
	return "CSV, filter, computed decimal, to JSONL"
}

const duckSelect = `select *, round(amount * 0.03, 2) as fee from read_csv('%%s', header = true, auto_detect = false, delim = ',',
	quote = '"', escape = '"', columns = {id: '%s', tx_id: 'VARCHAR', seller_id: '%s', user_id: '%s', amount: 'DECIMAL(12,2)',
	currency: 'VARCHAR', status: 'VARCHAR', created_at: 'VARCHAR', memo: 'VARCHAR', flag: '%s'}) where status = 'PAID'`

func (b *bench) paidToCSV() contest {
	texts := fmt.Sprintf(duckSelect, "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
	return b.paid("paid-csv", ".csv", "format csv, header", func(c *checker, path string) error { return c.checkCSV(path) }, texts, "--ocsv")
}

func (b *bench) paidToJSONL() contest {
	typed := fmt.Sprintf(duckSelect, "INTEGER", "INTEGER", "INTEGER", "BOOLEAN")
	return b.paid("paid-jsonl", ".jsonl", "format json", (*checker).checkJSONL, typed, "--ojsonl")
}

func (b *bench) duckDB(statement string) command {
	return command{args: []string{"node", filepath.Join(b.folder, "duckdb", "duckdb.cjs"), statement}}
}

func (b *bench) fromJSONL() contest {
	file, out := b.input(b.rows, ".jsonl"), b.out("jsonl.csv")
	converting := func(name, needs string, c command) contender {
		return contender{name: name, needs: needs, before: b.withoutOutputs, run: c.measured, check: func(context.Context) error {
			return newChecker(b.rows, asIs, nil).checkCSV(out)
		}}
	}
	return contest{
		name: "jsonl-csv", setup: b.prepare(b.rows, ".jsonl"),
		contenders: []contender{
			converting("Miller", miller, command{args: []string{miller, "--ijsonl", "--ocsv", "cat", file}, output: out}),
			converting("batchctl", "", b.job("jsonl-csv", "file="+file, "out="+out)),
		},
		claims: []claim{{
			job: "JSONL to CSV", by: "batchctl", against: "Miller", peer: "Miller", goal: goal{speed: 6, peakMiB: filesMiB},
		}},
	}
}
