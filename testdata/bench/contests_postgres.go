package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

const columns = `(
	id integer primary key,
	tx_id text not null,
	seller_id integer not null,
	user_id integer not null,
	amount numeric(12,2) not null,
	currency text not null,
	status text not null,
	created_at timestamptz not null,
	memo text not null,
	flag boolean not null)`

// asText reads rows of such a table as they are in the CSV.
const asText = `select id::text, tx_id, seller_id::text, user_id::text, amount::text, currency, status,
	to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), memo, flag::text from `

const noCheckpoints = "drop table if exists batchctl_checkpoint"

// emptyTable makes the target anew. The checkpoint that follows spares the run the pages that others have changed.
func (b *bench) emptyTable() func(context.Context) error {
	return all(b.withoutOutputs, b.server.exec(noCheckpoints, "drop table if exists tx", "create table tx "+columns, "checkpoint"))
}

func (b *bench) checkTable(rows int64) func(context.Context) error {
	return func(ctx context.Context) error {
		return newChecker(rows, asIs, nil).checkQuery(ctx, b.server.db, asText+"tx order by tx.id")
	}
}

// psql runs one command of psql.
func (b *bench) psql(statement string) command {
	c := command{args: []string{psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement}, env: b.env()}
	if b.server != nil {
		c.args = append(c.args, b.server.dsn)
	}
	return c
}

func (b *bench) load() contest {
	loading := func(name string, c command) contender {
		return contender{name: name, needs: postgres, before: b.emptyTable(), run: c.measured, check: b.checkTable(b.rows)}
	}
	file := "file=" + b.input(b.rows, ".csv")
	c := contest{name: "load", setup: b.prepare(b.rows, ".csv")}
	copying := loading("psql", b.psql(fmt.Sprintf(`\copy tx from '%s' csv header`, b.input(b.rows, ".csv"))))
	copying.needs = postgres + " " + psql
	c.contenders = append(c.contenders, copying)
	for _, goal := range []struct {
		chunk, workers int
		speed          float64
	}{{1000, 1, 0.7}, {1000, 2, 1.0}, {5000, 2, 1.2}, {200, 1, 0.5}, {200, 2, 0.7}} {
		c.loads(loading, b.job("load", file, "chunk="+strconv.Itoa(goal.chunk), workers(goal.workers)), goal.chunk, goal.workers, goal.speed)
	}
	return c
}

func (c *contest) loads(loading func(string, command) contender, job command, chunk, workers int, speed float64) {
	name := fmt.Sprintf("batchctl chunk %d workers %d", chunk, workers)
	c.contenders = append(c.contenders, loading(name, job))
	c.claims = append(c.claims, claim{
		job: fmt.Sprintf("CSV to PostgreSQL, chunk %d, %s", chunk, manyWorkers(workers)), by: name, against: "psql",
		peer: "`psql \\copy`, one transaction", goal: goal{speed: speed, peakMiB: postgresMiB},
	})
}

func manyWorkers(n int) string {
	if n == 1 {
		return "one worker"
	}
	return fmt.Sprintf("%d workers", n)
}

// upsertShare is which part of the rows are upserted: one by one they would take minutes.
const upsertShare = 5

func (b *bench) upsert() contest {
	rows := b.rows / upsertShare
	inConflict := all(b.emptyTable(), b.server.exec(
		fmt.Sprintf("insert into tx select n, '', 0, 0, 0, '', '', 'epoch', '', n %% 2 = 0 from generate_series(1, %d) n", rows), "vacuum analyze tx", "checkpoint"))
	upserting := func(name string, c command) contender {
		return contender{name: name, needs: postgres, before: inConflict, run: c.measured, check: b.checkTable(rows)}
	}
	oneByOne := b.self(upsertCommand, b.input(rows, ".csv"))
	return contest{
		name: "upsert", setup: b.prepare(rows, ".csv"),
		contenders: []contender{
			upserting("row by row", oneByOne),
			upserting("batchctl", b.job("upsert", "file="+b.input(rows, ".csv"))),
		},
		claims: []claim{{
			job: fmt.Sprintf("CSV to PostgreSQL, upsert, all %s rows in conflict", thousands(rows)), by: "batchctl", against: "row by row",
			peer: "row-by-row upserts, prepared, chunk 1000", goal: goal{speed: 6, peakMiB: postgresMiB},
		}},
	}
}

