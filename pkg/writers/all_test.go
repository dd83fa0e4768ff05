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
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// nesting lets an environment build the writers within writers; those of type sql write into a database in memory.
func nesting(env *catalog.Env, into *base) *catalog.Env {
	env.Writer = func(node config.Node) (batch.Writer, error) {
		kind, _ := node.Get("type")
		if kind.Text() == "sql" {
			name, _ := node.Get("connection")
			return &table{base: into, name: name.Text()}, nil
		}
		return buildNode(env, kind.Text(), node.Without("type"))
	}
	return env
}

// base is a database in memory: rows are there when their transaction has committed.
type base struct{ rows, pending []string }

func (b *base) Savepoint(context.Context) error     { return nil }
func (b *base) RollbackTo(context.Context) error    { return nil }
func (b *base) Release(context.Context) error       { return nil }
func (b *base) CheckDeferred(context.Context) error { return nil }

func (b *base) transact(fn func(batch.Tx) error) error {
	b.pending = nil
	if err := fn(b); err != nil {
		return err
	}
	b.rows = append(b.rows, b.pending...)
	return nil
}

// table writes into a base. A row whose first field is in refuse is to blame.
type table struct {
	base   *base
	name   string
	refuse string
}

func (w *table) Connection() string                         { return w.name }
func (w *table) Open(context.Context, batch.State) error    { return nil }
func (w *table) State() (batch.State, error)                { return nil, nil }
func (w *table) Flush(_ context.Context, tx batch.Tx) error { return w.check(tx) }
func (w *table) Close() error                               { return nil }

func (w *table) Write(ctx context.Context, tx batch.Tx, rows []record.Record) error {
	for i, row := range rows {
		text := string(row.At(0).Append(nil))
		if text == w.refuse {
			return &batch.RowError{Row: i, Err: fault.New(fault.Constraint, "refused")}
		}
		w.base.pending = append(w.base.pending, text)
	}
	return errors.Join(ctx.Err(), w.check(tx))
}

func (w *table) check(tx batch.Tx) error {
	if tx != batch.Tx(w.base) {
		return fmt.Errorf("got transaction %T", tx)
	}
	return nil
}

func TestAllKeepsTheContract(t *testing.T) {
	t.Parallel()
	files := "{type: csv, path: a, columns: [id, amount]}, {type: discard}, {type: all, writers: [{type: json, path: b}, {type: jsonl, path: c}]}"
	wantFiles := "id,amount\n0,0.50\n1,1.50\n2,2.50\n3,3.50\n4,4.50\n5,5.50\n6,6.50\n7,7.50\n" + array(paymentsJSON) + paymentsJSON
	for _, c := range []struct{ name, yaml, want, empty string }{
		{"files", "writers: [" + files + "]", wantFiles, "id,amount\n[\n]\n"},
		{"files and a database", "writers: [" + files + ", {type: sql, connection: shop, table: t}]", wantFiles + "[0 1 2 3 4 5 6 7]", "id,amount\n[\n]\n"},
		{"a database alone", "writers: [{type: sql, connection: shop, table: t}, {type: discard}]", "[0 1 2 3 4 5 6 7]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			batchtest.Writer(t, batchtest.WriterCase{
				Rows: payments(t), Want: c.want, Empty: c.empty,
				Place: func(t *testing.T) batchtest.WriterPlace {
					folder, b := t.TempDir(), new(base)
					p := batchtest.WriterPlace{
						New: func(epoch int64) batch.Writer {
							return mustBuild(t, nesting(environment(folder, epoch), b), "all", c.yaml)
						},
						Content: func() (text string) {
							for _, name := range []string{"a", "b", "c"} {
								text += content(t, filepath.Join(folder, name))
							}
							if len(b.rows) > 0 {
								text += fmt.Sprint(b.rows)
							}
							return text
						},
					}
					if strings.Contains(c.yaml, "type: sql") {
						p.Tx = b.transact
					}
					return p
				},
			})
		})
	}
}

func TestAllIsWhatItsWritersAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		yaml       string
		publishes  bool
		connection string
	}{
		{"writers: [{type: discard}]", false, ""},
		{"writers: [{type: discard}, {type: jsonl, path: a}]", true, ""},
		{"writers: [{type: sql, connection: shop, table: t}]", false, "shop"},
		{"writers: [{type: json, path: a}, {type: all, writers: [{type: sql, connection: shop, table: t}]}]", true, "shop"},
	} {
		w := mustBuild(t, nesting(environment(t.TempDir(), 1), new(base)), "all", c.yaml)
		_, publishes := w.(batch.Publisher)
		connection := ""
		if target, ok := w.(batch.Target); ok {
			connection = target.Connection()
		}
		if publishes != c.publishes || connection != c.connection {
			t.Errorf("%s: publishes %v, connection %q", c.yaml, publishes, connection)
		}
	}
}

func TestMessagesOfAll(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"writers: []": "the list of writers is empty",
		"writers: [{type: sql, connection: a, table: t}, {type: sql, connection: b, table: t}]":                         "job.yaml:1:49: a second database in one step: connection b beside a",
		"writers: [{type: sql, connection: a, table: t}, {type: all, writers: [{type: sql, connection: a, table: t}]}]": "a second writer for connection a",
		"writers: [{type: csv, path: a, delimiter: \"\\n\"}]":                                                           "the delimiter must be",
		"writers: [{type: csv, path: a, header: false}, {type: csv, path: ./x/../a}]":                                   "is being written by another writer",
		"writers: [{type: csv, path: a}, {type: all, writers: [{type: jsonl, path: a}]}]":                               "is being written by another writer",
		"writers: [{type: csv, path: a, colums: [id]}, {type: json}]":                                                   `unknown key "colums" in writer csv (and 1 more)`,
		"writers: [{type: cvs, path: a}]":                                                                               `job.yaml:1:18: unknown writer "cvs"`,
		"writers: [{path: a}]":                                                                                          `key "type" is missing in the writer`,
		"writers: [{type: all, writers: [{type: jsonl, path: a, header: true}]}]":                                       `unknown key "header"`,
	} {
		env := nesting(environment(t.TempDir(), 1), new(base))
		w, err := buildFile(env, "all", yaml)
		if err == nil {
			err = w.Open(t.Context(), nil)
			if closeErr := w.Close(); closeErr != nil {
				t.Error(closeErr)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != fault.Definition {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
}

func TestAllRefusesTheStateOfOtherWriters(t *testing.T) {
	t.Parallel()
	w := mustBuild(t, nesting(environment(t.TempDir(), 1), new(base)), "all", "writers: [{type: discard}, {type: discard}]")
	for _, state := range []string{"[null]", "[null,null,null]", "{}", "7"} {
		if err := w.Open(t.Context(), batch.State(state)); fault.ClassOf(err) != fault.Definition || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", state, err)
		}
	}
	if err := w.Open(t.Context(), batch.State("[ null, null ]")); err != nil {
		t.Error(err)
	}
}

func TestRowThatTheDatabaseRefusesReachesNoFile(t *testing.T) {
	t.Parallel()
	b := new(base)
	env := nesting(environment(t.TempDir(), 1), b)
	inner := env.Writer
	env.Writer = func(node config.Node) (batch.Writer, error) {
		w, err := inner(node)
		if refusing, ok := w.(*table); ok {
			refusing.refuse = "2"
		}
		return w, err
	}
	w := mustBuild(t, env, "all", "writers: [{type: jsonl, path: a}, {type: sql, connection: shop, table: t}]")
	if err := w.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	before, err := w.State()
	if err != nil {
		t.Fatal(err)
	}
	var row *batch.RowError
	err = b.transact(func(tx batch.Tx) error { return w.Write(t.Context(), tx, payments(t)) })
	if !errors.As(err, &row) || row.Row != 2 {
		t.Fatalf("got %v", err)
	}
	if after, _ := w.State(); !slices.Equal(before, after) {
		t.Errorf("the state went from %s to %s", before, after)
	}
}

func TestDiscardTakesEverything(t *testing.T) {
	t.Parallel()
	batchtest.Writer(t, batchtest.WriterCase{
		Rows: payments(t),
		Place: func(t *testing.T) batchtest.WriterPlace {
			return batchtest.WriterPlace{
				New:     func(epoch int64) batch.Writer { return mustBuild(t, environment("", epoch), "discard", "{}") },
				Content: func() string { return "" },
			}
		},
	})
}
