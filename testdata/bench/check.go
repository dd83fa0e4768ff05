package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"batchctl/pkg/sqldb"
)

// An expectation says what becomes of a row: its fields as text, or nothing where it is left out.
type expectation func(r *transaction, to [][]byte) [][]byte

// checker draws the reference data once more beside an output, and compares record by record.
type checker struct {
	source *transactions
	rows   int64 // that are left
	want   expectation
	cents  map[int]int64 // columns that are decimals, and by how much they may differ
	fields [][]byte
	count  int64
}

func newChecker(rows int64, want expectation, cents map[int]int64) *checker {
	return &checker{source: newTransactions(), rows: rows, want: want, cents: cents}
}

// advance draws the next row that the output should have.
func (c *checker) advance() (fields [][]byte, ok bool) {
	for c.rows > 0 {
		c.rows--
		if c.fields = c.want(c.source.next(), c.fields[:0]); len(c.fields) > 0 {
			c.count++
			return c.fields, true
		}
	}
	return nil, false
}

// take compares the next record of the output.
func (c *checker) take(got [][]byte) error {
	want, ok := c.advance()
	if !ok {
		return fmt.Errorf("a record after the %d that should be there: %q", c.count, got)
	}
	if len(got) != len(want) {
		return fmt.Errorf("record %d: %d fields, want %d: %q", c.count, len(got), len(want), got)
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) && !c.close(i, got[i], want[i]) {
			return fmt.Errorf("record %d: field %d is %q, want %q", c.count, i+1, got[i], want[i])
		}
	}
	return nil
}

// close reports whether two decimals are the same number, or near enough where that is allowed.
func (c *checker) close(column int, got, want []byte) bool {
	within, decimal := c.cents[column]
	if !decimal {
		return false
	}
	a, err1 := strconv.ParseFloat(string(got), 64)
	b, err2 := strconv.ParseFloat(string(want), 64)
	apart := a - b
	return err1 == nil && err2 == nil && max(apart, -apart) <= float64(within)/100+1e-6
}

// end reports whether the output ends where it should.
func (c *checker) end() error {
	if _, more := c.advance(); more {
		return fmt.Errorf("%d records, want more", c.count-1)
	}
	if c.count == 0 {
		return errors.New("no records were expected: nothing was checked")
	}
	return nil
}

// checkCSV checks files with a header each, one after the other.
func (c *checker) checkCSV(paths ...string) error {
	for _, path := range paths {
		if err := c.csvFile(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return c.end()
}

// openCSV opens a file of CSV behind its header. A row that is read is valid until the next one.
func openCSV(path string) (rows *csv.Reader, file io.Closer, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	rows = csv.NewReader(f)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("header: %w", err), f.Close())
	}
	return rows, f, nil
}

func (c *checker) csvFile(path string) error {
	rows, file, err := openCSV(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var fields [][]byte
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		fields = fields[:0]
		for _, field := range row {
			fields = append(fields, []byte(field))
		}
		if err := c.take(fields); err != nil {
			return err
		}
	}
}

// paidObject is a record of a JSON output. Numbers and booleans may be written as texts.
type paidObject struct {
	ID        json.Number `json:"id"`
	TxID      string      `json:"tx_id"`
	SellerID  json.Number `json:"seller_id"`
	UserID    json.Number `json:"user_id"`
	Amount    json.Number `json:"amount"`
	Currency  string      `json:"currency"`
	Status    string      `json:"status"`
	CreatedAt string      `json:"created_at"`
	Memo      string      `json:"memo"`
	Flag      any         `json:"flag"`
	Fee       json.Number `json:"fee"`
}

func (c *checker) checkJSONL(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := json.NewDecoder(file)
	lines.DisallowUnknownFields()
	for {
		var o paidObject
		err := lines.Decode(&o)
		if err == io.EOF {
			return c.end()
		}
		if err != nil {
			return err
		}
		fields := [][]byte{}
		for _, text := range []string{o.ID.String(), o.TxID, o.SellerID.String(), o.UserID.String(), o.Amount.String(), o.Currency,
			o.Status, o.CreatedAt, o.Memo, fmt.Sprint(o.Flag), o.Fee.String()} {
			fields = append(fields, []byte(text))
		}
		if err := c.take(fields); err != nil {
			return err
		}
	}
}

// checkQuery checks the rows of a query, all of whose columns are text.
func (c *checker) checkQuery(ctx context.Context, db *sqldb.DB, query string) error {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	raw, fields, into := make([]sql.RawBytes, len(columns)), make([][]byte, len(columns)), make([]any, len(columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range raw {
			fields[i] = raw[i]
		}
		if err := c.take(fields); err != nil {
			return err
		}
	}
	return firstOf(rows.Err(), c.end())
}
