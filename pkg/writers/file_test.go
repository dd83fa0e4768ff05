package writers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/record"
)

// counts is a scope with the counter that a footer names.
type counts struct{ write int64 }

func (c *counts) Lookup(name string) (record.Value, config.Availability) {
	if name == "counters.write_count" {
		return record.OfInt(c.write), config.Now
	}
	return record.Value{}, config.NoSuchName
}

func (c *counts) Names(string) []string { return []string{"write_count"} }

func environment(folder string, epoch int64) *catalog.Env {
	return &catalog.Env{
		Job: "job", Step: "step", Instance: "i1", Epoch: epoch, Adopt: true, Base: folder, Location: time.UTC,
		Scope: &counts{write: 8}, Notice: func(string) {},
	}
}

// build makes the writer of a kind from its YAML, as a definition has it but for its type.
func buildFile(env *catalog.Env, kind, yaml string) (batch.Writer, error) {
	document, err := config.Parse("job.yaml", []byte(yaml))
	if err != nil {
		return nil, err
	}
	return buildNode(env, kind, document.Root)
}

func buildNode(env *catalog.Env, kind string, node config.Node) (batch.Writer, error) {
	entry, ok := Table().Lookup(kind)
	if !ok {
		return nil, fmt.Errorf("no writer %s", kind)
	}
	conf := entry.New()
	decoder := &config.Decoder{Scope: env.Scope, Base: env.Base, What: "writer " + kind}
	if err := decoder.Decode(node, conf); err != nil {
		return nil, err
	}
	return entry.Build(conf, env)
}

