package sqldb_test

import (
	"fmt"
	"testing"

	"batchctl/pkg/record"
	"batchctl/pkg/sqldb"
	"batchctl/pkg/sqldb/sqltest"
)

const benchChunk = 1000

// benchRow is a payment: ten columns, some hundred bytes.
func benchRow(b testing.TB, id int64) []record.Value {
	return []record.Value{record.OfInt(id), text("2024-02-29 12:34:56"), text("seller-004711"), text("PAID"), decimal(b, "1234.50").WithText("1234.50"),
		text("KRW"), text("card"), text("some memo, with a comma"), text("Kim Minjun"), record.OfInt(id % 100)}
}

const benchTable = `create table tx (id bigint primary key, at timestamp, seller text, status text, amount numeric(12,2), currency text,
	method text, memo text, buyer text, n bigint)`

func benchWrite(b *testing.B, q sqldb.Querier, mode sqldb.Mode) sqldb.Write {
	columns, err := sqldb.Columns(b.Context(), q, "tx")
	if err != nil {
		b.Fatal(err)
	}
	return sqldb.Write{Mode: mode, Table: "tx", Columns: columns, Key: []string{"id"}, Add: []string{"n"}}
}

// BenchmarkWrite writes b.N rows in chunks of 1000, a commit for each.
func BenchmarkWrite(b *testing.B) {
	for _, mode := range []sqldb.Mode{sqldb.Insert, sqldb.Upsert} {
		b.Run("postgres/"+string(mode), func(b *testing.B) {
			benchChunks(b, "postgres", sqltest.Schema(b), func(tx *sqldb.Tx, rows [][]record.Value) error {
				_, err := tx.Merge(b.Context(), benchWrite(b, tx, mode), func(w *sqldb.CopyWriter) error {
					for _, row := range rows {
						if err := w.Row(row); err != nil {
							return err
						}
					}
					return nil
				})
				return err
			})
		})
		b.Run("sqlite/"+string(mode), func(b *testing.B) {
			var args []any
			benchChunks(b, "sqlite", sqltest.SQLite(b), func(tx *sqldb.Tx, rows [][]record.Value) error {
				const atOnce = 50
				stmt, err := tx.Prepare(b.Context(), benchWrite(b, tx, mode).SQL(tx.Dialect(), atOnce))
				if err != nil {
					return err
				}
				for at := 0; at < len(rows); at += atOnce {
					args = args[:0]
					for _, row := range rows[at : at+atOnce] {
						for _, v := range row {
							args = append(args, tx.Dialect().Argument(v))
						}
					}
					if _, err := stmt.Exec(b.Context(), args...); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

func benchChunks(b *testing.B, driver, dsn string, write func(tx *sqldb.Tx, rows [][]record.Value) error) {
	db := open(b, driver, dsn)
	mustExec(b, db, benchTable)
	c := held(b, db)
	rows := make([][]record.Value, benchChunk)
	for i := range rows {
		rows[i] = benchRow(b, 0)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += benchChunk {
		for i := range rows {
			rows[i][0] = record.OfInt(int64(done + i))
		}
		tx := begin(b, c)
		if err := write(tx, rows); err != nil {
			b.Fatal(fmt.Errorf("row %d: %w", done, err))
		}
		if err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
