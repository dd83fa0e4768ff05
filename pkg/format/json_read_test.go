package format

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// jsonItem is what a read of one record gave.
type jsonItem struct {
	text string // its fields, or the error
	raw  string
	line int64
	end  Position
	bad  bool
}

func startJSON(t testing.TB, o JSONReaderOptions, input io.Reader) *JSONReader {
	t.Helper()
	o.Name = "in.json"
	j := NewJSONReader(o)
	if err := j.Reset(input, Start(), 0); err != nil {
		t.Fatal(err)
	}
	return j
}

// readJSON reads to the end, or to an error that cannot be skipped, which it returns.
func readJSON(t testing.TB, j *JSONReader) ([]jsonItem, error) {
	t.Helper()
	var all []jsonItem
	var arena record.Arena
	for {
		err := j.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil && fault.ClassOf(err) != fault.Parse {
			return all, err
		}
		r := j.Record()
		item := jsonItem{raw: string(r.Raw), line: r.Line, end: j.Position(), bad: err != nil}
		if err != nil {
			item.text = "! " + err.Error()
		} else {
			item.text = showFields(r, &arena)
		}
		all = append(all, item)
	}
}

func showFields(r *JSONRecord, arena *record.Arena) string {
	var b strings.Builder
	raw := string(r.Raw)
	for i, f := range r.Fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		v := f.Value(raw, arena)
		fmt.Fprintf(&b, "%s=%s:%s", f.Key, v.Kind(), v.Text())
	}
	return b.String()
}

func showJSON(items []jsonItem, err error) string {
	var b strings.Builder
	for _, i := range items {
		b.WriteString(i.text + "\n")
	}
	if err != nil {
		b.WriteString("!! " + err.Error() + "\n")
	}
	return b.String()
}

