package tasklets_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// counts compares read_count, write_count and filter_count.
func (p *place) counts(c *batch.Contribution, want string) {
	p.Helper()
	if got := fmt.Sprint(c.Counters.Read, c.Counters.Write, c.Counters.Filter); got != want {
		p.Errorf("counters are %s, want %s", got, want)
	}
}

func TestSortOrdersByTypedKeys(t *testing.T) {
	t.Parallel()
	const csv = "id,day,amount,name\n10,02.01.2026,\"1,5\",b\n9,01.02.2026,\"10\",\"a \"\"x\"\"\ny\"\n9,01.02.2026,\"2\",\n,03.01.2025,,c\n"
	row := map[string]string{}
	for _, r := range []string{"10,02.01.2026,\"1,5\",b", "9,01.02.2026,\"10\",\"a \"\"x\"\"\ny\"", "9,01.02.2026,\"2\",", ",03.01.2025,,c"} {
		row[fmt.Sprint(len(row)+1)] = r
	}
	for name, c := range map[string]struct{ keys, want string }{
		"text":                      {"by: id", "4123"},
		"numbers":                   {"by: id, columns: {id: int}", "2314"},
		"descending, null first":    {"by: id desc, columns: {id: int}", "4123"},
		"several":                   {"by: [id, amount desc], columns: {id: int, amount: decimal}, decimal_separator: ','", "2314"},
		"the second descends":       {"by: [id desc, amount], columns: {id: int, amount: decimal}, decimal_separator: ','", "4132"},
		"dates":                     {"by: day, columns: {day: date}, date_format: dd.MM.yyyy", "4123"},
		"stable":                    {"by: day", "2314"},
		"a quoted one":              {"by: name", "3214"},
		"unique":                    {"by: id, columns: {id: int}, unique: true", "214"},
		"a column called like desc": {"by: id ASC, columns: {id: int}", "2314"},
	} {
		p := newPlace(t)
		p.write("in.csv", csv)
		done := p.does("sort", "{path: in.csv, to: out/o.csv, "+c.keys+"}")
		want := "id,day,amount,name\n"
		for _, n := range c.want {
			want += row[string(n)] + "\n"
		}
		if got := p.read("out/o.csv"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		p.counts(done, fmt.Sprintf("4 %d %d", len(c.want), 4-len(c.want)))
	}
}

func TestSortTakesLinesAndJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a.txt", "\ufeffb\r\n\na\nc\n\nb")
	p.does("sort", "{path: a.txt, to: a.txt}") // onto itself
	p.write("b.txt", p.read("a.txt"))
	p.does("sort", "{path: b.txt, to: b.txt, by: line desc, unique: true}")
	p.write("a.jsonl", `{"k": 2, "s": "b"}`+"\n"+`{"k": 10}`+"\n\n"+`{"k": null, "x": [1]}`+"\n"+`{"s": "\u0061"}`+"\n"+`{"k": "text"}`+"\n"+`{"k": 2.0, "s": "a"}`)
	p.does("sort", "{path: a.jsonl, to: b.jsonl, by: [k, s desc]}")
	p.does("sort", "{path: a.jsonl, to: c.jsonl, by: s}")
	p.holds("a.txt=\n\na\nb\nb\nc\n", "b.txt=c\nb\na\n\n", "a.jsonl="+p.read("a.jsonl"),
		"b.jsonl="+`{"k": 2, "s": "b"}`+"\n"+`{"k": 2.0, "s": "a"}`+"\n"+`{"k": 10}`+"\n"+`{"k": "text"}`+"\n"+`{"k": null, "x": [1]}`+"\n"+`{"s": "\u0061"}`+"\n",
		"c.jsonl="+`{"s": "\u0061"}`+"\n"+`{"k": 2.0, "s": "a"}`+"\n"+`{"k": 2, "s": "b"}`+"\n"+`{"k": 10}`+"\n"+`{"k": null, "x": [1]}`+"\n"+`{"k": "text"}`+"\n")
}

