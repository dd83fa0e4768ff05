package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"io"
	"os"

	"github.com/lib/pq"
)

// upsertCommand is the first argument with which this program is the peer of upserts: one prepared statement for each
// row, a thousand rows a transaction.
const upsertCommand = "upsert-row-by-row"

const upsertStatement = `insert into tx (id, tx_id, seller_id, user_id, amount, currency, status, created_at, memo, flag)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (id) do update set tx_id = excluded.tx_id, seller_id = excluded.seller_id, user_id = excluded.user_id,
amount = excluded.amount, currency = excluded.currency, status = excluded.status, created_at = excluded.created_at,
memo = excluded.memo, flag = excluded.flag`

func upsertRowByRow(ctx context.Context, path string) (err error) {
	rows, file, err := openCSV(path)
	if err != nil {
		return err
	}
	defer file.Close()
	connector, err := pq.NewConnector(os.Getenv(dsnVariable))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	for err == nil {
		err = upsertChunk(ctx, db, rows)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// upsertChunk upserts the next thousand rows; io.EOF says that these were the last.
func upsertChunk(ctx context.Context, db *sql.DB, rows *csv.Reader) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // where it was not committed
	statement, err := tx.PrepareContext(ctx, upsertStatement)
	if err != nil {
		return err
	}
	values := make([]any, 10)
	for range 1000 {
		fields, err := rows.Read()
		if err == io.EOF {
			return firstOf(tx.Commit(), io.EOF)
		}
		if err != nil {
			return err
		}
		for i, field := range fields {
			values[i] = field
		}
		if _, err := statement.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
