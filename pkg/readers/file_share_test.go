package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// nasty has everything that makes borders hard to find: quoted line ends, CRLF, doubled quotes, empty lines, comments, a
// field that is longer than a share, bad records, and no line end at the end.
const nasty = "skipped \"line\nid,name,n\r\n1,\"x\ny\",2\r\n\r\n#c \"om\nment\n3,\"say \"\"hi\"\"\n\r\n\",4\n\n,,\n5,\"가,\n나\",\"6\"\n-7,\"\n\n\n\",-3\n" +
	"bad\"quote,1,2\n5,\"text\" behind,6\n8,\"longer than all the others\nthat stand here, longer than all the others\n\n\nthat stand here\",9223372036854775807\n" +
	"\x00,\xff,\n\n#\n10,few\n11,12,not a number\n12,o,\n\n13,\"never\nclosed,8\n-9,last,-9223372036854775808"

// partTo describes records with their places.
func partTo(t testing.TB, r batch.Reader, from batch.State, records int) (rows []string, at batch.State) {
	t.Helper()
	if err := r.Open(t.Context(), from); err != nil {
		return append(rows, "!! "+err.Error()), nil
	}
	defer r.Close()
	var chunk record.Chunk
	for len(rows) != records {
		err := r.Read(t.Context(), &chunk)
		var bad *batch.BadRecord
		switch {
		case err == io.EOF:
			return rows, nil
		case err == nil:
			o := chunk.Origins[len(chunk.Origins)-1]
			rows = append(rows, fmt.Sprintf("%s:%d %s %q", o.Source, o.Line, batchtest.Render(chunk.In.Row(chunk.In.Len()-1)), o.Raw))
		case errors.As(err, &bad):
			rows = append(rows, fmt.Sprintf("%s:%d ! %v %q", bad.Origin.Source, bad.Origin.Line, err, bad.Origin.Raw))
		default:
			return append(rows, "!! "+err.Error()), nil
		}
	}
	at, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	return rows, at
}

func placesOf(t testing.TB, r batch.Reader) []string {
	rows, _ := partTo(t, r, nil, -1)
	return rows
}