func TestJSONRecords(t *testing.T) {
	t.Parallel()
	lines, array := JSONReaderOptions{Lines: true}, JSONReaderOptions{}
	root := JSONReaderOptions{Root: []string{"data", "items"}}
	cases := []struct {
		name string
		o    JSONReaderOptions
		in   string
		want string
	}{
		{"every kind", lines, `{"n":null,"t":true,"f":false,"i":-12,"d":1.50,"s":"a\"b","o":{"x":[1]},"a":[{},[]]}`,
			"n=null: t=bool:true f=bool:false i=int:-12 d=decimal:1.50 s=text:a\"b o=json:{\"x\":[1]} a=json:[{},[]]\n"},
		{"numbers keep their text", lines, `{"a":-0,"b":9223372036854775807,"c":9223372036854775808,"d":1e2,"e":1E-2,"f":0.10,"g":1e9999,"h":-0.0}`,
			"a=int:-0 b=int:9223372036854775807 c=decimal:9223372036854775808 d=decimal:1e2 e=decimal:1E-2 f=decimal:0.10 g=json:1e9999 h=decimal:-0.0\n"},
		{"escapes", lines, `{"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00","\u0062":1}`, "a=text:\"\\/\b\f\n\r\té😀 b=int:1\n"},
		{"escaped NUL is a character", lines, `{"a":"\u0000"}`, "a=text:\x00\n"},
		{"blanks", lines, " \t{ \"a\" : 1 , \"b\" : [ ] } \r\n\n  \n{}\n", "a=int:1 b=json:[ ]\n\n"},
		{"byte order mark", lines, "\xef\xbb\xbf{\"a\":1}\n", "a=int:1\n"},
		{"Hangul", lines, `{"이름":"김철수"}`, "이름=text:김철수\n"},
		{"keys change order and number", lines, "{\"a\":1,\"b\":2}\n{\"a\":1,\"b\":2}\n{\"b\":1,\"a\":2}\n{\"b\":1}\n{\"b\":1,\"c\":2,\"a\":3}\n{}\n",
			"a=int:1 b=int:2\na=int:1 b=int:2\nb=int:1 a=int:2\nb=int:1\nb=int:1 c=int:2 a=int:3\n\n"},
		{"bad line, then good", lines, "{\"a\":}\n{\"a\":1}\n", "! in.json:1:6: a value is expected, got \"}\"\na=int:1\n"},
		{"cut line", lines, "{\"a\":1}\n{\"a\":\"x", "a=int:1\n! in.json:2:8: the object is not closed\n"},
		{"two objects in a line", lines, "{} {}", "! in.json:1:4: text behind the object\n"},
		{"array in a line", lines, "[1]", "! in.json:1:1: a JSON object is expected, got an array\n"},
		{"number in a line", lines, "12", "! in.json:1:1: a JSON object is expected, got a number\n"},
		{"word in a line", lines, "hello", "! in.json:1:1: a value is expected, got \"h\"\n"},
		{"key twice", lines, `{"a":1,"b":2,"a":3}`, "! in.json:1:14: key \"a\" stands twice in one object\n"},
		{"key twice by escape", lines, `{"a":1,"\u0061":3}`, "! in.json:1:8: key \"a\" stands twice in one object\n"},
		{"key twice behind known ones", lines, "{\"a\":1,\"b\":2}\n{\"a\":1,\"b\":2,\"a\":3}\n", "a=int:1 b=int:2\n! in.json:2:14: key \"a\" stands twice in one object\n"},
		{"key twice inside", lines, `{"a":{"b":1,"b":2}}`, "! in.json:1:13: key \"b\" stands twice in one object\n"},
		{"same key in two objects", lines, `{"a":{"a":1},"b":{"a":2}}`, "a=json:{\"a\":1} b=json:{\"a\":2}\n"},
		{"position counts characters", lines, `  {"이름":"한",x}`, "! in.json:1:13: a key in double quotes is expected, got \"x\"\n"},

		{"array", array, "[{\"a\":1},\n {\"a\":2}]\n", "a=int:1\na=int:2\n"},
		{"empty array", array, " [ ] ", ""},
		{"array after a byte order mark", array, "\xef\xbb\xbf[{\"a\":1}]", "a=int:1\n"},
		{"objects over several lines", array, "[\n{\n\"a\":\n1\n}\n,\n{\"a\":x}\n]", "a=int:1\n! in.json:7:6: a value is expected, got \"x\"\n"},
		{"bad elements, then good", array, `[{"a":01},{"a":1,},{"a" 1},{"a":"\x"},{"a":tru},{"a":1}]`,
			"! in.json:1:7: a number must not begin with 0\n! in.json:1:18: comma before \"}\"\n! in.json:1:25: \":\" behind the key is expected, got \"1\"\n" +
				"! in.json:1:34: no such escape: \\x\n! in.json:1:44: a value is expected, got \"tru\"\na=int:1\n"},
		{"elements that are no objects", array, `[1, "x,]" ,[2], null,{"a":1}]`,
			"! in.json:1:2: a JSON object is expected, got a number\n! in.json:1:5: a JSON object is expected, got a text\n" +
				"! in.json:1:12: a JSON object is expected, got an array\n! in.json:1:17: a JSON object is expected, got null\na=int:1\n"},
		{"text not closed in its line", array, "[{\"a\":\"x},\n{\"a\":1}}, {\"b\":2}]", "! in.json:1:11: control character in a text: byte 0x0a\nb=int:2\n"},
		{"cut between elements", array, `[{"a":1},`, "a=int:1\n!! in.json:1: the file ends behind element 1, before the array is closed\n"},
		{"cut in an element", array, `[{"a":1},{"a"`, "a=int:1\n!! in.json:1: the file ends behind element 1, before the array is closed\n"},
		{"cut before the first", array, `[`, "!! in.json:1: the file ends too soon\n"},
		{"empty text", array, " \n", "!! in.json:2: the file is empty, not even an array\n"},
		{"trailing comma", array, `[{"a":1},]`, "a=int:1\n!! in.json:1: comma before \"]\" behind element 1\n"},
		{"no comma", array, `[{"a":1}{"a":2}]`, "a=int:1\n!! in.json:1: \",\" or \"]\" is expected behind element 1, got \"{\"\n"},
		{"two commas", array, `[{"a":1},,{"a":2}]`, "a=int:1\n!! in.json:1: a value is expected behind element 1, got \",\"\n"},
		{"text behind the array", array, "[{\"a\":1}]\n\n]", "a=int:1\n!! in.json:3: text behind the end: \"]\"\n"},
		{"NUL behind the array", array, "[]\x00", "!! in.json:1: text behind the end: NUL byte\n"},
		{"not an array", array, `{"items":[]}`, "!! in.json:1: an array is expected, got \"{\"\n"},

		{"root", root, `{"n":[1,{"x":[]}],"data":{"s":"a]","items":[{"a":1},{"a":2}],"m":{"items":1}},"t":1.5} `, "a=int:1\na=int:2\n"},
		{"empty root", root, `{"data":{"items":[]}}`, ""},
		{"root missing", root, `{"data":{"itms":[{}]}}`, "!! in.json:1: no key \"items\" in the object \"data\"\n"},
		{"root missing in an empty object", root, `{}`, "!! in.json:1: no key \"data\" in the outermost object\n"},
		{"root is no object", root, `{"data":[]}`, "!! in.json:1: \"{\" is expected, got \"[\"\n"},
		{"root twice", root, `{"data":{"items":[{"a":1}],"items":[]}}`, "a=int:1\n!! in.json:1: key \"items\" stands twice in one object\n"},
		{"object around not closed", root, `{"data":{"items":[{"a":1}]}`, "a=int:1\n!! in.json:1: the file ends behind element 1, before the array is closed\n"},
		{"bad value beside the root", root, `{"x":[1 2],"data":{"items":[]}}`, "!! in.json:1: \",\" or \"]\" is expected, got \"2\"\n"},
		{"bad value behind the root", root, `{"data":{"items":[]},"x":01}`, "!! in.json:1: a number must not begin with 0\n"},
		{"trailing comma around", root, `{"data":{"items":[],}}`, "!! in.json:1: a key in double quotes is expected, got \"}\"\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := showJSON(readJSON(t, startJSON(t, c.o, strings.NewReader(c.in))))
			if got != c.want {
				t.Errorf("%q:\n got %q\nwant %q", c.in, got, c.want)
			}
			if slow := showJSON(readJSON(t, startJSON(t, c.o, iotest.OneByteReader(strings.NewReader(c.in))))); slow != got {
				t.Errorf("%q read byte by byte:\n got %q\nwant %q", c.in, slow, got)
			}
		})
	}
}

func TestJSONValuesThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		`null`, `true`, `false`, `0`, `-0`, `-1`, `123`, `-123456789012345678901234567890`, `0.5`, `-0.5`, `1.000`, `1e5`, `1E5`, `1e+5`, `1e-05`, `0e1`, `0e+1`,
		`-0e-1`, `123.456e78`, `0.4e006`, `""`, `" "`, `"a"`, `"\u0060\u012a\u12AB"`, `"\uD801\udc37"`, `"\ud83d\ude39\ud83d\udc8d"`, `"\uDBFF\uDFFE"`, `"\"\\\/\b\f\n\r\t"`, `"\\u0000"`, `"\u0000"`,
		`"\uFDD0"`, `"` + "\u2028\u2029" + `"`, `"` + "\x7f" + `"`, `"` + "\U0010ffff" + `"`, `"asd "`, `"/* no comment */"`, `[]`, `[[]]`, `[ ]`, `[[]   ]`, `[1,null,"x",{}]`, `[""]`, "[1\n,2\t]",
		`{}`, `{ }`, `{"":0}`, `{"a":{"a":{"a":null}}}`, `{"a":[],"b":[]}`, `{"\u0000":1}`, `{"min":-1.0e+28,"max":1.0e+28}`,
		strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1),
	} {
		for _, in := range []string{`[{"v":` + v + `}]`, "[\n{\n\"v\": " + v + " }\n]\n"} {
			items, err := readJSON(t, startJSON(t, JSONReaderOptions{}, strings.NewReader(in)))
			if err != nil || len(items) != 1 || items[0].bad {
				t.Errorf("%s: got %s", v, showJSON(items, err))
			}
		}
	}
}

func TestJSONValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		``, `nul`, `nulll`, `True`, `TRUE`, `truee`, `undefined`, `NaN`, `Infinity`, `-Infinity`, `-`, `+1`, `--1`, `01`, `-01`, `-012`, `.5`, `-.5`, `1.`, `1.e1`, `1e`, `1e+`, `1eE2`, `1.2.3`, `0x42`, `1_000`, `1,000`, `1 000`,
		`0e`, `0.e1`, `1e1.5`, `1a`, `１`, `'a'`, `"a`, `a"`, `"\x"`, `"\a"`, `"\u"`, `"\u00A"`, `"\u00G0"`, `"\uD800"`, `"\uDC00"`, `"\uD800\uD800"`, `"\uD800\u0061"`, `"\uD800x"`, `"\ud800\n"`, `"\`, `"\"`, `"\é"`,
		"\"\t\"", "\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe9\"", "\xe9", `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1,,2]`, `[1 2]`, `[1:2]`, `[}`, `["a"`, `["a",`,
		`{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a"::1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`, `{"a":1,"a":2}`, `{[]:1}`, `{"a":"b"]`, `{"a":1}}`, `/**/1`, `1//x`, "1\x00", "\u00a01", "1\v", "\f1",
		`<html>`, `*`, strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", 100000), strings.Repeat(`{"":`, 100000),
	} {
		for _, lines := range []bool{true, false} {
			in := `{"v":` + v + `}`
			if !lines {
				in = "[" + in + "]"
			}
			items, err := readJSON(t, startJSON(t, JSONReaderOptions{Lines: lines}, strings.NewReader(in)))
			if err == nil && (len(items) == 0 || !items[0].bad) {
				t.Errorf("%.80s (lines: %v): accepted as %s", v, lines, showJSON(items, err))
			}
		}
	}
}

