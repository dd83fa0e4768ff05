package readers

import (
	"errors"
	"io"
	"testing"

	"batchctl/pkg/catalog"
	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

// BenchmarkSQLReader reads 100,000 rows of ten columns, ordered by the primary key.
func BenchmarkSQLReader(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		b.Run(driver, func(b *testing.B) {
			dsn := ""
			if driver == "sqlite" {
				dsn = sqltest.SQLite(b)
			} else {
				dsn = sqltest.Postgres(b)
			}
			db, err := sqldb.Open(b.Context(), sqldb.Config{Name: "shop", Driver: driver, DSN: dsn})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			_, err = db.Exec(b.Context(), `create table tx (id integer primary key, tx_id text, seller_id integer, user_id integer,
				amount numeric(12,2), currency text, status text, created_at timestamp, memo text, flag boolean)`)
			if err != nil {
				b.Fatal(err)
			}
			_, err = db.Exec(b.Context(), `with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
				insert into tx select i, 'tx-' || i, i % 10000, i % 1000003, i % 5000 + 0.25, 'KRW', 'PAID', '2026-11-20 10:00:00', 'a memo, with a comma', i % 2 = 0 from n`)
			if err != nil {
				b.Fatal(err)
			}
			for name, conf := range map[string]sqlConf{
				"position": {Query: sqlText("select * from tx order by id")},
				"keyset":   {Query: sqlText("select * from tx"), Keyset: []string{"id"}},
				"pages":    {Query: sqlText("select * from tx"), Keyset: []string{"id"}, Page: 1000},
			} {
				b.Run(name, func(b *testing.B) { benchmarkSQL(b, db, conf) })
			}
		})
	}
}

func benchmarkSQL(b *testing.B, db *sqldb.DB, conf sqlConf) {
	conf.Connection = "shop"
	r, err := newSQL(&conf, &catalog.Env{Connect: func(string) (*sqldb.DB, error) { return db, nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		if err := r.Open(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		var chunk record.Chunk
		for {
			err := r.Read(b.Context(), &chunk)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			rows++
			if chunk.In.Len() == 1000 {
				chunk.Reset()
			}
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "records/s")
}