// Whatever the memory, the result is that of a stable sort of all rows at once.
func TestSortInLittleMemoryIsTheSame(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100, 60_000} { // the last one needs more runs than are open at once
		random := rand.New(rand.NewPCG(uint64(n), 1))
		var rows []string
		var input strings.Builder
		input.WriteString("k,n,pad\n")
		for i := range n {
			row := fmt.Sprintf("%d,%d,\"%s\"", random.IntN(500)-250, i, strings.Repeat("x\n", random.IntN(60)))
			rows = append(rows, row)
			input.WriteString(row + "\n")
		}
		key := func(row string) (k int) {
			_, _ = fmt.Sscanf(row, "%d,", &k)
			return k
		}
		slices.SortStableFunc(rows, func(a, b string) int { return key(b) - key(a) })
		want := "k,n,pad\n"
		if n > 0 {
			want += strings.Join(rows, "\n") + "\n"
		}
		p := newPlace(t)
		p.write("in.csv", input.String())
		p.does("sort", "{path: in.csv, to: small.csv, by: k desc, columns: {k: int}, memory: 64KiB}")
		p.does("sort", "{path: in.csv, to: large.csv, by: k desc, columns: {k: int}, memory: 1GiB}")
		if p.read("small.csv") != want || p.read("large.csv") != want {
			t.Errorf("%d rows: the results differ", n)
		}
		left, err := os.ReadDir(p.folder)
		if err != nil || len(left) != 3 {
			t.Errorf("%d rows: %v are left: %v", n, left, err)
		}
	}
}

// What a row begins or ends with is the same in a temporary file: byte order marks, which files put together have in their
// middle, and carriage returns.
func TestSortKeepsMarksAndReturnsWhateverTheMemory(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{"a.txt": "\ufeff%05d\r\r\n", "a.csv": "\ufeff%05d\r\n"} {
		var text strings.Builder
		for i := range 20_000 {
			fmt.Fprintf(&text, row, i*7919%20_000)
		}
		p := newPlace(t)
		by := map[string]string{"a.csv": "by: '1', header: false, "}
		p.write(name, text.String())
		p.does("sort", "{path: "+name+", to: small/"+name+", "+by[name]+"memory: 64KiB}")
		p.does("sort", "{path: "+name+", to: large/"+name+", "+by[name]+"memory: 1GiB}")
		if small, large := p.read("small/"+name), p.read("large/"+name); small != large {
			t.Errorf("%s: in little memory the first rows are\n%.60q, and in much\n%.60q", name, small, large)
		}
	}
}

// watched is a context that is looked at by somebody else, too.
type watched struct {
	context.Context
	look func()
}

func (w watched) Err() error {
	w.look()
	return w.Context.Err()
}

// runsOpen counts the temporary files of rows that this process has open below a folder; -1 where nobody can tell.
func runsOpen(folder string) (n int) {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	for _, fd := range all {
		if path, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(path, folder) && strings.Contains(path, ".run") {
			n++
		}
	}
	return n
}

// wideRows returns rows of csv, two of each key, in a disorder, with so many columns to sort by that a few rows fill the
// least memory there can be, and the keys of a tasklet for them.
func wideRows(rows int) (text, by string) {
	const columns = 800
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	var b strings.Builder
	b.WriteString("k," + strings.Join(names, ",") + ",n\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d%s,%d\n", i*7919%rows/2, strings.Repeat(",", columns), i)
	}
	return b.String(), "by: [k desc, " + strings.Join(names, ", ") + "], columns: {k: int}, memory: 64KiB"
}

// A sort has a bounded number of files open, however many parts it takes, and however often parts are merged to make room.
func TestSortOfManyPartsHasFewFilesOpen(t *testing.T) {
	t.Parallel()
	const rows = 4400 // two of them are a part
	p := newPlace(t)
	text, by := wideRows(rows)
	p.write("in.csv", text)
	sorting, err := p.make("sort", "{path: in.csv, to: out.csv, "+by+"}")
	if err != nil {
		t.Fatal(err)
	}
	most, merges := 0, 0
	look := func() {
		most = max(most, runsOpen(p.folder))
		merges++
	}
	if err := sorting.Run(watched{t.Context(), look}, &batch.Contribution{}); err != nil {
		t.Fatal(err)
	}
	if most < 20 && runtime.GOOS == "linux" || most > 65 {
		t.Errorf("%d files were open, want 65 at most", most)
	}
	p.does("sort", "{path: in.csv, to: once.csv, "+strings.Replace(by, "64KiB", "1GiB", 1)+"}")
	if p.read("out.csv") != p.read("once.csv") {
		t.Error("the result is not that of a sort in memory")
	}
	if merges < 50 {
		t.Errorf("%d merges are not enough to show anything", merges)
	}
}

