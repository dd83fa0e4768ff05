package writers

import (
	"fmt"
	"testing"

	"batchctl/pkg/catalog"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// BenchmarkSQLWriter writes chunks of 1000 records of ten texts, as a CSV reader without types gives them, each in a
// transaction of its own. Upserts find every row in conflict.
func BenchmarkSQLWriter(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		for _, mode := range []string{"insert", "upsert"} {
			b.Run(driver+"/"+mode, func(b *testing.B) {
				dsn := ""
				if driver == "sqlite" {
					dsn = sqltest.SQLite(b)
				} else {
					dsn = sqltest.Postgres(b)
				}
				benchmarkSQL(b, driver, dsn, mode)
			})
		}
	}
}

func benchmarkSQL(b *testing.B, driver, dsn, mode string) {
	ctx := b.Context()
	db, err := sqldb.Open(ctx, sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, err = db.Exec(ctx, `create table tx (id integer primary key, tx_id text, seller_id integer, user_id integer, amount numeric(12,2),
		currency text, status text, created_at timestamp, memo text, flag boolean)`)
	if err != nil {
		b.Fatal(err)
	}
	conf := &sqlConf{Connection: "shop", Table: "tx", Mode: mode, Bulk: "auto"}
	if mode == "upsert" {
		conf.Key = []string{"id"}
	}
	w, err := newSQL(conf, &catalog.Env{Connect: func(string) (*sqldb.DB, error) { return db, nil }})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Open(ctx, nil); err != nil {
		b.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	schema := sqlSchema(b, "id tx_id seller_id user_id amount currency status created_at memo flag")
	var rows []record.Record
	next := 0
	fill := func() {
		rows = rows[:0]
		for i := range 1000 {
			if mode == "insert" || next < 1000 {
				next++
			}
			id := i + 1
			if mode == "insert" {
				id = next
			}
			rows = append(rows, sqlRecords(b, schema, fmt.Sprintf("%d|tx-%08d|%d|%d|%d.25|KRW|PAID|2026-11-20 10:00:00|a memo, with a comma|true", id, id, id%10000, id%1000003, id%5000))...)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		fill()
		b.StartTimer()
		tx, err := conn.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Write(ctx, tx, rows); err != nil {
			b.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
