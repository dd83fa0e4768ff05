package readers

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// folder writes files, given as name and text in turn, into a new folder.
func folder(t testing.TB, files ...string) string {
	t.Helper()
	base := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		write(t, filepath.Join(base, files[i]), files[i+1])
	}
	return base
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// build makes a reader from YAML such as `{type: csv, path: a.csv}`, as the plan does.
func build(t testing.TB, base, yaml string) (batch.Reader, error) {
	t.Helper()
	document, err := config.Parse("job.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	kind, _ := document.Root.Get("type")
	entry, ok := Table().Lookup(kind.Text())
	if !ok {
		t.Fatalf("no reader %q", kind.Text())
	}
	conf := entry.New()
	d := config.Decoder{Base: base, What: "reader " + kind.Text()}
	if err := d.Decode(document.Root.Without("type"), conf); err != nil {
		return nil, err
	}
	return entry.Build(conf, &catalog.Env{Base: base})
}

func mustBuild(t testing.TB, base, yaml string) batch.Reader {
	t.Helper()
	r, err := build(t, base, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func maker(t testing.TB, base, yaml string) func() batch.Reader {
	return func() batch.Reader { return mustBuild(t, base, yaml) }
}

// readRows reads a reader to its end, or to the first error that is not of a data class. Bad records are shown as
// "! message".
func readRows(t testing.TB, r batch.Reader) ([]string, error) {
	t.Helper()
	var rows []string
	var chunk record.Chunk
	for {
		err := r.Read(t.Context(), &chunk)
		switch {
		case err == nil:
			rows = append(rows, batchtest.Render(chunk.In.Row(chunk.In.Len()-1)))
		case errors.Is(err, io.EOF):
			return rows, nil
		case fault.ClassOf(err).Data():
			rows = append(rows, "! "+err.Error())
		default:
			return rows, err
		}
	}
}

// readAll opens a reader and reads it; an error that ends it is the last row, as "!! class: message".
func readAll(t testing.TB, r batch.Reader) []string {
	t.Helper()
	defer r.Close()
	err := r.Open(t.Context(), nil)
	var rows []string
	if err == nil {
		rows, err = readRows(t, r)
	}
	if err != nil {
		rows = append(rows, "!! "+string(fault.ClassOf(err))+": "+err.Error())
	}
	return rows
}

func expectRows(t testing.TB, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func expectHint(t testing.TB, err error, part string) {
	t.Helper()
	if hint := fault.HintOf(err); !strings.Contains(hint, part) {
		t.Errorf("%v: hint %q lacks %q", err, hint, part)
	}
}

const people = "id,name\n1,Kim\n2,\"Lee, \"\"Jr\"\"\"\n\n3,\"Park\nsecond line\"\n4,\n"

func TestCSVReaderKeepsTheContract(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.csv", people, "b.csv", "id,name\n", "c.csv", "\xef\xbb\xbfid,name\r\n5,Choi\r\n6,Han",
		"empty.csv", "", "header.csv", "id,name\n",
		"bad.csv", "id,name\n1,a\n2\n3,\"c\nd\"x,\n4,d\nx,e\n5,\xff\n6,f\n7,\"g\n8,h")
	batchtest.Reader(t, batchtest.ReaderCase{
		New: maker(t, base, `{type: csv, path: [a.csv, b.csv, c.csv], columns: {id: int}}`),
		Rows: []string{
			`id=int:1 name=text:"Kim"`, `id=int:2 name=text:"Lee, \"Jr\""`, `id=int:3 name=text:"Park\nsecond line"`, `id=int:4 name=text:""`,
			`id=int:5 name=text:"Choi"`, `id=int:6 name=text:"Han"`,
		},
		Empty:     maker(t, base, `{type: csv, path: [empty.csv, header.csv]}`),
		Malformed: maker(t, base, `{type: csv, path: bad.csv, columns: {id: int}}`),
		BadLines:  []int64{3, 5, 7, 8, 10},
		GoodRows:  []string{`id=int:1 name=text:"a"`, `id=int:4 name=text:"d"`, `id=int:6 name=text:"f"`, `id=int:8 name=text:"h"`},
	})
}

func TestJSONLReaderKeepsTheContract(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.jsonl", "{\"a\":1,\"b\":\"x\\n\"}\n\n{\"b\":null,\"c\":[1]}\r\n{}\n", "b.jsonl", "{\"d\":1.50,\"a\":2}\n{\"a\":-0}",
		"empty.jsonl", "\n", "bad.jsonl", "{\"a\":1}\n{\"a\":\n[1]\n{\"b\":1,\"b\":2}\n{\"a\":2}\n{\"a\"")
	batchtest.Reader(t, batchtest.ReaderCase{
		New:       maker(t, base, `{type: jsonl, path: "*[ab].jsonl"}`),
		Rows:      []string{`a=int:1 b=text:"x\n"`, `b=null c=json:[1]`, ``, `a=int:2 d=decimal:1.50`, `a=int:-0`},
		Empty:     maker(t, base, `{type: jsonl, path: empty.jsonl}`),
		Malformed: maker(t, base, `{type: jsonl, path: bad.jsonl}`),
		BadLines:  []int64{2, 3, 4, 6},
		GoodRows:  []string{`a=int:1`, `a=int:2`},
	})
}

func TestJSONReaderKeepsTheContract(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.json", "[{\"a\":1},\n {\"a\":2,\n  \"b\":true} ,{\"b\":\"김\"}\n]\n", "b.json", "[]", "c.json", "\xef\xbb\xbf[{\"c\":{\"x\":1}}]",
		"bad.json", "{\"data\":{\"items\":[{\"a\":1},\n7,\n{\"a\":01},\n{\"a\":2}],\"n\":4}}")
	batchtest.Reader(t, batchtest.ReaderCase{
		New:       maker(t, base, `{type: json, path: [a.json, b.json, c.json]}`),
		Rows:      []string{`a=int:1`, `a=int:2 b=bool:true`, `b=text:"김"`, `c=json:{"x":1}`},
		Empty:     maker(t, base, `{type: json, path: b.json}`),
		Malformed: maker(t, base, `{type: json, path: bad.json, root: data.items}`),
		BadLines:  []int64{2, 3},
		GoodRows:  []string{`a=int:1`, `a=int:2`},
	})
}

func TestInlineReaderKeepsTheContract(t *testing.T) {
	t.Parallel()
	batchtest.Reader(t, batchtest.ReaderCase{
		New: maker(t, "", "type: inline\nrecords:\n- {a: 1, b: x, c: true}\n- {a: 1.50, b: null}\n- {a: \"7\", d: 2026-11-21, e: 007}\n- {}\n"),
		Rows: []string{`a=int:1 b=text:"x" c=bool:true`, `a=decimal:1.50 b=null`,
			`a=text:"7" d=text:"2026-11-21" e=text:"007"`, ``},
		Empty: maker(t, "", `{type: inline, records: []}`),
	})
}

func TestRestartRefusesAnInputThatChanged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("7,a row that fills the file up\n", 10000)
	cases := []struct {
		name   string
		change func(text string) string
		want   string // part of the message; "" where the restart goes on
	}{
		{"unchanged", func(s string) string { return s }, ""},
		{"grown", func(s string) string { return s + "99,z\n" }, ""},
		{"mended behind", func(s string) string { return s[:len(s)-5] + "ZZZZ\n" }, ""},
		{"changed before", func(s string) string { return s[:len(s)/2-100] + "X" + s[len(s)/2-99:] }, "in.csv was changed before line"},
		{"cut", func(s string) string { return s[:len(s)/3] }, "in.csv is shorter than when it was read"},
		{"header changed", func(s string) string { return "id,nome" + s[7:] }, "the columns are no longer those of the first run: id, nome instead of id, name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := "id,name\n" + long
			base := folder(t, "in.csv", text)
			r := mustBuild(t, base, `{type: csv, path: in.csv}`)
			if err := r.Open(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			var chunk record.Chunk
			for range 5000 {
				if err := r.Read(t.Context(), &chunk); err != nil {
					t.Fatal(err)
				}
			}
			state, err := r.State()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			write(t, filepath.Join(base, "in.csv"), c.change(text))
			err = r.Open(t.Context(), state)
			defer r.Close()
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if rows, err := readRows(t, r); err != nil || len(rows) < 5000 {
					t.Fatalf("%d rows, %v", len(rows), err)
				}
				return
			}
			if err == nil || !errors.Is(err, batch.ErrNotRestartable) || fault.ClassOf(err) != fault.Environment || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v (class %s), want %q and batch.ErrNotRestartable", err, fault.ClassOf(err), c.want)
			}
			if fault.HintOf(err) == "" {
				t.Errorf("%v: no hint", err)
			}
		})
	}
}

// A last line without a line end was read as it stood. Continued, it would be half read twice.
func TestRestartRefusesALastLineThatWasContinued(t *testing.T) {
	t.Parallel()
	for added, refused := range map[string]bool{"": false, "\n": false, "\n3,c\n": false, "\r\n3,c": false, "0\n": true} {
		base := folder(t, "in.csv", "id,name\n1,a\n2,b")
		r := mustBuild(t, base, `{type: csv, path: in.csv}`)
		readAll(t, r)
		if err := r.Open(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var chunk record.Chunk
		for range 2 {
			if err := r.Read(t.Context(), &chunk); err != nil {
				t.Fatal(err)
			}
		}
		state, _ := r.State()
		write(t, filepath.Join(base, "in.csv"), "id,name\n1,a\n2,b"+added)
		if err := r.Open(t.Context(), state); errors.Is(err, batch.ErrNotRestartable) != refused || err != nil && !refused {
			t.Errorf("added %q: %v", added, err)
		}
		r.Close()
	}
}

func TestFilesOfAPatternAreThoseOfTheFirstRun(t *testing.T) {
	t.Parallel()
	base := folder(t, "in/b.csv", "a\n2\n", "in/a.csv", "a\n1\n", "other.csv", "a\n3\n")
	r := mustBuild(t, base, `{type: csv, path: ["in/*.csv", other.csv, in/a.csv]}`)
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var chunk record.Chunk
	if err := r.Read(t.Context(), &chunk); err != nil {
		t.Fatal(err)
	}
	state, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "in/aa.csv"), "a\n9\n")
	if err := r.Open(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, err := readRows(t, r)
	if err != nil {
		t.Fatal(err)
	}
	expectRows(t, rows, `a=text:"2"`, `a=text:"3"`)
	if got := chunk.Origins[0].Source; got != "in/a.csv" {
		t.Errorf("source %q, want in/a.csv", got)
	}
	if err := os.Remove(filepath.Join(base, "other.csv")); err != nil {
		t.Fatal(err)
	}
	err = r.Open(t.Context(), state)
	if err == nil || !strings.Contains(err.Error(), "other.csv is gone") || fault.ClassOf(err) != fault.Environment {
		t.Errorf("got %v", err)
	}
	expectHint(t, err, "put it back")
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	base := folder(t, "in/a.csv", "a\n1\n", "d/x", "")
	cases := []struct{ name, yaml, want, hint string }{
		{"missing", `{type: csv, path: b.csv}`, "!! environment: read b.csv: no such file or directory", "on_missing"},
		{"no match", `{type: csv, path: "in/*.tsv"}`, "!! environment: no file matches in/*.tsv", "on_missing"},
		{"folder", `{type: csv, path: d}`, "!! environment: d is a folder", "d/*"},
		{"not regular", `{type: jsonl, path: /dev/null}`, "!! environment: /dev/null is not a regular file: a restart could not read it again", ""},
		{"missing counts as empty", `{type: csv, path: [b.csv, "*.tsv"], on_missing: empty}`, "", ""},
		{"missing among others", `{type: jsonl, path: [b.jsonl], on_missing: empty}`, "", ""},
	}
	for _, c := range cases {
		r := mustBuild(t, base, c.yaml)
		if got := strings.Join(readAll(t, r), "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if c.hint != "" {
			expectHint(t, r.Open(t.Context(), nil), c.hint)
		}
	}
}

func TestFileReadersRefuseWrongDefinitions(t *testing.T) {
	t.Parallel()
	cases := []struct{ yaml, want string }{
		{`{type: csv}`, `key "path" is missing`},
		{`{type: csv, path: []}`, "the list is empty"},
		{`{type: csv, path: [a, "-"]}`, "standard input (-) cannot be read together with files"},
		{`{type: csv, path: a, quote: '""'}`, "quote and escape must be one ASCII character"},
		{`{type: csv, path: a, delimiter: ''}`, "the delimiter is empty"},
		{`{type: csv, path: a, delimiter: '"'}`, "must not contain the quote"},
		{`{type: csv, path: a, header: false}`, "header: false needs columns"},
		{`{type: csv, path: a, skip_lines: -1}`, "skip_lines is negative"},
		{`{type: csv, path: a, date_format: "yyyy-QQ"}`, "date_format"},
		{`{type: csv, path: a, decimal_separator: ";"}`, "expected one of ., ,"},
		{`{type: csv, path: a, columns: {a: integer}}`, `no such type "integer"`},
		{`{type: csv, path: a, columns: {}}`, "columns is empty"},
		{`{type: csv, path: a, columns: [a, a]}`, `column "a" stands twice`},
		{`{type: csv, path: a, delimeter: ";"}`, `unknown key "delimeter"`},
		{`{type: csv, path: a, max_record: 0}`, "max_record"},
		{`{type: json, path: a, root: data..x}`, "empty key"},
		{`{type: jsonl, path: a, on_missing: skip}`, "expected one of fail, empty"},
		{`{type: inline, records: {a: 1}}`, "expected a list of records"},
		{`{type: inline, records: [1]}`, "expected a record"},
		{`{type: inline, records: [{a: [1]}]}`, "expected one value"},
	}
	for _, c := range cases {
		_, err := build(t, "/tmp", c.yaml)
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition {
			t.Errorf("%s: got %v (class %s), want %q", c.yaml, err, fault.ClassOf(err), c.want)
		}
	}
}

func TestReadBeforeOpenIsRefused(t *testing.T) {
	t.Parallel()
	r := mustBuild(t, "/tmp", `{type: csv, path: a.csv}`)
	if err := r.Read(context.Background(), new(record.Chunk)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