// Whenever a sort is cancelled, nothing is left of it, neither in the folder nor among the open files.
func TestSortThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	text, by := wideRows(600)
	for _, at := range []int{1, 2, 3, 5, 6} { // while it reads, while it makes room, while it merges at the end
		p := newPlace(t)
		p.write("in.csv", text)
		sorting, err := p.make("sort", "{path: in.csv, to: out.csv, "+by+"}")
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		looks := 0
		err = sorting.Run(watched{ctx, func() {
			if looks++; looks == at {
				cancel(cause)
			}
		}}, &batch.Contribution{})
		if !errors.Is(err, cause) {
			t.Errorf("look %d: got %v", at, err)
		}
		p.holds("in.csv=" + text)
		if n := runsOpen(p.folder); n > 0 {
			t.Errorf("look %d: %d files are open", at, n)
		}
	}
}

// Merging so many files that they cannot be open at once is the same as sorting their rows.
func TestMergeOfManyFilesHasFewFilesOpen(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var want []string
	for i := range 5000 {
		rows := []string{fmt.Sprintf("%d,%04d", i*7919%5000/2, i), fmt.Sprintf("%d,%04d", 3000+i%10, i)}
		want = append(want, rows...)
		p.write(fmt.Sprintf("in/%04d.csv", i), "k,n\n"+strings.Join(rows, "\n")+"\n")
	}
	key := func(row string) (k int) {
		_, _ = fmt.Sscanf(row, "%d,", &k)
		return k
	}
	slices.SortStableFunc(want, func(a, b string) int { return key(a) - key(b) })
	merging, err := p.make("merge", "{path: in/*.csv, to: out.csv, by: k, columns: {k: int}}")
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	if err := merging.Run(watched{t.Context(), func() { most = max(most, runsOpen(p.folder)) }}, &batch.Contribution{}); err != nil {
		t.Fatal(err)
	}
	if most > 65 {
		t.Errorf("%d temporary files were open, want 65 at most", most)
	}
	if got := p.read("out.csv"); got != "k,n\n"+strings.Join(want, "\n")+"\n" {
		t.Error("the rows are not in order")
	}
}

func TestSortNamesTheRowThatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a.csv", "id,x\n1,2\n\"multi\nline\",2\n")
	p.write("b.csv", "id,y\n1,2\n")
	p.write("short.csv", "id,x\n1\n")
	p.write("bad.csv", "id,x\n\"1,2\n")
	p.refuses("sort", "{path: a.csv, to: o.csv, by: id, columns: {id: int}}", fault.Validation, `a.csv:3: column id: "multi\nline" is not an int`)
	p.refuses("sort", "{path: a.csv, to: o.csv, by: idd}", fault.Definition, `a.csv has no column "idd"`)
	p.refuses("sort", "{path: [a.csv, b.csv], to: o.csv, by: id}", fault.Validation, "b.csv:1: the columns are id, y, and those of a.csv are id, x")
	p.refuses("sort", "{path: short.csv, to: o.csv, by: x}", fault.Validation, "short.csv:2: the row has 1 fields")
	p.refuses("sort", "{path: bad.csv, to: o.csv, by: x}", fault.Parse, "bad.csv:2")
	p.refuses("sort", "{path: none.csv, to: o.csv, by: x}", fault.Environment, "none.csv")
	p.refuses("sort", "{path: a.csv, to: o.csv}", fault.Definition, "by says which columns")
	p.refuses("sort", "{path: a.dat, to: o.csv, by: x}", fault.Definition, "does not say what a row is")
	p.refuses("sort", "{path: a.csv, to: o.csv, by: [x, x desc]}", fault.Definition, "stands twice")
	p.refuses("sort", "{path: a.csv, to: o.csv, by: x, memory: 1KiB}", fault.Definition, "64KiB at least")
	p.refuses("sort", "{path: a.txt, to: o.csv, by: x}", fault.Definition, `lines have no column "x"`)
	p.refuses("sort", "{path: a.csv, to: o.csv, by: x, columns: {x: number}}", fault.Definition, `no such type "number"`)
	p.holds("a.csv="+p.read("a.csv"), "b.csv="+p.read("b.csv"), "short.csv="+p.read("short.csv"), "bad.csv="+p.read("bad.csv"))
}

