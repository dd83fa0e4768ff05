package readers

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

func TestCSVReaderOptions(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, yaml, in string
		want           []string
	}{
		{"text", `{type: csv, path: in.csv}`, "a,b\n1, x \n", []string{`a=text:"1" b=text:" x "`}},
		{"types", `{type: csv, path: in.csv, columns: {i: int, d: decimal, f: float, b: bool, day: date, at: datetime, j: json}}`,
			"i,t,d,f,b,day,at,j\n-7,x,1.50,2.5,true,2026-11-21,2026-11-21T10:15:30Z,[1]\n",
			[]string{`i=int:-7 t=text:"x" d=decimal:1.50 f=float:2.5 b=bool:true day=date:2026-11-21 at=datetime:2026-11-21T10:15:30Z j=json:[1]`}},
		{"empty typed fields are null", `{type: csv, path: in.csv, columns: {i: int}}`, "i,t\n,\n\"\",\"\"\n", []string{`i=null t=text:""`, `i=null t=text:""`}},
		{"null text", `{type: csv, path: in.csv, columns: {i: int}, null_text: "NULL"}`, "i,t\nNULL,NULL\n\"NULL\",\"NULL\"\n1,\n,x\n",
			[]string{`i=null t=null`, `i=null t=text:"NULL"`, `i=int:1 t=text:""`, `! in.csv:5: column i: "" is not an int`}},
		{"empty null text", `{type: csv, path: in.csv, null_text: ""}`, "a,b\n,\"\"\n", []string{`a=null b=text:""`}},
		{"decimal comma", `{type: csv, path: in.csv, columns: {d: decimal}, decimal_separator: ",", delimiter: ;}`, "d\n12,50\n1.5\n",
			[]string{`d=decimal:12,50`, `! in.csv:3: column d: "1.5" is not a decimal`}},
		{"date pattern", `{type: csv, path: in.csv, columns: {d: date, t: datetime}, date_format: dd.MM.yyyy, datetime_format: "dd.MM.yyyy HH:mm"}`,
			"d,t\n21.11.2026,21.11.2026 10:15\n2026-11-21,\n", []string{`d=date:21.11.2026 t=datetime:21.11.2026 10:15`, `! in.csv:3: column d: "2026-11-21" is not a date`}},
		{"no header, list", `{type: csv, path: in.csv, header: false, columns: [a, b]}`, "1,2\n", []string{`a=text:"1" b=text:"2"`}},
		{"no header, types", `{type: csv, path: in.csv, header: false, columns: {a: int, b: text}}`, "1,2\n", []string{`a=int:1 b=text:"2"`}},
		{"names override the header", `{type: csv, path: in.csv, columns: [x, y]}`, "a,a\n1,2\n", []string{`x=text:"1" y=text:"2"`}},
		{"skip lines", `{type: csv, path: in.csv, skip_lines: 2}`, "report, \"x\n\na\n1\n", []string{`a=text:"1"`}},
		{"skip more lines than there are", `{type: csv, path: in.csv, skip_lines: 9}`, "a\n1\n", nil},
		{"tab", `{type: csv, path: in.csv, delimiter: \t}`, "a\tb\n1\t2\n", []string{`a=text:"1" b=text:"2"`}},
		{"comment, quote, escape", `{type: csv, path: in.csv, comment: "#", quote: "'", escape: \}`, "#x\na,b\n#y\n'1,\\'1',2\n", []string{`a=text:"1,'1" b=text:"2"`}},
		{"no quotes", `{type: csv, path: in.csv, quote: ""}`, "a\n\"1\n", []string{`a=text:"\"1"`}},
		{"field count", `{type: csv, path: in.csv}`, "a,b\n1,2,3\n1\n1,2\n",
			[]string{`! in.csv:2: 3 fields, expected 2`, `! in.csv:3: 1 field, expected 2`, `a=text:"1" b=text:"2"`}},
		{"lenient", `{type: csv, path: in.csv, lenient: true, columns: {b: int}}`, "a,b,c\n1\n1,2,3,4\n6\" pipe,2,3\n",
			[]string{`a=text:"1" b=null c=null`, `a=text:"1" b=int:2 c=text:"3"`, `a=text:"6\" pipe" b=int:2 c=text:"3"`}},
		{"typed mismatch", `{type: csv, path: in.csv, columns: {amount: decimal}}`, "id,amount\n1,\"12,50\"\n", []string{`! in.csv:2: column amount: "12,50" is not a decimal`}},
		{"max record", `{type: csv, path: in.csv, max_record: 8}`, "a,b\n123456789,1\n1,2\n", []string{`! in.csv:2: record is larger than 8 bytes`, `a=text:"1" b=text:"2"`}},

		{"header name twice", `{type: csv, path: in.csv}`, "a,b,a\n", []string{`!! environment: in.csv:1: columns 1 and 3 of the header are both called "a"`}},
		{"header name empty", `{type: csv, path: in.csv}`, "a,,b\n", []string{`!! environment: in.csv:1: column 2 of the header has no name: a, , b`}},
		{"header broken", `{type: csv, path: in.csv}`, "a,\"b\n", []string{`!! environment: in.csv:1:3: the header cannot be read: quoted field is never closed`}},
		{"unknown column", `{type: csv, path: in.csv, columns: {amuont: int}}`, "id,amount\n1,2\n",
			[]string{`!! definition: job.yaml:1:37: reader csv: column "amuont" is not in the header of in.csv`}},
		{"too few names", `{type: csv, path: in.csv, columns: [a]}`, "a,b\n", []string{`!! definition: in.csv:1: columns has 1 name, but the header has 2: a, b`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := folder(t, "in.csv", c.in)
			expectRows(t, readAll(t, mustBuild(t, base, c.yaml)), c.want...)
		})
	}
}

