package readers

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

const headed = `{type: csv, path: PATH, columns: {id: int, amount: decimal},
  header_record: {match: "^H,", columns: {kind: text, day: date, sender: text}, add: [day, sender], expect: 'sender != "nobody"'}}`

func headedConf(path string) string { return strings.Replace(headed, "PATH", path, 1) }

func TestReadersWithAHeaderRecordKeepTheContract(t *testing.T) {
	t.Parallel()
	const (
		first  = "H,2026-11-20,Kim\nid,amount\n1,2.50\n2,\n3,4.5\n"
		second = "H,2026-11-21,\"Lee, Inc.\"\n\nid,amount\n4,1\n"
		lines  = `{"type":"head","day":"2026-11-20"}` + "\n{\"a\":1}\n{\"a\":2,\"b\":\"x\"}\n{}\n"
	)
	const kim, lee = "day=date:2026-11-20 sender=text:\"Kim\" ", "day=date:2026-11-21 sender=text:\"Lee, Inc.\" "
	rows := []string{kim + "id=int:1 amount=decimal:2.50", kim + "id=int:2 amount=null", kim + "id=int:3 amount=decimal:4.5"}
	base := folder(t, "a.csv", first, "b.csv", second, "bad.csv", strings.Replace(first, "2,", "x,", 1), "empty.csv", "H,2026-11-20,Kim\nid,amount\n",
		"c.gz", gzipped(t, first, ""), "skip.csv", "EXPORT\n"+first, "d.jsonl", lines)
	jsonl := func(more string) string {
		return `{type: jsonl, path: d.jsonl, header_record: {match: '"head"', columns: {day: date}, add: [day]}` + more + `}`
	}
	const day = "day=date:2026-11-20"
	for _, c := range []struct {
		name string
		c    batchtest.ReaderCase
	}{
		{"csv", batchtest.ReaderCase{New: maker(t, base, headedConf("a.csv")), Rows: rows, Empty: maker(t, base, headedConf("empty.csv")),
			Malformed: maker(t, base, headedConf("bad.csv")), BadLines: []int64{4}, GoodRows: []string{rows[0], rows[2]}}},
		{"several files", batchtest.ReaderCase{New: maker(t, base, headedConf("[empty.csv, a.csv, b.csv]")), Rows: append(rows[:3:3], lee+"id=int:4 amount=decimal:1")}},
		{"gzip", batchtest.ReaderCase{New: maker(t, base, headedConf("c.gz")), Rows: rows}},
		{"behind skipped lines", batchtest.ReaderCase{New: maker(t, base, strings.Replace(headedConf("skip.csv"), "{type: csv", "{type: csv, skip_lines: 1", 1)), Rows: rows}},
		{"jsonl", batchtest.ReaderCase{New: maker(t, base, jsonl("")), Rows: []string{day + " a=int:1", day + ` a=int:2 b=text:"x"`, day}}},
		{"jsonl with columns", batchtest.ReaderCase{New: maker(t, base, jsonl(", columns: {b: text}")), Rows: []string{day, day + ` b=text:"x"`, day}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			batchtest.Reader(t, c.c)
		})
	}
}

func TestFileWithoutItsHeaderRecordIsNotRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want, code string }{
		{"missing", "id,amount\n1,2\n", "in:1: the file does not begin with its header record: the line does not match ^H,", "no_header"},
		{"empty file", "", "in is empty: it has no header record", "no_header"},
		{"not a date", "H,today,Kim\nid,amount\n", "in:1: the header record cannot be read: column day", "bad_header"},
		{"fields", "H,2026-11-20\nid,amount\n", "in:1: the header record cannot be read: it has 2 fields, expected 3", "bad_header"},
		{"broken", "H,\"2026\nid,amount\n", "in:1:3: the header cannot be read: quoted field is never closed", ""},
		{"another", "H,2026-11-20,nobody\nid,amount\n1,2\n", `in:1: the file is not the one expected: expect sender != "nobody", with kind = H, day = 2026-11-20, sender = nobody`, "header_record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustBuild(t, folder(t, "in", c.text), headedConf("in"))
			defer r.Close()
			err := r.Open(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.code != "" && fault.CodeOf(err) != c.code || fault.HintOf(err) == "" && c.code != "bad_header" {
				t.Errorf("got %v (code %s, hint %s), want %q", err, fault.CodeOf(err), fault.HintOf(err), c.want)
			}
			if errors.Is(err, batch.ErrCheckFailed) != (c.code == "header_record") || fault.ClassOf(err).Data() {
				t.Errorf("%v: class %s", err, fault.ClassOf(err))
			}
		})
	}
}

func TestHeaderRecordThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ conf, want string }{
		{"{match: '(', columns: [a]}", "match is no regular expression"},
		{"{match: H, columns: [a], add: [b]}", `it has no column "b"`},
		{"{match: H, columns: [a], add: [a, a]}", `column "a" stands twice`},
		{"{match: H, columns: {a: int}, expect: a + 1}", "not true or false"},
		{"{match: H, columns: [a], expect: b == 1}", "b"},
	} {
		_, err := build(t, "/", "{type: csv, path: in, header_record: "+c.conf+"}")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.conf, err, c.want)
		}
	}
	r := mustBuild(t, folder(t, "in", "H,1\nid,a\n1,2\n"), "{type: csv, path: in, header_record: {match: H, columns: [kind, a], add: [a]}}")
	if err := r.Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), `the records have a column "a" of their own`) {
		t.Errorf("got %v", err)
	}
}

func TestHeaderIsWhatStandsBeforeTheRecordsOfTheFirstFile(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.csv", "\ufeffREPORT\r\nid,amount\r\n1,2.50\r\n", "b.csv", "OTHER\nid,amount\n2,3\n", "c.csv", "1,2\n", "d.jsonl", "{\"a\":1}\n{\"a\":2}\n",
		"e.gz", gzipped(t, "REPORT\nid,amount\n1,2.50\n", ""))
	for _, c := range []struct{ name, conf, want string }{
		{"skipped and names", "{type: csv, path: a.csv, skip_lines: 1}", "REPORT\nid,amount"},
		{"of the first of several", "{type: csv, path: [a.csv, b.csv], skip_lines: 1}", "REPORT\nid,amount"},
		{"compressed", "{type: csv, path: e.gz, skip_lines: 1}", "REPORT\nid,amount"},
		{"none", "{type: csv, path: c.csv, header: false, columns: [a, b]}", ""},
		{"jsonl", "{type: jsonl, path: d.jsonl}", ""},
		{"jsonl with a header record", "{type: jsonl, path: d.jsonl, header_record: {match: a, columns: {a: int}}}", `{"a":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustBuild(t, base, c.conf)
			if text, known := r.(batch.Headed).Header(); known {
				t.Fatalf("before it is open the header is %q", text)
			}
			var states []batch.State
			if err := r.Open(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			for {
				state, err := r.State()
				if err != nil {
					t.Fatal(err)
				}
				states = append(states, state)
				if err := r.Read(t.Context(), new(record.Chunk)); err != nil {
					break
				}
			}
			end, err := r.State()
			if err = errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
			for _, from := range append(states, nil, end) {
				again := mustBuild(t, base, c.conf)
				if err := again.Open(t.Context(), from); err != nil {
					t.Fatal(err)
				}
				if got, known := again.(batch.Headed).Header(); got != c.want || !known {
					t.Errorf("from %s: got %q, %t, want %q", from, got, known, c.want)
				}
				again.Close()
			}
		})
	}
}

func TestRecordThatStandsAloneGetsWhatItsFileSays(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.csv", "H,2026-11-20,Kim\nid,amount\n1,2.50\n", "b.csv", "H,2026-11-21,Lee\nid,amount\n2,3\n")
	r := mustBuild(t, base, headedConf("[a.csv, b.csv]")).(batch.Reparser)
	covers, err := json.Marshal(fileState{Files: []string{"a.csv", "b.csv"}, File: 2, Columns: []string{"id", "amount"}})
	if err != nil {
		t.Fatal(err)
	}
	var into record.Chunk
	for _, o := range []record.Origin{{Source: "b.csv", Line: 3, Raw: "7,1"}, {Source: "a.csv", Line: 3, Raw: "8,2"}} {
		if err := r.Reparse(t.Context(), covers, o, "", &into); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for i := range into.In.Len() {
		got = append(got, batchtest.Render(into.In.Row(i)))
	}
	want := []string{`day=date:2026-11-21 sender=text:"Lee" id=int:7 amount=decimal:1`, `day=date:2026-11-20 sender=text:"Kim" id=int:8 amount=decimal:2`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