func TestJSONRecordAboveTheMaximumIsRefused(t *testing.T) {
	t.Parallel()
	o := JSONReaderOptions{MaxRecord: 100}
	fits, large := `{"a":"`+strings.Repeat("x", 92)+`"}`, `{"a":"`+strings.Repeat("x", 93)+`"}`
	huge := `{"a":[` + strings.Repeat("1,\n", 200000) + `1]}`
	for name, in := range map[string]string{"just": large, "far": huge} {
		for _, input := range []io.Reader{strings.NewReader("[" + fits + "," + in + `,{"b":1}]`), iotest.HalfReader(strings.NewReader("[" + fits + "," + in + `,{"b":1}]`))} {
			items, err := readJSON(t, startJSON(t, o, input))
			if err != nil || len(items) != 3 || items[0].bad || items[2].text != "b=int:1" || items[1].text != "! in.json:1: record is larger than 100 bytes" {
				t.Errorf("%s in an array: got %.300s", name, showJSON(items, err))
			}
		}
	}
	items, err := readJSON(t, startJSON(t, JSONReaderOptions{MaxRecord: 100, Lines: true}, strings.NewReader(fits+"\n"+large+"\n{}\n")))
	if err != nil || len(items) != 3 || items[0].bad || !items[1].bad || items[2].bad {
		t.Errorf("lines: got %s", showJSON(items, err))
	}
}

func TestJSONReadErrorIsNotTheEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, lines := range []bool{true, false} {
		inputs := []string{"", "[", `[{"a":1}`, `[{"a":1}]`, `[{"a":"b`}
		if lines {
			inputs = []string{"", "{\"a\":1}\n", "{\"a\":1}\n{\"a\""}
		}
		for _, in := range inputs {
			j := startJSON(t, JSONReaderOptions{Lines: lines}, io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
			if items, err := readJSON(t, j); !errors.Is(err, broken) {
				t.Errorf("%q (lines: %v): got %s", in, lines, showJSON(items, err))
			}
			if err := j.Next(); !errors.Is(err, broken) {
				t.Errorf("%q: then %v", in, err)
			}
		}
	}
}

func TestJSONRecordsKnowTheirPlace(t *testing.T) {
	t.Parallel()
	items, err := readJSON(t, startJSON(t, JSONReaderOptions{}, strings.NewReader("[\n  {\"a\":\n1} ,\n\n  2,{}\n]\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := []jsonItem{
		{raw: "{\"a\":\n1}", line: 2, end: Position{Offset: 12, Line: 3, Elements: 1}},
		{raw: "2", line: 5, end: Position{Offset: 19, Line: 5, Elements: 2}},
		{raw: "{}", line: 5, end: Position{Offset: 22, Line: 5, Elements: 3}},
	}
	for i, w := range want {
		if g := items[i]; g.raw != w.raw || g.line != w.line || g.end != w.end {
			t.Errorf("record %d: got %q line %d end %+v, want %q line %d end %+v", i, g.raw, g.line, g.end, w.raw, w.line, w.end)
		}
	}
}

func TestJSONReadsWithoutAllocating(t *testing.T) {
	row := "{\"id\":1,\"name\":\"김철수\",\"amount\":12.50,\"memo\":\"a\\\"b\",\"tags\":[1,{\"x\":2}],\"none\":null}"
	for name, c := range map[string]struct {
		o  JSONReaderOptions
		in string
	}{
		"lines": {JSONReaderOptions{Lines: true}, strings.Repeat(row+"\n", 40000)},
		"array": {JSONReaderOptions{}, "[" + strings.Repeat(row+",\n", 40000) + "{}]"},
	} {
		j := startJSON(t, c.o, strings.NewReader(c.in))
		for range 100 {
			if err := j.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(30000, func() {
			if err := j.Next(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for a record, want 0", name, n)
		}
	}
}