func TestRowsThatAreNotOfTheirEncodingAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, name := range []string{"x.txt", "x.csv"} {
		p.write(name, "a\n\xb1\xe8\nb\xff\xff\nc\n") // of EUC-KR, but for the third line
		p.refuses("sort", "{path: "+name+", to: y.txt, by: "+map[bool]string{true: "line", false: "a"}[name == "x.txt"]+", encoding: euc-kr}", fault.Parse, name+":3")
	}
	err := p.refuses("sort", "{path: 'no*.txt', to: y.txt}", fault.Environment, "no file matches no*.txt")
	if strings.Contains(fault.HintOf(err), "on_missing") { // a key of files
		t.Errorf("got the hint %q", fault.HintOf(err))
	}
}

func TestSortReadsAndWritesCompressedFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	fmt.Fprint(w, "2;b\n1;\xe4\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.write("in.csv.gz", b.String())
	p.does("sort", "{path: in.csv.gz, to: out.csv.gz, by: '1', header: false, delimiter: ';', encoding: latin1, compression: gzip}")
	p.does("files", "{unpack: out.csv.gz, to: plain/}")
	if got := p.read("plain/out.csv"); got != "1;ä\n2;b\n" {
		t.Errorf("got %q", got)
	}
}

func TestMergePutsFilesTogether(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in/a.csv", "id,n\n1,a\n3,a\n3,aa\n")
	p.write("in/b.csv", "id,n\r\n2,b\r\n3,b\r\n")
	p.write("in/c.csv", "id,n\n")
	p.write("in/d.csv", "")
	for range 2 {
		p.counts(p.does("merge", "{path: in/*.csv, to: in/all.csv}"), "5 5 0")
		if got := p.read("in/all.csv"); got != "id,n\n1,a\n3,a\n3,aa\n2,b\n3,b\n" {
			t.Errorf("got %q", got)
		}
	}
	p.does("files", "{delete: in/all.csv}")
	p.does("merge", "{path: in/*.csv, to: out/sorted.csv, by: id, columns: {id: int}}")
	if got := p.read("out/sorted.csv"); got != "id,n\n1,a\n2,b\n3,a\n3,aa\n3,b\n" {
		t.Errorf("got %q", got)
	}
	p.write("in/e.csv", "id,n\n5,e\n4,e\n")
	p.refuses("merge", "{path: in/*.csv, to: out/x.csv, by: id, columns: {id: int}}", fault.Validation, "in/e.csv:3: the rows are not sorted by id")
	p.write("in/e.csv", "n,id\n")
	p.refuses("merge", "{path: in/*.csv, to: out/x.csv}", fault.Validation, "in/e.csv:1: the columns are n, id")
	if _, err := os.Stat(filepath.Join(p.folder, "out/x.csv")); err == nil {
		t.Error("a part has the name")
	}
	p.write("l/a.txt", "x")
	p.write("l/b.txt", "y\n")
	p.does("merge", "{path: [l/b.txt, l/a.txt], to: l.txt}")
	if got := p.read("l.txt"); got != "y\nx\n" {
		t.Errorf("got %q", got)
	}
}

func TestMergeOfManyFilesIsSorted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const count = 200 // more than are open at once
	for i := range count {
		p.write(fmt.Sprintf("in/%03d.jsonl", i), fmt.Sprintf(`{"k":%d,"f":%d}`+"\n"+`{"k":%d,"f":%d}`+"\n", i%7, i, 10, i))
	}
	p.counts(p.does("merge", "{path: in/*.jsonl, to: out.jsonl, by: k}"), "400 400 0")
	var last, lastFile int
	rows := strings.Split(strings.TrimSpace(p.read("out.jsonl")), "\n")
	for _, row := range rows {
		var k, f int
		if _, err := fmt.Sscanf(row, `{"k":%d,"f":%d}`, &k, &f); err != nil {
			t.Fatal(err)
		}
		if k < last || k == last && f < lastFile {
			t.Fatalf("%s stands behind %d of %d", row, last, lastFile)
		}
		last, lastFile = k, f
	}
	if len(rows) != 2*count {
		t.Errorf("got %d rows", len(rows))
	}
}