// sharesOf divides the input of a reader.
func sharesOf(t testing.TB, r batch.Reader, d batch.Division) []json.RawMessage {
	t.Helper()
	if err := r.(batch.Divisible).Fits(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	shares, err := r.(batch.Divisible).Divide(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

// takers makes readers of shares.
func taking(t testing.TB, base, yaml string, share json.RawMessage) batch.Reader {
	t.Helper()
	r := mustBuild(t, base, yaml)
	if err := r.(batch.Divisible).Take(share); err != nil {
		t.Fatal(err)
	}
	return r
}

// sourceOf returns the files of a reader.
func sourceOf(r batch.Reader) *fileSource {
	switch r := r.(type) {
	case *csvReader:
		return r.fileSource
	case *lineReader:
		return r.fileSource
	}
	return r.(*objectReader).fileSource
}

// dividedAt makes the shares between the borders at the given offsets.
func dividedAt(t testing.TB, base, yaml string, offsets ...int64) []json.RawMessage {
	t.Helper()
	r := mustBuild(t, base, yaml)
	if err := r.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := sourceOf(r)
	borders, err := s.borders(t.Context(), offsets)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := s.between(borders)
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

// nastyFiles are the nasty file, in the forms that readers take it in.
func nastyFiles(t testing.TB) (base string, readers map[string]string) {
	var wide bytes.Buffer
	wide.WriteString("\xff\xfe")
	for _, u := range utf16.Encode([]rune(strings.ReplaceAll(nasty, "\x00,\xff,", "😀,x,"))) {
		wide.Write([]byte{byte(u), byte(u >> 8)})
	}
	base = folder(t, "nasty.csv", nasty, "bom.csv", "\xef\xbb\xbf"+strings.TrimPrefix(nasty, "skipped \"line\n"), "wide.csv", wide.String(),
		"trailer.csv", nasty+"\nEND,9\n\n\n#\n", "record.csv", "skipped\nHEAD,\"a\nb\"\n"+strings.TrimPrefix(nasty, "skipped \"line\n"), "record.jsonl", "{\"head\":1}\n{\"id\":1}\n\n{\"id\":2,\"n\":3}\n{\"id\":\n{\"id\":4}\n",
		"nasty.jsonl", "\xef\xbb\xbf{\"id\":1,\"name\":\"a\\nb\"}\r\n\n  {\"id\":-2,\"n\":3}\n{\"id\":\n[1]\n{\"id\":\"x\",\"name\":\"가나\"}\n\n{\"id\":null}\n{}\n{\"id\":2.0,\"n\":[1,\n{\"id\":9,\"name\":\"last\"}")
	return base, map[string]string{
		"strict":   `{type: csv, path: nasty.csv, skip_lines: 1, columns: {id: int, n: int}}`,
		"comments": `{type: csv, path: nasty.csv, skip_lines: 1, comment: "#", columns: {id: int, n: int}}`,
		"lenient":  `{type: csv, path: nasty.csv, skip_lines: 1, comment: "#", lenient: true, columns: {id: int}}`,
		"escape":   `{type: csv, path: nasty.csv, skip_lines: 1, escape: \, columns: {id: int}}`,
		"unquoted": `{type: csv, path: nasty.csv, skip_lines: 1, quote: "", columns: {id: int}}`,
		"small":    `{type: csv, path: nasty.csv, skip_lines: 1, max_record: 20, columns: {id: int}}`,
		"no head":  `{type: csv, path: nasty.csv, header: false, columns: {id: int, name: text, n: text}}`,
		"bom":      `{type: csv, path: bom.csv, columns: {id: int}}`,
		"utf-16":   `{type: csv, path: wide.csv, skip_lines: 1, columns: {id: int}}`,
		"trailer":  `{type: csv, path: trailer.csv, skip_lines: 1, comment: "#", columns: {id: int}, trailer: {match: ^END}}`,
		"record":   `{type: csv, path: record.csv, skip_lines: 1, columns: {id: int}, header_record: {match: ^HEAD, columns: [kind, made], add: [made]}}`,
		"objects":  `{type: jsonl, path: record.jsonl, columns: {id: int, name: text, n: json}, header_record: {match: head, columns: {head: int}, add: [head]}}`,
		"lines":    `{type: lines, path: nasty.csv, skip_lines: 1, match: '^(?P<id>[^,]*),?(?P<name>[^,]*),?(?P<n>.*)$', columns: {id: int}}`,
		"fixed":    `{type: fixed, path: nasty.csv, lenient: true, columns: {id: {at: 1, type: int}, name: {at: 2-4}, n: {at: 5-}}}`,
		"jsonl":    `{type: jsonl, path: nasty.jsonl, columns: {id: int, name: text, n: json}}`,
	}
}

func TestSharesWithABorderAtEveryByteAreTheFile(t *testing.T) {
	t.Parallel()
	base, readers := nastyFiles(t)
	for name, yaml := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := placesOf(t, mustBuild(t, base, yaml))
			var chunk int64 = 5
			every := int64(7) // package format has a border at every byte for all sorts of files
			if name == "strict" || os.Getenv("BATCHCTL_SOAK") != "" {
				every = 1
			}
			for offset := int64(0); offset < int64(len(nasty))+10; offset += every {
				offsets := []int64{offset}
				if offset%3 == 0 {
					offsets = append(offsets, offset+chunk, offset+2*chunk, offset+100)
				}
				var got []string
				shares := dividedAt(t, base, yaml, offsets...)
				for _, share := range shares {
					got = append(got, placesOf(t, taking(t, base, yaml, share))...)
				}
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Fatalf("borders behind %d: %s", offsets, shares)
				}
			}
		})
	}
}

