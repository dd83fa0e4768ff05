package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

const csvHeader = "id,tx_id,seller_id,user_id,amount,currency,status,created_at,memo,flag\n"

// appendCSV writes a row as RFC 4180 says, but for the line end, which is a line feed.
func (r *transaction) appendCSV(to []byte) []byte {
	to = append(strconv.AppendInt(to, r.id, 10), ',')
	to = append(append(to, r.txID...), ',')
	to = append(strconv.AppendInt(to, r.sellerID, 10), ',')
	to = append(strconv.AppendInt(to, r.userID, 10), ',')
	to = append(appendCents(to, r.cents), ',')
	to = append(append(to, r.currency...), ',')
	to = append(append(to, r.status...), ',')
	to = append(append(to, r.createdAt...), ',')
	to = append(appendQuoted(to, r.memo), ',')
	return append(strconv.AppendBool(to, r.flag), '\n')
}

func appendQuoted(to, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\n") {
		return append(to, field...)
	}
	return append(append(append(to, '"'), bytes.ReplaceAll(field, []byte(`"`), []byte(`""`))...), '"')
}

func (r *transaction) appendJSONL(to []byte) []byte {
	to = strconv.AppendInt(append(to, `{"id":`...), r.id, 10)
	to = append(append(to, `,"tx_id":"`...), r.txID...)
	to = strconv.AppendInt(append(to, `","seller_id":`...), r.sellerID, 10)
	to = strconv.AppendInt(append(to, `,"user_id":`...), r.userID, 10)
	to = appendCents(append(to, `,"amount":`...), r.cents)
	to = append(append(to, `,"currency":"`...), r.currency...)
	to = append(append(to, `","status":"`...), r.status...)
	to = append(append(to, `","created_at":"`...), r.createdAt...)
	to = appendEscaped(append(to, `","memo":"`...), r.memo)
	to = strconv.AppendBool(append(to, `","flag":`...), r.flag)
	return append(to, "}\n"...)
}

// appendEscaped escapes what the memos hold: quotes and line feeds.
func appendEscaped(to, text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`"`), []byte(`\"`))
	return append(to, bytes.ReplaceAll(text, []byte("\n"), []byte(`\n`))...)
}

// writeRows makes a file of so many rows, as CSV with a header or as JSON lines by its ending. A file that has the right
// name is left as it is: names say how many rows there are, and the rows are always the same.
func writeRows(path string, rows int64) (err error) {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path + ".partial")
	if err != nil {
		return err
	}
	if err := errors.Join(fillFile(file, filepath.Ext(path), rows), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".partial", path)
}

func fillFile(to io.Writer, ending string, rows int64) error {
	out := bufio.NewWriterSize(to, 1<<20)
	appendRow := (*transaction).appendJSONL
	if ending == ".csv" {
		appendRow = (*transaction).appendCSV
		if _, err := out.WriteString(csvHeader); err != nil {
			return err
		}
	}
	source, line := newTransactions(), []byte(nil)
	for range rows {
		line = appendRow(source.next(), line[:0])
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}