func TestCSVMistakesComeWithAHint(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, yaml, in, hint string }{
		{"comma", `{type: csv, path: in.csv, columns: {d: decimal}}`, "d,e\n\"12,50\",\n", `set decimal_separator: "," on the reader, or let the step skip such records`},
		{"unknown column", `{type: csv, path: in.csv, columns: {amuont: int}}`, "id,amount\n1,2\n", `did you mean "amount"?`},
		{"field count", `{type: csv, path: in.csv}`, "a,b\n1,2,3\n", "lenient: true"},
		{"header", `{type: csv, path: in.csv}`, "a,a\n", "columns: [a, b, ...]"},
	}
	for _, c := range cases {
		r := mustBuild(t, folder(t, "in.csv", c.in), c.yaml)
		err := r.Open(t.Context(), nil)
		if err == nil {
			err = r.Read(t.Context(), new(record.Chunk))
		}
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		expectHint(t, err, c.hint)
		r.Close()
	}
}

func TestCSVFilesThatAreReadTogetherHaveTheSameColumns(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.csv", "id,name\n1,x\n", "b.csv", "name,id\ny,2\n", "c.csv", "id,name\n3,z\n", "empty.csv", "")
	expectRows(t, readAll(t, mustBuild(t, base, `{type: csv, path: [a.csv, b.csv]}`)), `id=text:"1" name=text:"x"`,
		`!! environment: b.csv:1: the columns are not those of a.csv: name, id instead of id, name`)
	expectRows(t, readAll(t, mustBuild(t, base, `{type: csv, path: [empty.csv, a.csv, empty.csv, c.csv]}`)), `id=text:"1" name=text:"x"`, `id=text:"3" name=text:"z"`)
}

func TestBadRecordKeepsItsText(t *testing.T) {
	t.Parallel()
	base := folder(t, "in.csv", "a,b\r\n\"x\r\ny\",2,3\r\n")
	r := mustBuild(t, base, `{type: csv, path: in.csv}`)
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err := r.Read(t.Context(), new(record.Chunk))
	var bad *batch.BadRecord
	if !errors.As(err, &bad) || bad.Origin != (record.Origin{Source: "in.csv", Line: 2, Raw: "\"x\r\ny\",2,3"}) {
		t.Errorf("got %v, %+v", err, bad)
	}
}

func TestCSVSchemaIsKnownBeforeReading(t *testing.T) {
	t.Parallel()
	base := folder(t, "in.csv", "id,name\n1,x\n", "empty.csv", "")
	cases := []struct{ yaml, want string }{
		{`{type: csv, path: in.csv, columns: {id: int}}`, "id int, name text"},
		{`{type: csv, path: missing.csv}`, "unknown"},
		{`{type: csv, path: "*.tsv"}`, "unknown"},
		{`{type: csv, path: empty.csv}`, "unknown"},
		{`{type: csv, path: missing.csv, columns: [a, b]}`, "a text, b text"},
		{`{type: csv, path: missing.csv, header: false, columns: {a: int, b: date}}`, "a int, b date"},
		{`{type: jsonl, path: missing.jsonl}`, "unknown"},
		{`{type: json, path: missing.json, columns: {a: int}}`, "a int"},
		{`{type: inline, records: [{a: 1, b: x}, {a: 2, b: 1}]}`, "a int, b absent"},
	}
	for _, c := range cases {
		schema, err := mustBuild(t, base, c.yaml).(batch.Describer).Schema(t.Context())
		if err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		if got := showSchema(schema); got != c.want {
			t.Errorf("%s: got %s, want %s", c.yaml, got, c.want)
		}
	}
	_, err := mustBuild(t, base, `{type: csv, path: in.csv, columns: {ident: int}}`).(batch.Describer).Schema(t.Context())
	if fault.ClassOf(err) != fault.Definition {
		t.Errorf("unknown column: got %v", err)
	}
}

