package readers

import (
	"errors"
	"strings"
	"testing"

	"batchctl/pkg/batch"
	"batchctl/pkg/batch/batchtest"
	"batchctl/pkg/fault"
)

const paid = "id,amount\n1,2.50\n2,\n3,4.5\n4,-1.25\n5,10\n"

const paidConf = `{type: csv, path: PATH, columns: {id: int, amount: decimal}, trailer: {match: "^T,", columns: {kind: text, count: int, total: decimal},
  sums: {amounts: amount}, expect: count == counters.read_count and total == amounts}}`

var paidRows = []string{"id=int:1 amount=decimal:2.50", "id=int:2 amount=null", "id=int:3 amount=decimal:4.5", "id=int:4 amount=decimal:-1.25", "id=int:5 amount=decimal:10"}

func TestReadersWithATrailerKeepTheContract(t *testing.T) {
	t.Parallel()
	const second = "id,amount\n5,0.001\n6,0.002\nT,2,0.003\n\n"
	lines := "{\"a\":1}\n{\"a\":2,\"b\":\"x\"}\n{}\n{\"a\":null}\n{\"type\":\"end\",\"n\":4,\"sum\":3}\n"
	bad := strings.Replace(paid, "3,4.5", "x,4.5", 1) + "T,4,11.25\n"
	base := folder(t, "a.csv", paid+"T,5,15.75\n", "b.csv", second, "bad.csv", bad, "c.gz", gzipped(t, paid, "T,5,15.7500\n"), "empty.csv", "id,amount\nT,0,0\n", "d.jsonl", lines)
	conf := func(path string) func() batch.Reader {
		return maker(t, base, strings.Replace(paidConf, "PATH", path, 1))
	}
	for _, c := range []struct {
		name string
		c    batchtest.ReaderCase
	}{
		{"csv", batchtest.ReaderCase{New: conf("a.csv"), Rows: paidRows, Empty: conf("empty.csv"),
			Malformed: conf("bad.csv"), BadLines: []int64{4}, GoodRows: append(paidRows[:2:2], paidRows[3:]...)}},
		{"several files", batchtest.ReaderCase{New: conf("[a.csv, b.csv, empty.csv, c.gz]"),
			Rows: append(append(paidRows[:5:5], "id=int:5 amount=decimal:0.001", "id=int:6 amount=decimal:0.002"), paidRows...)}},
		{"gzip", batchtest.ReaderCase{New: conf("c.gz"), Rows: paidRows}},
		{"jsonl", batchtest.ReaderCase{
			New:  maker(t, base, `{type: jsonl, path: d.jsonl, trailer: {match: '"type":"end"', columns: {n: int, sum: decimal}, sums: {all: a}, expect: n == counters.read_count and sum == all}}`),
			Rows: []string{"a=int:1", `a=int:2 b=text:"x"`, "", "a=null"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			batchtest.Reader(t, c.c)
		})
	}
}

func TestTrailerThatDoesNotFitIsAFailedCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want, code string }{
		{"count", paid + "T,6,15.75\n", "in:7: the trailer does not fit the file: expect count == counters.read_count and total == amounts, with counters.read_count = 5, counters.read_skip_count = 0, kind = T, count = 6, total = 15.75, amounts = 15.75", "trailer"},
		{"sum", paid + "T,5,15.76\n", "amounts = 15.75", "trailer"},
		{"null", paid + "T,,15.75\n", "count = ", "trailer"},
		{"missing", paid, "in ends without a trailer: its last line does not match ^T,", "no_trailer"},
		{"empty file", "", "in ends without a trailer", "no_trailer"},
		{"cut", paid[:len(paid)-9] + "T", "in ends without a trailer", "no_trailer"},
		{"record behind it", paid + "T,5,15.75\n9,1\n", "in:8: there are records behind the trailer", "behind_trailer"},
		{"bad record behind it", paid + "T,5,15.75\n\"9\n", "in:8: there are records behind the trailer", "behind_trailer"},
		{"two", paid + "T,5,15.75\nT,5,15.75\n", "in:8: there are records behind the trailer", "behind_trailer"},
		{"not a number", paid + "T,five,1\n", "in:7: the trailer cannot be read: column count", "bad_trailer"},
		{"fields", paid + "T,5\n", "in:7: the trailer cannot be read: it has 2 fields, expected 3", "bad_trailer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := mustBuild(t, folder(t, "in", c.text), strings.Replace(paidConf, "PATH", "in", 1))
			defer r.Close()
			if err := r.Open(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			_, err := readRows(t, r)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.CodeOf(err) != c.code || fault.HintOf(err) == "" && c.code != "bad_trailer" {
				t.Errorf("got %v (code %s, hint %s), want %q", err, fault.CodeOf(err), fault.HintOf(err), c.want)
			}
			if errors.Is(err, batch.ErrCheckFailed) != (c.code == "trailer") || fault.ClassOf(err).Data() {
				t.Errorf("%v: class %s", err, fault.ClassOf(err))
			}
		})
	}
}

func TestTrailerOfTheDefinitionIsChecked(t *testing.T) {
	t.Parallel()
	base := folder(t, "in", paid)
	for _, c := range []struct{ name, trailer, want string }{
		{"pattern", `{match: "("}`, "match is no regular expression"},
		{"unknown name", `{match: "^T", columns: [k], expect: conut == 1}`, "conut"},
		{"unknown counter", `{match: "^T", expect: counters.write_count == 1}`, "counters.write_count"},
		{"no condition", `{match: "^T", columns: {n: int}, expect: n + 1}`, "gives a int, not true or false"},
		{"clash", `{match: "^T", columns: {n: int}, sums: {n: amount}}`, `"n" is a column already`},
		{"no such column", `{match: "^T", sums: {n: amuont}}`, `no column "amuont" to be summed`},
		{"text", `{match: "^T", sums: {n: amount}}`, "column amount is of type text"},
		{"no match", `{columns: {n: int}}`, "match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := build(t, base, "{type: csv, path: in, trailer: "+c.trailer+"}")
			if err == nil {
				err = r.Open(t.Context(), nil)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Definition {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestPatternsThatBeginWithATextAreFoundByIt(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{"^T,": "T,", "^T": "T", "^T|U": "", "T": "", "(?i)^T,": "", "^(T|U),": "", "^TRL.*$": "TRL", "^": ""} {
		if got := string(beginning(pattern)); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}

// FuzzTrailer: whatever stands in a file, it is read to a trailer that fits, or ends with an error that has a class.
func FuzzTrailer(f *testing.F) {
	f.Add([]byte(paid + "T,5,15.75\n"))
	f.Add([]byte(paid))
	f.Add([]byte("id,amount\n\"T,\n\"\nT,0,\n"))
	f.Add([]byte(gzipped(f, paid, "T,5,15.75\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := mustBuild(t, folder(t, "in", string(data)), strings.Replace(paidConf, "PATH", "in", 1))
		defer r.Close()
		err := r.Open(t.Context(), nil)
		if err == nil {
			_, err = readRows(t, r)
		}
		if err != nil && fault.ClassOf(err) == fault.Internal {
			t.Errorf("got %v", err)
		}
	})
}
