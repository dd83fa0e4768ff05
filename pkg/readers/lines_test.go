package readers

import (
	"encoding/json"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

const (
	logLines = "2026-11-20 INFO  - start, \"x\n2026-11-21 ERROR 500 한국 failed\r\n\n2026-11-22 WARN 7 \n"
	logConf  = `{type: lines, path: PATH, match: '^(?P<day>\S+) (?P<level>[A-Z]+) +(?P<code>\d+|-) (?P<text>.*)$', columns: {day: date, code: int}, null_text: "-"}`

	fixedLines = "00017Kim Lee   2026112000001250X\n00018한국상회      20261121     -3 \n     nobody            00000001Y\n"
	fixedKeys  = `date_format: yyyyMMdd, columns: {id: {at: 1-5, type: int}, name: {at: 6-14}, day: {at: 16-23, type: date}, cents: {at: 24-31, type: decimal}, flag: {at: 32-}}`
)

var (
	logRows = []string{
		`day=date:2026-11-20 level=text:"INFO" code=null text=text:"start, \"x"`,
		`day=date:2026-11-21 level=text:"ERROR" code=int:500 text=text:"한국 failed"`,
		`day=date:2026-11-22 level=text:"WARN" code=int:7 text=text:""`,
	}
	fixedRows = []string{
		`id=int:00017 name=text:"Kim Lee" day=date:20261120 cents=decimal:00001250 flag=text:"X"`,
		`id=int:00018 name=text:"한국상회" day=date:20261121 cents=decimal:-3 flag=text:""`,
		`id=null name=text:"nobody" day=null cents=decimal:00000001 flag=text:"Y"`,
	}
)

func TestLineReadersKeepTheContract(t *testing.T) {
	t.Parallel()
	base := folder(t, "a.log", logLines, "b.log", "2026-11-23 INFO 1 more\n", "bad.log", strings.Replace(logLines, "ERROR 500", "error 500", 1), "empty.log", "",
		"c.gz", gzipped(t, logLines, ""), "a.txt", fixedLines, "bad.txt", strings.Replace(fixedLines, "00018", "0x018", 1),
		"all.txt", "HEAD20261120\nname\n"+fixedLines+"TAIL000003\n")
	conf := func(path string) func() batch.Reader {
		return maker(t, base, strings.Replace(logConf, "PATH", path, 1))
	}
	for _, c := range []struct {
		name string
		c    batchtest.ReaderCase
	}{
		{"lines", batchtest.ReaderCase{New: conf("a.log"), Rows: logRows, Empty: conf("empty.log"), Malformed: conf("bad.log"), BadLines: []int64{2}, GoodRows: []string{logRows[0], logRows[2]}}},
		{"several files", batchtest.ReaderCase{New: conf("'*.gz'"), Rows: logRows}},
		{"patterns", batchtest.ReaderCase{New: conf("[a.log, b.log]"), Rows: append(logRows[:3:3], `day=date:2026-11-23 level=text:"INFO" code=int:1 text=text:"more"`)}},
		{"fixed", batchtest.ReaderCase{New: maker(t, base, `{type: fixed, path: a.txt, `+fixedKeys+`}`), Rows: fixedRows,
			Malformed: maker(t, base, `{type: fixed, path: bad.txt, `+fixedKeys+`}`), BadLines: []int64{2}, GoodRows: []string{fixedRows[0], fixedRows[2]}}},
		{"fixed with header record and trailer", batchtest.ReaderCase{New: maker(t, base, `{type: fixed, path: all.txt, `+fixedKeys+`, comment: name,
			header_record: {match: '^HEAD(?P<made>\d{8})', columns: {made: date}, add: [made]}, trailer: {match: '^TAIL(?P<count>\d{6})', columns: {count: int}, expect: count == counters.read_count}}`),
			Rows: []string{"made=date:20261120 " + fixedRows[0], "made=date:20261120 " + fixedRows[1], "made=date:20261120 " + fixedRows[2]}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			batchtest.Reader(t, c.c)
		})
	}
}

func TestLinesThatCannotBeCutAreBadRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, yaml, in string
		want           []string
	}{
		{"no match", `{type: lines, path: in, match: '^(?P<a>\d+)$', columns: {a: int}}`, "1\nx\n2\n", []string{"a=int:1", `! in:2: the line does not match ^(?P<a>\d+)$`, "a=int:2"}},
		{"a group that takes no part", `{type: lines, path: in, match: '^(?P<a>\d+)(,(?P<b>\w+))?$'}`, "1\n2,x\n", []string{`a=text:"1" b=null`, `a=text:"2" b=text:"x"`}},
		{"comments", `{type: lines, path: in, comment: "#", skip_lines: 1, match: '(?P<a>.*)'}`, "title\n#1\n2\n", []string{`a=text:"2"`}},
		{"short", `{type: fixed, path: in, columns: {a: {at: 1-2}, b: {at: 3-5}}}`, "12345\n123\n", []string{`a=text:"12" b=text:"345"`, `! in:2: the line has 3 characters, and column b ends at 5`}},
		{"short and lenient", `{type: fixed, path: in, lenient: true, columns: {a: {at: 1-2}, b: {at: 3-5}}}`, "1234\n12\n가나다\n", []string{`a=text:"12" b=text:"34"`, `a=text:"12" b=null`, `a=text:"가나" b=text:"다"`}},
		{"trim", `{type: fixed, path: in, columns: {a: {at: 1-3, trim: none}, b: {at: 4-6, trim: left}, c: {at: 7-9, trim: right}, d: {at: 10}}}`, " a  b  c x\n",
			[]string{`a=text:" a " b=text:"b " c=text:" c" d=text:"x"`}},
		{"the rest of the line", `{type: fixed, path: in, columns: {a: {at: 1}, b: {at: 2-}}}`, "1 and so on\n2\n", []string{`a=text:"1" b=text:"and so on"`, `a=text:"2" b=text:""`}},
		{"overlapping", `{type: fixed, path: in, columns: {all: {at: 1-8}, year: {at: 1-4, type: int}}}`, "20261120\n", []string{`all=text:"20261120" year=int:2026`}},
		{"type", `{type: fixed, path: in, columns: {a: {at: 1-3, type: int}}}`, "12x\n", []string{`! in:1: column a: "12x" is not an int`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expectRows(t, readAll(t, mustBuild(t, folder(t, "in", c.in), c.yaml)), c.want...)
		})
	}
}

func TestLineReadersRefuseWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		`{type: lines, path: in, match: "("}`:                                               "match is no regular expression",
		`{type: lines, path: in, match: "a"}`:                                               "match has no named group",
		`{type: lines, path: in, match: "(?P<a>.)", columns: {b: int}}`:                     `match has no group "b"`,
		`{type: lines, path: in, match: "(?P<a>.)(?P<a>.)"}`:                                `column "a" stands twice`,
		`{type: fixed, path: in, columns: {a: {at: 0-3}}}`:                                  "expected characters of the line",
		`{type: fixed, path: in, columns: {a: {at: 5-3}}}`:                                  "expected characters of the line",
		`{type: fixed, path: in, columns: {a: {at: x}}}`:                                    "expected characters of the line",
		`{type: fixed, path: in, columns: {}}`:                                              "columns is empty",
		`{type: fixed, path: in, columns: {a: {at: 1, type: integer}}}`:                     "expected one of",
		`{type: fixed, path: in, skip_lines: -1, columns: {a: {at: 1}}}`:                    "skip_lines is negative",
		`{type: fixed, path: in, columns: {a: {at: 1}}, trailer: {match: x, sums: {s: b}}}`: `no column "b"`,
	} {
		_, err := build(t, "/", yaml)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
}

func TestLineThatStandsAloneIsReadAsBefore(t *testing.T) {
	t.Parallel()
	r := mustBuild(t, folder(t), strings.Replace(logConf, "PATH", "gone.log", 1)).(batch.Reparser)
	covers, err := json.Marshal(fileState{Files: []string{"gone.log"}})
	if err != nil {
		t.Fatal(err)
	}
	var into record.Chunk
	err = r.Reparse(t.Context(), covers, record.Origin{Source: "gone.log", Line: 2, Raw: "2026-11-21 ERROR 500 mended"}, "", &into)
	if err != nil || into.In.Len() != 1 || !strings.Contains(batchtest.Render(into.In.Row(0)), "mended") {
		t.Errorf("got %v, %d rows", err, into.In.Len())
	}
	if err := r.Reparse(t.Context(), covers, record.Origin{Source: "gone.log", Line: 2, Raw: "nothing"}, "", &into); !fault.ClassOf(err).Data() || into.In.Len() != 1 {
		t.Errorf("got %v, %d rows", err, into.In.Len())
	}
}
