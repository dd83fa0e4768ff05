package writers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
	"batchctl/pkg/trial"
)

// numbered gives rows their places in the input.
func numbered(rows []record.Record) []record.Record {
	for i := range rows {
		rows[i].Ordinal = int64(i + 1)
	}
	return rows
}

func TestFaultKeepsTheContractOfItsWriter(t *testing.T) {
	t.Parallel()
	both := "{type: all, writers: [{type: json, path: a}, {type: sql, connection: shop, table: t}]}"
	for _, c := range []struct{ inner, want, empty string }{
		{"{type: json, path: a}", array(paymentsJSON), "[\n]\n"},
		{"{type: sql, connection: shop, table: t}", "[0 1 2 3 4 5 6 7]", ""},
		{both, array(paymentsJSON) + "[0 1 2 3 4 5 6 7]", "[\n]\n"},
		{"{type: fault, every: 99, writer: " + both + "}", array(paymentsJSON) + "[0 1 2 3 4 5 6 7]", "[\n]\n"},
		{"{type: discard}", "", ""},
	} {
		t.Run(c.inner, func(t *testing.T) {
			t.Parallel()
			batchtest.Writer(t, batchtest.WriterCase{
				Rows: numbered(payments(t)), Want: c.want, Empty: c.empty,
				Place: func(t *testing.T) batchtest.WriterPlace {
					folder, b := t.TempDir(), new(base)
					p := batchtest.WriterPlace{
						New: func(epoch int64) batch.Writer {
							return mustBuild(t, nesting(environment(folder, epoch), b), "fault", "{at: 100, writer: "+c.inner+"}")
						},
						Content: func() (text string) {
							if text = content(t, filepath.Join(folder, "a")); len(b.rows) > 0 {
								text += fmt.Sprint(b.rows)
							}
							return text
						},
					}
					if strings.Contains(c.inner, "type: sql") {
						p.Tx = b.transact
					}
					return p
				},
			})
		})
	}
}

func TestFaultIsWhatItsWriterIs(t *testing.T) {
	t.Parallel()
	for inner, want := range map[string]string{
		"{type: discard}":                         "false  1",
		"{type: jsonl, path: a}":                  "true  1",
		"{type: sql, connection: shop, table: t}": "false shop 1",
		"{type: all, writers: [{type: csv, path: a}, {type: sql, connection: shop, table: t}]}": "true shop 2",
	} {
		w := mustBuild(t, nesting(environment(t.TempDir(), 1), new(base)), "fault", "{at: 1, writer: "+inner+"}")
		_, publishes := w.(batch.Publisher)
		connection := ""
		if target, ok := w.(batch.Target); ok {
			connection = target.Connection()
		}
		if got := fmt.Sprint(publishes, " ", connection, " ", len(w.(batch.Fanout).Parts())); got != want {
			t.Errorf("%s: got publishes, connection, parts %q, want %q", inner, got, want)
		}
	}
}

// The rows are with the inner writer when the error comes: undoing them is what is tried.
func TestFaultFailsBehindTheRows(t *testing.T) {
	t.Parallel()
	b := new(base)
	w := mustBuild(t, nesting(environment("", 1), b), "fault", "{at: [3, 6], times: 1, class: constraint, writer: {type: sql, connection: shop, table: t}}")
	rows := numbered(payments(t))
	for _, want := range []int{2, 5} {
		err := b.transact(func(tx batch.Tx) error { return w.Write(t.Context(), tx, rows) })
		var row *batch.RowError
		if !errors.As(err, &row) || row.Row != want || fault.ClassOf(err) != fault.Constraint || len(b.pending) != 8 || len(b.rows) != 0 {
			t.Errorf("got %v, pending %v, rows %v, want that row %d is to blame", err, b.pending, b.rows, want)
		}
	}
	if err := b.transact(func(tx batch.Tx) error { return w.Write(t.Context(), tx, rows) }); err != nil || len(b.rows) != 8 {
		t.Errorf("healed: got %v, %v", err, b.rows)
	}
}

func TestFaultOfAChunkBlamesNoRow(t *testing.T) {
	t.Parallel()
	w := mustBuild(t, nesting(environment("", 1), new(base)), "fault", "{at: 3, blame: chunk, writer: {type: discard}}")
	var row *batch.RowError
	if err := w.Write(t.Context(), nil, numbered(payments(t))); err == nil || errors.As(err, &row) {
		t.Errorf("got %v", err)
	}
}

func TestFaultOfAFlushFailsForTheRecordInItOnly(t *testing.T) {
	t.Parallel()
	w := mustBuild(t, nesting(environment("", 1), new(base)), "fault", "{at: 3, on: flush, times: 1, class: environment, writer: {type: discard}}")
	rows := numbered(payments(t))
	var got []bool
	for _, chunk := range [][]record.Record{rows[:2], rows[2:4], rows[2:4], rows[4:]} {
		if err := w.Write(t.Context(), nil, chunk); err != nil {
			t.Fatal(err)
		}
		failed := w.Flush(t.Context(), nil) != nil
		if got = append(got, failed); failed {
			if err := w.Open(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, []bool{false, true, false, false}) {
		t.Errorf("got failures %v", got)
	}
}

func TestMessagesOfFault(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"{writer: {type: discard}}":                         "nothing says which records fail",
		"{at: 1}":                                           `key "writer" is missing`,
		"{at: 1, writer: {type: discrad}}":                  `unknown writer "discrad"`,
		"{at: 1, writer: {type: discard, x: 1}}":            `unknown key "x"`,
		"{at: 1, class: none, writer: {type: discard}}":     "there is no sleep",
		"{at: 1, on: publish, writer: {type: discard}}":     "expected one of write, flush",
		"{at: 1, writer: {type: csv, path: a, header: no}}": "header",
	} {
		_, err := buildFile(nesting(environment(t.TempDir(), 1), new(base)), "fault", yaml)
		if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != fault.Definition {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
}

var _ batch.Writer = (*faulty)(nil)

func TestFaultAsksItsWriterWhatItCanWrite(t *testing.T) {
	t.Parallel()
	inner := &choosy{}
	w := faultAround(inner, faulty{})
	check, ok := w.(interface {
		Check(ctx context.Context, in *record.Schema) error
	})
	if !ok || check.Check(t.Context(), nil) == nil {
		t.Error("the inner writer was not asked")
	}
}

// choosy writes no schema at all.
type choosy struct{ discard }

func (*choosy) Check(context.Context, *record.Schema) error { return errors.New("no") }

// blaming knows which row an error of its own is about.
type blaming struct{ discard }

func (*blaming) Blame(_ context.Context, _ []record.Record, err error) error {
	return &batch.RowError{Row: 1, Err: err}
}

func TestFaultLetsItsWriterSearchForItsOwnErrorsOnly(t *testing.T) {
	t.Parallel()
	w := mustBuild(t, nesting(environment("", 1), new(base)), "fault", "{at: 1, blame: chunk, class: constraint, writer: {type: discard}}").(faultyParts)
	w.inner = new(blaming)
	rows := numbered(payments(t))
	var row *batch.RowError
	if err := w.Blame(t.Context(), rows, w.Write(t.Context(), nil, rows)); !trial.Planned(err) || errors.As(err, &row) {
		t.Errorf("planned: got %v", err)
	}
	if err := w.Blame(t.Context(), rows, errors.New("refused")); !errors.As(err, &row) {
		t.Errorf("its own: got %v", err)
	}
}