// source fills the table that is read.
func (b *bench) source() func(context.Context) error {
	return all(b.prepare(b.rows, ".csv"), b.server.exec("drop table if exists source", "create table source "+columns),
		func(context.Context) error {
			_, err := b.psql(fmt.Sprintf(`\copy source from '%s' csv header`, b.input(b.rows, ".csv"))).run()
			return err
		}, b.server.exec("create index on source (seller_id, id)", "vacuum analyze source", "checkpoint"))
}

// asExported expects rows with times as PostgreSQL writes them.
func asExported(r *transaction, to [][]byte) [][]byte {
	to = asIs(r, to)
	to[7] = bytes.Replace(bytes.Replace(to[7], []byte("T"), []byte(" "), 1), []byte("Z"), []byte("+00"), 1)
	return to
}

// asCopied expects rows as COPY writes them.
func asCopied(r *transaction, to [][]byte) [][]byte {
	to = asExported(r, to)
	to[9] = to[9][:1]
	return to
}

func (b *bench) export() contest {
	const needs = postgres + " " + psql // the source is filled by psql
	fresh := all(b.withoutOutputs, b.server.exec(noCheckpoints, "checkpoint"))
	out, halves := b.out("export.csv"), []string{b.out("partition0.csv"), b.out("partition1.csv")}
	exporting := func(name string, c command, want expectation, files ...string) contender {
		return contender{name: name, needs: needs, before: fresh, run: c.measured, check: func(context.Context) error {
			return newChecker(b.rows, want, nil).checkCSV(files...)
		}}
	}
	claims := []claim{
		{job: "PostgreSQL to CSV, ordered, restartable", by: "batchctl", goal: goal{speed: 0.75, peakMiB: exportMiB}},
		{job: "PostgreSQL to CSV, two key-range partitions", by: "batchctl partitions", goal: goal{speed: 0.85, peakMiB: exportMiB}},
	}
	for i := range claims {
		claims[i].against, claims[i].peer = "psql", "`psql \\copy (... order by id) to`"
	}
	return contest{
		name: "export", setup: b.source(), claims: claims,
		contenders: []contender{
			exporting("psql", b.psql(fmt.Sprintf(`\copy (select * from source order by id) to '%s' csv header`, out)), asCopied, out),
			exporting("batchctl", b.job("export", "out="+out), asExported, out),
			exporting("batchctl partitions", b.job("export-partitions", "folder="+b.out("")), asExported, halves...),
		},
	}
}

const settleInside = `insert into settlement select seller_id, sum(amount - round(amount * 0.03, 2)), sum(round(amount * 0.03, 2)), count(*)
from source where status = 'PAID' group by seller_id
on conflict (seller_id) do update set net = settlement.net + excluded.net, fee = settlement.fee + excluded.fee,
payments = settlement.payments + excluded.payments`

func (b *bench) settle() contest {
	fresh := all(b.withoutOutputs, b.server.exec(noCheckpoints, "drop table if exists settlement",
		"create table settlement (seller_id integer primary key, net numeric(14,2) not null, fee numeric(14,2) not null, payments bigint not null)",
		"checkpoint"))
	settling := func(name string, c command) contender {
		return contender{name: name, needs: postgres + " " + psql, before: fresh, run: c.measured, check: b.checkSettlement}
	}
	return contest{
		name: "settle", setup: b.source(),
		contenders: []contender{settling("in the database", b.psql(settleInside)), settling("batchctl", b.job("settle"))},
		claims: []claim{{
			job: "settlement: PostgreSQL, keyset [seller_id, id], fold, upsert, chunk 1000", by: "batchctl", against: "in the database",
			peer: "`insert .. select .. group by .. on conflict`", goal: goal{speed: 0.35, peakMiB: postgresMiB},
		}},
	}
}

func (b *bench) checkSettlement(ctx context.Context) error {
	want := settlements(b.rows)
	rows, err := b.server.db.Query(ctx, "select seller_id, (net * 100)::bigint, (fee * 100)::bigint, payments from settlement")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seller int64
		var got settled
		if err := rows.Scan(&seller, &got.net, &got.fee, &got.payments); err != nil {
			return err
		}
		if got != want[seller] {
			return fmt.Errorf("seller %d has %+v, want %+v", seller, got, want[seller])
		}
		delete(want, seller)
	}
	if len(want) > 0 {
		return fmt.Errorf("%d sellers are missing", len(want))
	}
	return rows.Err()
}