func showSchema(s *record.Schema) string {
	if s == nil {
		return "unknown"
	}
	var parts []string
	for _, f := range s.Fields() {
		parts = append(parts, f.Name+" "+f.Kind.String())
	}
	return strings.Join(parts, ", ")
}

// payments returns rows of about 100 bytes, a third of them with a quoted field.
func payments(rows int) string {
	var b strings.Builder
	b.WriteString("id,seller_id,amount,currency,status,paid_at,customer,memo,flag,code\n")
	for i := range rows {
		memo := "plain memo text here"
		if i%3 == 0 {
			memo = "\"memo, with \"\"quotes\"\"\""
		}
		fmt.Fprintf(&b, "%d,%d,%d.%02d,KRW,PAID,2026-11-%02dT10:15:30Z,customer-%05d,%s,true,A%07d\n",
			i, i%1000, i%100000, i%100, i%28+1, i%50000, memo, i*7919)
	}
	return b.String()
}

// drain reads a reader to its end, a chunk of 1000 at a time with its state, as the runner does.
func drain(b testing.TB, r batch.Reader, chunk *record.Chunk) (n int) {
	b.Helper()
	for {
		err := r.Read(b.Context(), chunk)
		if err == io.EOF {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%1000 == 0 {
			if _, err := r.State(); err != nil {
				b.Fatal(err)
			}
			chunk.Reset()
		}
	}
}

func benchmarkReader(b *testing.B, yaml, name, text string, rows int) {
	base := folder(b, name, text)
	r := mustBuild(b, base, yaml)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var chunk record.Chunk
	for b.Loop() {
		if err := r.Open(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		if n := drain(b, r, &chunk); n != rows {
			b.Fatalf("%d rows", n)
		}
	}
	r.Close()
}

func BenchmarkCSVReader(b *testing.B) {
	const rows = 100000
	text := payments(rows)
	b.Run("text", func(b *testing.B) { benchmarkReader(b, `{type: csv, path: in.csv}`, "in.csv", text, rows) })
	b.Run("typed", func(b *testing.B) {
		benchmarkReader(b, `{type: csv, path: in.csv, columns: {id: int, seller_id: int, amount: decimal, paid_at: datetime}}`, "in.csv", text, rows)
	})
}

func TestCSVReaderReadsWithoutAllocating(t *testing.T) {
	base := folder(t, "in.csv", payments(30000))
	for _, yaml := range []string{`{type: csv, path: in.csv}`, `{type: csv, path: in.csv, columns: {id: int, amount: decimal, paid_at: datetime}}`} {
		withoutAllocating(t, mustBuild(t, base, yaml))
	}
}

func withoutAllocating(t *testing.T, r batch.Reader) {
	t.Helper()
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var chunk record.Chunk
	read := func() {
		for range 200 {
			if err := r.Read(t.Context(), &chunk); err != nil {
				t.Fatal(err)
			}
		}
		chunk.Reset()
	}
	read()
	read()
	if n := testing.AllocsPerRun(100, read); n > 1 {
		t.Errorf("%v allocations for 200 records, want none", n)
	}
}

func TestRestartSeeksWhateverTheSizeOfTheFile(t *testing.T) {
	t.Parallel()
	text := payments(50000)
	base := folder(t, "in.csv", text)
	r := mustBuild(t, base, `{type: csv, path: in.csv}`)
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var chunk record.Chunk
	for range 45000 {
		if err := r.Read(t.Context(), &chunk); err != nil {
			t.Fatal(err)
		}
		chunk.Reset()
	}
	state, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	// All but the header and the 64 KiB before the place is overwritten: a restart that read it would fail.
	done, _ := r.(batch.Estimator).Progress()
	blank := []byte(text)
	for i := 100; i < int(done)-70<<10; i++ {
		blank[i] = '"'
	}
	r.Close()
	write(t, filepath.Join(base, "in.csv"), string(blank))
	if err := r.Open(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, err := readRows(t, r)
	if err != nil || len(rows) != 5000 || strings.HasPrefix(rows[0], "!") {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
}
