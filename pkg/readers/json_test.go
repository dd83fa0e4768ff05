package readers

import (
	"fmt"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func TestObjectReaderOptions(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, yaml, in string
		want           []string
	}{
		{"values as they are", `{type: jsonl, path: in}`, `{"s":"x","i":1,"d":1.0,"b":false,"n":null,"o":{"k":[1, 2]}}`,
			[]string{`s=text:"x" i=int:1 d=decimal:1.0 b=bool:false n=null o=json:{"k":[1, 2]}`}},
		{"schema grows", `{type: jsonl, path: in}`, "{\"a\":1}\n{\"b\":2}\n{\"c\":3,\"a\":4}\n", []string{`a=int:1`, `b=int:2`, `a=int:4 c=int:3`}},
		{"columns with types", `{type: jsonl, path: in, columns: {i: int, d: decimal, day: date, t: text, j: json}}`,
			`{"t":12.50,"x":1,"i":"7","d":3,"day":"2026-11-21","j":[1]}`, []string{`i=int:7 d=decimal:3 day=date:2026-11-21 t=text:"12.50" j=json:[1]`}},
		{"columns by name", `{type: jsonl, path: in, columns: [b, a]}`, `{"a":1,"c":2,"b":"x"}`, []string{`b=text:"x" a=int:1`}},
		{"null stays null", `{type: jsonl, path: in, columns: {a: int, b: text}}`, `{"a":null,"b":null}`, []string{`a=null b=null`}},
		{"value does not fit", `{type: jsonl, path: in, columns: {a: int}}`, "{\"a\":1.5}\n{\"a\":2}\n", []string{`! in:1: column a: 1.5 is not an int`, `a=int:2`}},
		{"text does not fit", `{type: json, path: in, columns: {a: date}}`, "[\n{\"a\":\"x\"}]", []string{`! in:2: column a: "x" is not a date`}},
		{"extra key refused", `{type: jsonl, path: in, columns: {a: int}, extra: fail}`, "{\"a\":1,\"b\":2}\n{\"a\":1}\n{\"b\":2}\n{\"a\":3}\n",
			[]string{`! in:1: key "b" is not among the columns`, `a=int:1`, `! in:3: key "b" is not among the columns`, `a=int:3`}},
		{"root", `{type: json, path: in, root: data.items}`, `{"v":1,"data":{"n":[{}],"items":[{"a":1},{"a":2}]}}`, []string{`a=int:1`, `a=int:2`}},
		{"cut array", `{type: json, path: in}`, `[{"a":1},{"a":2}`, []string{`a=int:1`, `a=int:2`, `!! environment: in:1: the file ends behind element 2, before the array is closed`}},
		{"garbage behind the array", `{type: json, path: in}`, `[{"a":1}] x`, []string{`a=int:1`, `!! environment: in:1: text behind the end: "x"`}},
		{"no array", `{type: json, path: in}`, `{"a":1}`, []string{`!! environment: in:1: an array is expected, got "{"`}},
		{"max record", `{type: jsonl, path: in, max_record: 10}`, "{\"a\":\"0123456789\"}\n{}\n", []string{`! in:1: record is larger than 10 bytes`, ``}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expectRows(t, readAll(t, mustBuild(t, folder(t, "in", c.in), c.yaml)), c.want...)
		})
	}
}

func TestRestartHasTheSameColumns(t *testing.T) {
	t.Parallel()
	base := folder(t, "in", "{\"b\":1,\"a\":2}\n{\"c\":3}\n{\"a\":4}\n")
	r := mustBuild(t, base, `{type: jsonl, path: in}`)
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var chunk record.Chunk
	for range 2 {
		if err := r.Read(t.Context(), &chunk); err != nil {
			t.Fatal(err)
		}
	}
	state, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	again := mustBuild(t, base, `{type: jsonl, path: in}`)
	defer again.Close()
	if err := again.Open(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	var later record.Chunk
	if err := again.Read(t.Context(), &later); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(later.In.Schema().Names(), " "); got != "b a c" {
		t.Errorf("columns %s, want b a c", got)
	}
	r.Close()
}

func TestASchemaDoesNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&in, "{\"key%d\":1}\n", i)
	}
	base := folder(t, "in", in.String())
	r := mustBuild(t, base, `{type: jsonl, path: in}`)
	defer r.Close()
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	rows, err := readRows(t, r)
	if len(rows) != maxKeys || fault.ClassOf(err) != fault.Definition {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	expectHint(t, err, "columns")
	some := mustBuild(t, base, `{type: jsonl, path: in, columns: [key7]}`)
	if rows := readAll(t, some); len(rows) != maxKeys+1 || rows[7] != "key7=int:1" {
		t.Fatalf("%d rows", len(rows))
	}
}

func objects(rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, `{"id":%d,"seller_id":%d,"amount":%d.%02d,"currency":"KRW","status":"PAID","paid_at":"2026-11-%02dT10:15:30Z","customer":"김철수-%05d","memo":"memo, with \"quotes\"","flag":true,"code":"A%07d","none":null}`+"\n",
			i, i%1000, i%100000, i%100, i%28+1, i%50000, i*7919)
	}
	return b.String()
}

func TestObjectReaderReadsWithoutAllocating(t *testing.T) {
	base := folder(t, "in", objects(25000))
	withoutAllocating(t, mustBuild(t, base, `{type: jsonl, path: in}`))
}

func BenchmarkJSONLReader(b *testing.B) {
	const rows = 50000
	benchmarkReader(b, `{type: jsonl, path: in}`, "in", objects(rows), rows)
}

var _ batch.Describer = (*objectReader)(nil)