func TestSharesOfEveryDivisionAreTheFile(t *testing.T) {
	t.Parallel()
	base, readers := nastyFiles(t)
	readers["keys"] = `{type: jsonl, path: nasty.jsonl}`
	for name, yaml := range readers {
		want := counted(placesOf(t, mustBuild(t, base, yaml)))
		var divisions []batch.Division
		for count := 1; count <= 7; count++ {
			if count > 3 && count < 7 && os.Getenv("BATCHCTL_SOAK") == "" {
				continue
			}
			divisions = append(divisions, batch.Division{By: "range", Count: count}, batch.Division{By: "modulo", Column: "id", Count: count})
			if name != "keys" {
				divisions = append(divisions, batch.Division{By: "range", Column: "id", Count: count}, batch.Division{By: "range", Column: "name", Count: count})
			}
		}
		divisions = append(divisions, batch.Division{By: "files"}, batch.Division{By: "values", Column: "name", Values: []record.Value{record.OfText("o"), record.OfText("few")}},
			batch.Division{By: "values", Column: "id", Values: []record.Value{record.OfInt(5), record.OfInt(-7), record.OfInt(99)}})
		for _, d := range divisions {
			shares := sharesOf(t, mustBuild(t, base, yaml), d)
			got := map[string]int{}
			for _, share := range shares {
				for _, row := range placesOf(t, taking(t, base, yaml, share)) {
					got[row]++
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s divided by %+v into %s:\n got %v\nwant %v", name, d, shares, got, want)
			}
		}
	}
}

func counted(rows []string) map[string]int {
	n := map[string]int{}
	for _, row := range rows {
		n[row]++
	}
	return n
}

// Each share is stopped after every record and gone on with.
func TestRestartedSharesAreTheFile(t *testing.T) {
	t.Parallel()
	base, readers := nastyFiles(t)
	for name, yaml := range readers {
		for _, d := range []batch.Division{{By: "range", Count: 3}, {By: "modulo", Column: "id", Count: 2}} {
			for _, share := range sharesOf(t, mustBuild(t, base, yaml), d) {
				want := placesOf(t, taking(t, base, yaml, share))
				var got []string
				var at batch.State
				for {
					rows, next := partTo(t, taking(t, base, yaml, share), at, 1)
					got = append(got, rows...)
					if at = next; next == nil {
						break
					}
				}
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%s divided by %+v, share %s:\n got %s\nwant %s", name, d, share, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
}

func TestSharesAreAboutTheSameSize(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("id,name\n")
	for i := range 20000 {
		fmt.Fprintf(&text, "%d,\"n\n%d\"\n", (i*7919)%20000-5000, i)
	}
	base := folder(t, "in.csv", text.String())
	yaml := `{type: csv, path: in.csv, columns: {id: int}}`
	for _, d := range []batch.Division{{By: "range", Count: 4}, {By: "range", Column: "id", Count: 4}, {By: "range", Column: "name", Count: 4}, {By: "modulo", Column: "id", Count: 4}} {
		shares := sharesOf(t, mustBuild(t, base, yaml), d)
		for _, share := range shares {
			if n := len(placesOf(t, taking(t, base, yaml, share))); len(shares) != 4 || n < 4500 || n > 5500 {
				t.Errorf("%+v: %d of %d shares has %d of 20000 records", d, 1, len(shares), n)
			}
		}
	}
}

func TestShareRefusesAFileThatWasChangedSinceItWasDivided(t *testing.T) {
	t.Parallel()
	yaml := `{type: csv, path: in.csv}`
	text := "id,name\n1,aa\n2,bb\n3,cc\n4,dd\n5,ee\n6,ff\n"
	for _, c := range []struct {
		name, now string
		want      []string // errors of the two shares
	}{
		{"added behind", text + "7,gg\n", []string{"", ""}},
		{"changed before the border", strings.Replace(text, "2,bb", "2,xx", 1), []string{"", "in.csv was changed before line 5, in what was read already"}},
		{"a border that is none any more", strings.Replace(text, "3,cc\n4,", "3,cc,4,", 1), []string{"no record ends at byte 23 of its text any more", "in.csv was changed before line 5"}},
		{"shorter", text[:20], []string{"in.csv is shorter than when it was divided: a partition ends at byte 23 of its text", "in.csv is shorter than when it was read"}},
		{"other columns", strings.Replace(text, "name", "game", 1), []string{"the columns are no longer those of the first run: id, game instead of id, name", "the columns are no longer"}},
		{"gone", "", []string{"in.csv is gone", "in.csv is gone"}},
	} {
		base := folder(t, "in.csv", text)
		shares := sharesOf(t, mustBuild(t, base, yaml), batch.Division{By: "range", Count: 2})
		write(t, filepath.Join(base, "in.csv"), c.now)
		if c.now == "" {
			if err := os.Remove(filepath.Join(base, "in.csv")); err != nil {
				t.Fatal(err)
			}
		}
		for i, share := range shares {
			rows := strings.Join(placesOf(t, taking(t, base, yaml, share)), "\n")
			if strings.Contains(rows, "!!") != (c.want[i] != "") || !strings.Contains(rows, c.want[i]) {
				t.Errorf("%s: share %s:\n%s\nwant %q", c.name, share, rows, c.want[i])
			}
		}
	}
}

func TestFilesAreSharesOfTheirOwn(t *testing.T) {
	t.Parallel()
	base := folder(t, "in/a.csv", "id\n1\n", "in/b.csv", "id\n2\n3\n", "a.json", `[{"id":1}]`, "b.json", `[]`)
	yaml := `{type: csv, path: in/*.csv}`
	shares := sharesOf(t, mustBuild(t, base, yaml), batch.Division{By: "files"})
	if fmt.Sprintf("%s", shares) != `[{"file":"in/a.csv"} {"file":"in/b.csv"}]` {
		t.Fatalf("got %s", shares)
	}
	write(t, filepath.Join(base, "in/c.csv"), "id\n4\n")
	expectRows(t, placesOf(t, taking(t, base, yaml, shares[1])), `in/b.csv:2 id=text:"2" "2"`, `in/b.csv:3 id=text:"3" "3"`)
	if shares := sharesOf(t, mustBuild(t, base, `{type: json, path: "*.json"}`), batch.Division{By: "files"}); len(shares) != 2 {
		t.Errorf("got %s", shares)
	}
	if shares := sharesOf(t, mustBuild(t, base, `{type: csv, path: "*.tsv", on_missing: empty}`), batch.Division{By: "files"}); shares == nil || len(shares) != 0 {
		t.Errorf("got %s", shares)
	}
}

// A share of a column reads the whole file, so it can hold the trailer against it.
func TestSharesOfAColumnCheckTheTrailer(t *testing.T) {
	t.Parallel()
	yaml := `{type: csv, path: in.csv, columns: {id: int, n: int}, trailer: {match: ^END, columns: {kind: text, count: int, total: int}, sums: {all: n}, expect: count == counters.read_count and total == all}}`
	for _, c := range []struct {
		trailer string
		fails   bool
	}{{"END,4,10", false}, {"END,5,10", true}, {"END,4,11", true}} {
		base := folder(t, "in.csv", "id,n\n1,1\n2,2\nx,9\n3,3\n4,4\n5,y\n"+c.trailer+"\n")
		for _, share := range sharesOf(t, mustBuild(t, base, yaml), batch.Division{By: "modulo", Column: "id", Count: 3}) {
			if rows := strings.Join(placesOf(t, taking(t, base, yaml, share)), "\n"); strings.Contains(rows, "the trailer does not fit") != c.fails {
				t.Errorf("%s, share %s:\n%s", c.trailer, share, rows)
			}
		}
	}
}

func TestTrailerBelongsToTheLastShare(t *testing.T) {
	t.Parallel()
	yaml := `{type: csv, path: in.csv, trailer: {match: ^END}}`
	for text, want := range map[string]string{
		"id\n1\n2\n3\n4\nEND\n": "", "id\n1\n2\n3\n4\n5\n": "ends without a trailer", "id\nEND\n2\n3\n4\n5\n": "there are records behind the trailer",
	} {
		base := folder(t, "in.csv", text)
		var rows []string
		for _, share := range dividedAt(t, base, yaml, 6, 8) {
			rows = append(rows, placesOf(t, taking(t, base, yaml, share))...)
		}
		if all := strings.Join(rows, "\n"); strings.Contains(all, "!!") != (want != "") || !strings.Contains(all, want) {
			t.Errorf("%q: %s", text, all)
		}
	}
}

func TestDivisionsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	base := folder(t, "in.csv", "id,name\n1,a\n", "b.csv", "id,name\n2,b\n", "in.csv.gz", gzipped(t, "id\n1\n"), "in.jsonl", "{\"id\":1}\n", "in.json", "[]")
	for _, c := range []struct {
		yaml       string
		d          batch.Division
		want, hint string
	}{
		{`{type: csv, path: in.csv}`, batch.Division{By: "modulo", Column: "id", Count: 2}, "by: modulo does not fit column id, which is text", "columns: {id: int}"},
		{`{type: csv, path: in.csv}`, batch.Division{By: "modulo", Column: "di", Count: 2}, `the records have no column "di"`, `did you mean "id"?`},
		{`{type: csv, path: in.csv, columns: {id: float}}`, batch.Division{By: "values", Column: "id"}, "by: values does not fit column id", "use range"},
		{`{type: csv, path: in.csv, columns: {id: int}}`, batch.Division{By: "values", Column: "id", Values: []record.Value{record.OfText("x")}}, "value x does not fit column id, which is int", "as they stand"},
		{`{type: csv, path: [in.csv, b.csv]}`, batch.Division{By: "range", Count: 2}, "divides one file, and path has 2", "by: files"},
		{`{type: csv, path: "*.csv"}`, batch.Division{By: "range", Count: 2}, "divides one file, and 2 files are found: b.csv, in.csv", "by: files"},
		{`{type: csv, path: in.csv.gz}`, batch.Division{By: "range", Count: 2}, "in.csv.gz is compressed (gzip), and can only be read from its beginning", "decompress"},
		{`{type: csv, path: in.csv, trailer: {match: x, expect: counters.read_count == 1}}`, batch.Division{By: "range", Count: 2}, "about the whole file", "by a column"},
		{`{type: jsonl, path: in.jsonl}`, batch.Division{By: "range", Column: "id", Count: 2}, "needs to know the type of column id", "columns: {id: int}"},
		{`{type: json, path: in.json}`, batch.Division{By: "range", Count: 2}, "the records of a json file cannot be divided by their places", "jsonl"},
		{`{type: csv, path: gone.csv}`, batch.Division{By: "range", Count: 2}, "read gone.csv", "folder of the definition"},
		{`{type: csv, path: gone.csv}`, batch.Division{By: "files"}, "read gone.csv", "folder of the definition"},
	} {
		_, err := mustBuild(t, base, c.yaml).(batch.Divisible).Divide(t.Context(), c.d)
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition && fault.ClassOf(err) != fault.Environment {
			t.Errorf("%s by %+v: got %v, want %q", c.yaml, c.d, err, c.want)
			continue
		}
		expectHint(t, err, c.hint)
	}
}
