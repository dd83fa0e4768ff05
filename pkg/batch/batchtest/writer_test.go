package batchtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/record"
)

// disk is what processes leave to each other: a file in the making and its published form.
type disk struct{ made, published []byte }

// journal is the smallest writer of lines that keeps the contract: its state is the number of bytes written.
type journal struct {
	disk   *disk
	buffer []byte
	size   int
}

func (j *journal) Open(_ context.Context, from batch.State) error {
	j.buffer, j.size = nil, 0
	if from != nil {
		if err := json.Unmarshal(from, &j.size); err != nil {
			return err
		}
	}
	j.disk.made = j.disk.made[:j.size:j.size]
	return nil
}

func (j *journal) Write(ctx context.Context, _ batch.Tx, rows []record.Record) error {
	for _, row := range rows {
		j.buffer = append(append(j.buffer, row.At(0).Text()...), '\n')
	}
	return ctx.Err()
}

func (j *journal) State() (batch.State, error) { return json.Marshal(j.size + len(j.buffer)) }

func (j *journal) Flush(context.Context, batch.Tx) error {
	j.disk.made = append(j.disk.made, j.buffer...)
	j.size += len(j.buffer)
	j.buffer = nil
	return nil
}

func (j *journal) Close() error {
	j.buffer = nil
	return nil
}

func (j *journal) Finish(context.Context) error { return nil }

func (j *journal) Publish(context.Context) error {
	j.disk.published = bytes.Clone(j.disk.made)
	return nil
}

func words(t *testing.T, text ...string) []record.Record {
	schema, err := record.NewSchema(record.Field{Name: "word", Kind: record.Text})
	if err != nil {
		t.Fatal(err)
	}
	var rows []record.Record
	for _, word := range text {
		rows = append(rows, record.Record{Schema: schema, Values: []record.Value{record.OfText(word)}})
	}
	return rows
}

func TestSuiteHoldsForTheSmallestFileWriter(t *testing.T) {
	t.Parallel()
	batchtest.Writer(t, batchtest.WriterCase{
		Place: func(*testing.T) batchtest.WriterPlace {
			d := new(disk)
			return batchtest.WriterPlace{
				New:     func(int64) batch.Writer { return &journal{disk: d} },
				Content: func() string { return string(d.published) },
			}
		},
		Rows: words(t, "a", "b", "c", "d", "e"),
		Want: "a\nb\nc\nd\ne\n",
	})
}

// table is the smallest database: what its one transaction has written is visible when it commits.
type table struct{ pending, committed []string }

func (b *table) Savepoint(context.Context) error  { return nil }
func (b *table) RollbackTo(context.Context) error { return nil }
func (b *table) Release(context.Context) error    { return nil }

func (b *table) CheckDeferred(context.Context) error { return nil }

// inserter is the smallest writer for a database. It has no state.
type inserter struct{}

func (inserter) Open(context.Context, batch.State) error { return nil }
func (inserter) State() (batch.State, error)             { return nil, nil }
func (inserter) Flush(context.Context, batch.Tx) error   { return nil }
func (inserter) Close() error                            { return nil }
func (inserter) Connection() string                      { return "memory" }
func (inserter) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	t := tx.(*table)
	for _, row := range rows {
		t.pending = append(t.pending, string(row.At(0).Append(nil)))
	}
	return ctx.Err()
}

func TestSuiteHoldsForTheSmallestDatabaseWriter(t *testing.T) {
	t.Parallel()
	batchtest.Writer(t, batchtest.WriterCase{
		Place: func(*testing.T) batchtest.WriterPlace {
			b := new(table)
			return batchtest.WriterPlace{
				New: func(int64) batch.Writer { return inserter{} },
				Content: func() string {
					text, _ := json.Marshal(b.committed)
					return string(text)
				},
				Tx: func(fn func(batch.Tx) error) error {
					b.pending = nil
					err := fn(b)
					if err == nil {
						b.committed = append(b.committed, b.pending...)
					}
					return err
				},
			}
		},
		Rows:  words(t, "a", "b", "c", "d", "e"),
		Want:  `["a","b","c","d","e"]`,
		Empty: "null",
	})
}