func mustBuild(t testing.TB, env *catalog.Env, kind, yaml string) batch.Writer {
	t.Helper()
	w, err := buildFile(env, kind, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// place is a folder that a writer's output goes to as "out".
func place(t *testing.T, kind, yaml string, adopt bool) batchtest.WriterPlace {
	t.Helper()
	folder := t.TempDir()
	return batchtest.WriterPlace{
		New: func(epoch int64) batch.Writer {
			env := environment(folder, epoch)
			env.Adopt = adopt
			return mustBuild(t, env, kind, yaml)
		},
		Content: func() string { return content(t, filepath.Join(folder, "out")) },
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := files.OpenInput(f, path, files.InputOptions{Encoding: "utf-8"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fileSchema(t testing.TB, kind record.Kind, names ...string) *record.Schema {
	t.Helper()
	var fields []record.Field
	for _, name := range names {
		fields = append(fields, record.Field{Name: name, Kind: kind})
	}
	schema, err := record.NewSchema(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// payments returns eight records of id, name, amount, with everything that a CSV writer has to quote.
func payments(t testing.TB) []record.Record {
	t.Helper()
	schema := fileSchema(t, record.Text, "id", "name", "amount")
	var rows []record.Record
	for i, name := range []string{"김하늘", "Kim, Ha-neul", "say \"hi\"", "two\nlines", "", " x ", "a", "\t"} {
		amount, err := new(record.Format).Parse(record.Decimal, fmt.Sprintf("%d.50", i))
		if err != nil {
			t.Fatal(err)
		}
		text := record.OfText(name)
		if i == 6 {
			text = record.NullValue
		}
		rows = append(rows, record.Record{Schema: schema, Values: []record.Value{record.OfInt(int64(i)), text, amount}})
	}
	return rows
}

// growing returns records whose schema grows, as a JSON reader's does.
func growing(t testing.TB) []record.Record {
	t.Helper()
	first := fileSchema(t, record.Absent, "id", "name")
	second := fileSchema(t, record.Absent, "id", "name", "tags")
	other := fileSchema(t, record.Absent, "tags", "id") // of a reader that began behind the first records
	row := func(s *record.Schema, values ...record.Value) record.Record {
		return record.Record{Schema: s, Values: values}
	}
	return []record.Record{
		row(first, record.OfInt(1), record.OfText("a")),
		row(first, record.OfInt(2)),
		row(second, record.OfInt(3), record.NullValue, record.OfJSON("[1,\n2]")),
		row(other, record.OfJSON("{}"), record.OfInt(4)),
		row(other, record.Value{}, record.OfInt(5)),
	}
}

const paymentsCSV = "id,name,amount\n0,김하늘,0.50\n1,\"Kim, Ha-neul\",1.50\n2,\"say \"\"hi\"\"\",2.50\n3,\"two\nlines\",3.50\n" +
	"4,,4.50\n5, x ,5.50\n6,,6.50\n7,\t,7.50\n"

const paymentsJSON = `{"id":0,"name":"김하늘","amount":0.50}
{"id":1,"name":"Kim, Ha-neul","amount":1.50}
{"id":2,"name":"say \"hi\"","amount":2.50}
{"id":3,"name":"two\nlines","amount":3.50}
{"id":4,"name":"","amount":4.50}
{"id":5,"name":" x ","amount":5.50}
{"id":6,"name":null,"amount":6.50}
{"id":7,"name":"\t","amount":7.50}
`

const growingJSON = `{"id":1,"name":"a"}
{"id":2}
{"id":3,"name":null,"tags":[1,2]}
{"id":4,"tags":{}}
{"id":5}
`

// array makes a JSON array of JSON lines.
func array(lines string) string {
	return "[\n" + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n{", ",\n{") + "\n]\n"
}

func TestFileWritersKeepTheContract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, yaml string
		rows             []record.Record
		want, empty      string
	}{
		{"csv", "csv", "path: out", payments(t), paymentsCSV, ""},
		{"csv columns", "csv", "{path: out, columns: [amount, id]}", payments(t)[:3], "amount,id\n0.50,0\n1.50,1\n2.50,2\n", "amount,id\n"},
		{"csv footer", "csv", "{path: out, columns: [id], footer: \"# ${counters.write_count} records\"}", payments(t)[:3], "id\n0\n1\n2\n# 8 records\n", "id\n# 8 records\n"},
		{"csv text header", "csv", "{path: out, header: ID and no more, columns: [id]}", payments(t)[:2], "ID and no more\n0\n1\n", "ID and no more\n"},
		{"csv no header", "csv", "{path: out, header: false, line_end: crlf, delimiter: \"\\t\", columns: [id, name]}", payments(t)[:2], "0\t김하늘\r\n1\tKim, Ha-neul\r\n", ""},
		{"csv null text", "csv", "{path: out, null_text: \"\", header: false}", payments(t)[4:7], "4,\"\",4.50\n5, x ,5.50\n6,,6.50\n", ""},
		{"csv of objects", "csv", "{path: out, columns: [id, tags], quote: \"'\", quote_all: true}", growing(t), "'id','tags'\n'1',\n'2',\n'3','[1,\n2]'\n'4','{}'\n'5',\n", "'id','tags'\n"},
		{"jsonl", "jsonl", "path: out", payments(t), paymentsJSON, ""},
		{"jsonl growing", "jsonl", "path: out", growing(t), growingJSON, ""},
		{"jsonl columns", "jsonl", "{path: out, columns: [tags, id]}", growing(t), "{\"id\":1}\n{\"id\":2}\n{\"tags\":[1,2],\"id\":3}\n{\"tags\":{},\"id\":4}\n{\"id\":5}\n", ""},
		{"jsonl decimals", "jsonl", "{path: out, columns: [amount], decimals: string}", payments(t)[:2], "{\"amount\":\"0.50\"}\n{\"amount\":\"1.50\"}\n", ""},
		{"csv append", "csv", "{path: out, append: true, columns: [id], footer: end}", payments(t)[:3], "id\n0\n1\n2\nend\n", "id\nend\n"},
		{"jsonl append", "jsonl", "{path: out, append: true}", growing(t), growingJSON, ""},
		{"csv gzip", "csv", "{path: out, compression: gzip, columns: [id], footer: end}", payments(t)[:3], "id\n0\n1\n2\nend\n", "id\nend\n"},
		{"json zstd", "json", "{path: out, compression: zstd}", payments(t), array(paymentsJSON), "[\n]\n"},
		{"jsonl gzip", "jsonl", "{path: out, compression: gzip}", growing(t), growingJSON, ""},
		{"json", "json", "path: out", payments(t), array(paymentsJSON), "[\n]\n"},
		{"json growing", "json", "path: out", growing(t), array(growingJSON), "[\n]\n"},
	} {
		for _, adopt := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/adopt=%v", c.name, adopt), func(t *testing.T) {
				t.Parallel()
				batchtest.Writer(t, batchtest.WriterCase{
					Place: func(t *testing.T) batchtest.WriterPlace { return place(t, c.kind, c.yaml, adopt) },
					Rows:  c.rows, Want: c.want, Empty: c.empty,
				})
			})
		}
	}
}

// run writes rows in one chunk and publishes them.
func runFile(t *testing.T, w batch.Writer, rows []record.Record) error {
	t.Helper()
	ctx := t.Context()
	p := w.(batch.Publisher)
	for _, do := range []func() error{
		func() error { return w.Open(ctx, nil) },
		func() error { return w.Write(ctx, nil, rows) },
		func() error { return p.Finish(ctx) },
		func() error { return w.Flush(ctx, nil) },
		func() error { return p.Publish(ctx) },
	} {
		if err := do(); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

func TestLostPartialFileIsAnOutputLost(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	w := mustBuild(t, environment(folder, 1), "csv", "path: out")
	ctx := t.Context()
	if err := errors.Join(w.Open(ctx, nil), w.Write(ctx, nil, payments(t)), w.Flush(ctx, nil)); err != nil {
		t.Fatal(err)
	}
	state, err := w.State()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), os.Remove(filepath.Join(folder, ".out.i1-1.partial"))); err != nil {
		t.Fatal(err)
	}
	w = mustBuild(t, environment(folder, 2), "csv", "path: out")
	err = w.Open(ctx, state)
	var gone *files.LostError
	if !errors.Is(err, batch.ErrOutputLost) || !errors.As(err, &gone) || fault.ClassOf(err) != fault.Environment {
		t.Fatalf("got %v", err)
	}
	if want := "unfinished output " + filepath.Join(folder, ".out.i1-1.partial") + " is gone"; err.Error() != want || fault.HintOf(err) == "" {
		t.Errorf("got %q, want %q", err, want)
	}
	if err := runFile(t, w, payments(t)); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(folder, "out")); got != paymentsCSV {
		t.Errorf("got %s", got)
	}
}

func TestMessagesOfFileWriters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, yaml string
		rows             []record.Record
		want, hint       string
	}{
		{"new column", "csv", "path: out", growing(t)[1:3], `column "tags" came up`, "columns: [id, name, tags]"},
		{"unknown column", "csv", "{path: out, columns: [id, amout]}", payments(t), `the records have no column "amout"`, `did you mean "amount"?`},
		{"column twice", "csv", "{path: out, columns: [id, id]}", nil, `column "id" stands twice`, ""},
		{"long quote", "csv", "{path: out, quote: abc}", nil, `the quote must be one ASCII character, not "abc"`, ""},
		{"header no", "csv", "{path: out, header: no}", nil, `header: expected true or false, got text "no"`, ""},
		{"delimiter", "csv", "{path: out, delimiter: \"\\n\"}", nil, `the delimiter must be`, ""},
		{"unknown counter", "csv", "{path: out, footer: \"${counters.write}\"}", nil, "counters.write", ""},
		{"append and exists", "csv", "{path: out, append: true, exists: fail}", nil, "exists: fail refuses it", "remove one"},
		{"append and compression", "jsonl", "{path: out, append: true, compression: zstd}", nil, "do not go together", "compressed file for each run"},
		{"standard output that is taken", "jsonl", "path: \"-\"", nil, "standard output is taken", "--output json"},
		{"device", "json", "path: /dev/null", nil, "/dev/null is not a regular file", "discard"},
		{"not UTF-8", "jsonl", "path: out", []record.Record{{Schema: fileSchema(t, record.Text, "name"), Values: []record.Value{record.OfText("\xff")}}}, "column name: ", "encoding"},
		{"unknown key", "json", "{path: out, footer: x}", nil, `unknown key "footer"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, err := buildFile(environment(t.TempDir(), 1), c.kind, c.yaml)
			if err == nil {
				ctx := t.Context()
				defer w.Close()
				err = w.Open(ctx, nil)
				for i := 0; i < len(c.rows) && err == nil; i++ {
					err = w.Write(ctx, nil, c.rows[i:i+1])
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("got %v, hint %q; want %q, hint %q", err, fault.HintOf(err), c.want, c.hint)
			}
		})
	}
}

func TestBadRowIsNamedAndNothingOfItsChunkIsWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	schema := fileSchema(t, record.Text, "name")
	good := record.Record{Schema: schema, Values: []record.Value{record.OfText("a")}}
	bad := record.Record{Schema: schema, Values: []record.Value{record.OfText("\xff")}}
	w := mustBuild(t, environment(folder, 1), "jsonl", "path: out")
	ctx := t.Context()
	if err := w.Open(ctx, nil); err != nil {
		t.Fatal(err)
	}
	var row *batch.RowError
	if err := w.Write(ctx, nil, []record.Record{good, good, bad}); !errors.As(err, &row) || row.Row != 2 || !fault.ClassOf(err).Data() {
		t.Fatalf("got %v", err)
	}
	p := w.(batch.Publisher)
	if err := errors.Join(w.Write(ctx, nil, []record.Record{good}), p.Finish(ctx), w.Flush(ctx, nil), p.Publish(ctx), w.Close()); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(folder, "out")); got != "{\"name\":\"a\"}\n" {
		t.Errorf("got %q", got)
	}
}

func TestColumnsThatChangedBetweenRunsAreRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ctx := t.Context()
	w := mustBuild(t, environment(folder, 1), "csv", "{path: out, columns: [id, name]}")
	if err := errors.Join(w.Open(ctx, nil), w.Write(ctx, nil, payments(t)), w.Flush(ctx, nil)); err != nil {
		t.Fatal(err)
	}
	state, err := w.State()
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	w = mustBuild(t, environment(folder, 2), "csv", "{path: out, columns: [name, id]}")
	err = w.Open(ctx, state)
	if fault.ClassOf(err) != fault.Definition || !strings.Contains(err.Error(), "was begun with the columns id, name") {
		t.Errorf("got %v", err)
	}
}

func TestWriteMakesNoAllocationForARecord(t *testing.T) {
	for _, kind := range []string{"csv", "jsonl", "json"} {
		w := mustBuild(t, environment(t.TempDir(), 1), kind, "path: out")
		ctx := t.Context()
		if err := w.Open(ctx, nil); err != nil {
			t.Fatal(err)
		}
		var rows []record.Record
		for range 100 {
			rows = append(rows, payments(t)...)
		}
		n := testing.AllocsPerRun(20, func() {
			if err := w.Write(ctx, nil, rows); err != nil {
				t.Fatal(err)
			}
		})
		if n > 2 {
			t.Errorf("%s: %v allocations for a chunk of %d records", kind, n, len(rows))
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkFileWriter(b *testing.B) {
	for _, kind := range []string{"csv", "jsonl", "json"} {
		b.Run(kind, func(b *testing.B) {
			w := mustBuild(b, environment(b.TempDir(), 1), kind, "path: out")
			ctx := b.Context()
			if err := w.Open(ctx, nil); err != nil {
				b.Fatal(err)
			}
			var rows []record.Record
			for range 125 {
				rows = append(rows, payments(b)...)
			}
			size := func() int64 { return w.(*fileWriter).partial.Mark().Size }
			for b.Loop() {
				if err := w.Write(ctx, nil, rows); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(size() / int64(b.N))
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