func TestSplitBySize(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in.csv", "id\n1\n2\n333333\n4\n5\n")
	c := p.does("split", "{path: in.csv, to: r/part-*.csv, records: 2, context: {n: count}}")
	p.leaves(c, "n=3")
	p.counts(c, "5 5 0")
	p.does("split", "{path: in.csv, to: b/part-*.csv, bytes: 8}")
	p.write("empty.csv", "id\n")
	p.does("split", "{path: empty.csv, to: e/*.csv, records: 2}")
	p.does("split", "{path: [in.csv, in.csv], to: z/*.csv.gz, records: 3, compression: gzip}")
	p.does("files", "{unpack: z/*.gz, to: z/}")
	p.does("files", "{delete: [z/*.gz, '*.csv']}")
	p.holds("r/part-0001.csv=id\n1\n2\n", "r/part-0002.csv=id\n333333\n4\n", "r/part-0003.csv=id\n5\n",
		"b/part-0001.csv=id\n1\n2\n", "b/part-0002.csv=id\n333333\n", "b/part-0003.csv=id\n4\n5\n",
		"e/0001.csv=id\n", "z/0001.csv=id\n1\n2\n333333\n", "z/0002.csv=id\n4\n5\n")
}

func TestSplitByValue(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("in.csv", "shop,n\nb,1\na/../x,2\n,3\nb,4\n서울,5\nnull,6\n.,7\n")
	p.leaves(p.does("split", "{path: in.csv, to: out/s-*.csv, by: shop, context: {n: count}}"), "n=6")
	p.does("files", "{delete: in.csv}")
	p.holds("out/s-b.csv=shop,n\nb,1\nb,4\n", "out/s-a%2F..%2Fx.csv=shop,n\na/../x,2\n", "out/s-empty.csv=shop,n\n,3\n",
		"out/s-서울.csv=shop,n\n서울,5\n", "out/s-%6E%75%6C%6C.csv=shop,n\nnull,6\n", "out/s-%2E.csv=shop,n\n.,7\n")
	p.write("in.jsonl", `{"k":1}`+"\n"+`{"k":null}`+"\n"+`{"k":""}`+"\n"+`{}`+"\n"+`{"k":true}`)
	p.does("split", "{path: in.jsonl, to: j/*.jsonl, by: k}")
	for name, want := range map[string]string{"1": `{"k":1}`, "null": `{"k":null}` + "\n" + `{}`, "empty": `{"k":""}`, "true": `{"k":true}`} {
		if got := p.read("j/" + name + ".jsonl"); got != want+"\n" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	p.write("in.jsonl", `{"k":1}`+"\n"+`{"k":"1"}`)
	p.refuses("split", "{path: in.jsonl, to: x/*.jsonl, by: k}", fault.Validation, "two values of k have the same file's name, 1")
	p.write("in.jsonl", `{"k":"`+strings.Repeat("x", 200)+`"}`)
	p.refuses("split", "{path: in.jsonl, to: x/*.jsonl, by: k}", fault.Validation, "too long for a file's name")
	if left, _ := os.ReadDir(filepath.Join(p.folder, "x")); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestSplitIntoManyFilesKeepsFewOpen(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const values = 500
	var b strings.Builder
	for i := range 3 * values {
		fmt.Fprintf(&b, "{\"k\":%d,\"n\":%d}\n", i%values, i)
	}
	p.write("in.jsonl", b.String())
	p.does("split", "{path: in.jsonl, to: out/*.jsonl, by: k, memory: 64KiB}")
	for _, k := range []int{0, 77, values - 1} {
		want := fmt.Sprintf("{\"k\":%d,\"n\":%d}\n{\"k\":%d,\"n\":%d}\n{\"k\":%d,\"n\":%d}\n", k, k, k, k+values, k, k+2*values)
		if got := p.read(fmt.Sprintf("out/%d.jsonl", k)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if all, err := os.ReadDir(filepath.Join(p.folder, "out")); err != nil || len(all) != values {
		t.Errorf("%d files, %v", len(all), err)
	}
}

func TestSplitRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("a.txt", "x\n")
	for keys, want := range map[string]string{
		"{path: a.csv, to: o-*.csv}":                              "one of by, records and bytes",
		"{path: a.csv, to: o-*.csv, by: a, records: 1}":           "one of by, records and bytes",
		"{path: a.csv, to: o.csv, records: 1}":                    "to needs one *",
		"{path: a.csv, to: o-*-*.csv, records: 1}":                "to needs one *",
		"{path: a.csv, to: '*/o-*.csv', records: 1}":              "to needs one *",
		"{path: a.csv, to: o-*.csv, records: -1}":                 "more than nothing",
		"{path: a.csv, to: o-*.csv, by: [a, b]}":                  "by is one column",
		"{path: a.txt, to: o-*.txt, by: line}":                    "no columns to split by",
		"{path: a.txt, to: o-*.txt, bytes: 1, columns: {a: int}}": "lines have no columns",
	} {
		p.refuses("split", keys, fault.Definition, want)
	}
}
