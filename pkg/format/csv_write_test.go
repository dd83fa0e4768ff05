package format

import (
	"encoding/csv"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"batchctl/pkg/record"
)

func newWriter(t testing.TB, o CSVWriterOptions) *CSVWriter {
	t.Helper()
	w, err := NewCSVWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// rowOf returns a record of the values, whose columns are called a, b, c...
func rowOf(t testing.TB, values ...record.Value) (record.Record, []int) {
	t.Helper()
	var fields []record.Field
	var positions []int
	for i := range values {
		fields = append(fields, record.Field{Name: string(rune('a' + i))})
		positions = append(positions, i)
	}
	schema, err := record.NewSchema(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return record.Record{Schema: schema, Values: values}, positions
}

func texts(all ...string) []record.Value {
	var values []record.Value
	for _, s := range all {
		values = append(values, record.OfText(s))
	}
	return values
}

func TestCSVWriterQuotesByNeed(t *testing.T) {
	t.Parallel()
	null, absent := record.NullValue, record.Value{}
	amount, err := new(record.Format).Parse(record.Decimal, "012.50")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		o      CSVWriterOptions
		values []record.Value
		want   string
	}{
		{"plain", CSVWriterOptions{}, texts("a", "b c", "가나"), "a,b c,가나\n"},
		{"delimiter", CSVWriterOptions{}, texts("a,b", "c"), "\"a,b\",c\n"},
		{"delimiter in a long text", CSVWriterOptions{}, texts("12345678901234567890,1", "c"), "\"12345678901234567890,1\",c\n"},
		{"quote", CSVWriterOptions{}, texts(`say "hi"`, `"`), `"say ""hi""",""""` + "\n"},
		{"line feed", CSVWriterOptions{}, texts("a\nb"), "\"a\nb\"\n"},
		{"carriage return", CSVWriterOptions{}, texts("a\rb", "c\r"), "\"a\rb\",\"c\r\"\n"},
		{"blanks are data", CSVWriterOptions{}, texts(" a ", "b\t"), " a ,b\t\n"},
		{"empty fields", CSVWriterOptions{}, texts("", "", ""), ",,\n"},
		{"one empty field", CSVWriterOptions{}, texts(""), "\"\"\n"},
		{"one null", CSVWriterOptions{}, []record.Value{null}, "\"\"\n"},
		{"end of data of COPY", CSVWriterOptions{}, texts(`\.`), "\"\\.\"\n"},
		{"nulls", CSVWriterOptions{}, []record.Value{null, absent, record.OfText("")}, ",,\n"},
		{"null text", CSVWriterOptions{NullText: "NULL"}, []record.Value{null, absent, record.OfText("NULL")}, "NULL,NULL,NULL\n"},
		{"null text told apart", CSVWriterOptions{NullText: `\N`, MarkText: true}, append(texts(`\N`, ""), null), "\"\\N\",,\\N\n"},
		{"empty text told apart", CSVWriterOptions{MarkText: true}, append(texts("", "a"), null, absent), "\"\",a,,\n"},
		{"text as read", CSVWriterOptions{}, []record.Value{amount, record.OfInt(-7), record.OfBool(true)}, "012.50,-7,true\n"},
		{"CR LF", CSVWriterOptions{CRLF: true}, texts("a", "b\n"), "a,\"b\n\"\r\n"},
		{"semicolon", CSVWriterOptions{Delimiter: ";"}, texts("a,b", "c;d"), "a,b;\"c;d\"\n"},
		{"tab", CSVWriterOptions{Delimiter: "\t"}, texts("a,b", "c\td"), "a,b\t\"c\td\"\n"},
		{"long delimiter", CSVWriterOptions{Delimiter: "||"}, texts("a|b", "c||d", ""), "a|b||\"c||d\"||\n"},
		{"other quote", CSVWriterOptions{Quote: '\''}, texts(`"`, "it's", "a,b"), "\",'it''s','a,b'\n"},
		{"all quoted", CSVWriterOptions{QuoteAll: true}, []record.Value{record.OfText("a"), record.OfInt(1), null}, "\"a\",\"1\",\n"},
		{
			"formulas", CSVWriterOptions{EscapeFormulas: true}, append(texts("=1+1", "-5", "+82-10", "@x", "-", "a=b", "-1,000.5"), record.OfInt(-5)),
			"\"'=1+1\",-5,\"'+82-10\",\"'@x\",\"'-\",a=b,\"-1,000.5\",-5\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t, c.o)
			r, positions := rowOf(t, c.values...)
			if got := string(w.AppendRecord([]byte("before\n"), r, positions)); got != "before\n"+c.want {
				t.Errorf("got %q, want %q", got, "before\n"+c.want)
			}
		})
	}
}

func TestCSVWriterTakesColumnsByPosition(t *testing.T) {
	t.Parallel()
	w := newWriter(t, CSVWriterOptions{})
	r, _ := rowOf(t, texts("a", "b", "c")...)
	if got := string(w.AppendRecord(nil, r, []int{2, -1, 0, 9})); got != "c,,a,\n" {
		t.Errorf("got %q", got)
	}
	if got := string(w.AppendLine(nil, []string{"id", "a,b", ""})); got != "id,\"a,b\",\n" {
		t.Errorf("got %q", got)
	}
	w = newWriter(t, CSVWriterOptions{EscapeFormulas: true})
	if got := string(w.AppendLine(nil, []string{"=cmd()", "b"})); got != "\"'=cmd()\",b\n" {
		t.Errorf("got %q", got)
	}
}

func TestCSVWriterOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]CSVWriterOptions{
		"delimiter is a line end": {Delimiter: "\n"}, "delimiter is the quote": {Delimiter: `"`},
		"quote is not ASCII": {Quote: 0xe9}, "quote is a line end": {Quote: '\n'},
		"null text holds the delimiter": {NullText: "a,b"}, "null text holds a quote": {NullText: `"`},
	} {
		if _, err := NewCSVWriter(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWhatCSVWriterWritesReadsBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", ",", `"`, "\n", "\r\n", " ", "가", "12345678", `\.`, ";", "|", ""}
	for _, o := range []CSVWriterOptions{{}, {QuoteAll: true}, {Delimiter: ";", CRLF: true}, {Delimiter: "|", MarkText: true}} {
		w := newWriter(t, o)
		var text []byte
		var want [][]string
		for range 3000 {
			row := make([]string, 3)
			for i := range row {
				for range random.IntN(5) {
					row[i] += pieces[random.IntN(len(pieces))]
				}
			}
			r, positions := rowOf(t, texts(row...)...)
			text = w.AppendRecord(text, r, positions)
			want = append(want, row)
		}
		reader := csv.NewReader(strings.NewReader(string(text)))
		if o.Delimiter != "" {
			reader.Comma = rune(o.Delimiter[0])
		}
		got, err := reader.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			for j := range want[i] {
				want[i][j] = strings.ReplaceAll(want[i][j], "\r\n", "\n") // as encoding/csv does when it reads
			}
			if !slices.Equal(got[i], want[i]) {
				t.Fatalf("%+v: record %d reads as %q, want %q", o, i, got[i], want[i])
			}
		}
	}
}

func TestWhatCSVWriterWritesIsWhatCSVReaderReads(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", ",", `"`, "\n", "\r", " ", "가", "12345678", `\.`, ";", "|", "||", "'", ""}
	for _, o := range []CSVWriterOptions{{}, {QuoteAll: true}, {Delimiter: "||", CRLF: true}, {Delimiter: "가"}, {Quote: '\'', MarkText: true}} {
		for _, columns := range []int{1, 3} {
			w := newWriter(t, o)
			var text []byte
			var want [][]string
			for range 2000 {
				row := make([]string, columns)
				for i := range row {
					for range random.IntN(5) {
						row[i] += pieces[random.IntN(len(pieces))]
					}
				}
				r, positions := rowOf(t, texts(row...)...)
				text = w.AppendRecord(text, r, positions)
				want = append(want, row)
			}
			for i, got := range readBack(t, CSVReaderOptions{Delimiter: o.Delimiter, Quote: o.Quote}, string(text)) {
				if !slices.Equal(got, want[i]) {
					t.Fatalf("%+v: record %d reads as %q, want %q", o, i, got, want[i])
				}
				want[i] = nil
			}
			if left := slices.IndexFunc(want, func(row []string) bool { return row != nil }); left >= 0 {
				t.Fatalf("%+v: record %d was not read", o, left)
			}
		}
	}
}

func readBack(t *testing.T, o CSVReaderOptions, text string) (all [][]string) {
	t.Helper()
	reader, err := NewCSVReader(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Reset(strings.NewReader(text), Position{Line: 1}, 0); err != nil {
		t.Fatal(err)
	}
	for {
		err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, f := range reader.Record().Fields {
			row = append(row, string(reader.AppendField(nil, reader.Record().Raw, f)))
		}
		all = append(all, row)
	}
}

func TestSpecialsAreFoundAtEveryPosition(t *testing.T) {
	t.Parallel()
	for _, delimiter := range []string{",", "\t", "||", "\x80"} {
		s := newSpecials(delimiter, '"')
		for size := range 40 {
			plain := strings.Repeat("\xffx\x7f\x8d ", 8)[:size]
			if s.in(plain) {
				t.Errorf("%q was found in %q", delimiter, plain)
			}
			for at := range size {
				for _, mark := range []string{delimiter, `"`, "\r", "\n"} {
					if text := plain[:at] + mark + plain[at:]; !s.in(text) {
						t.Errorf("%q at %d of %d was not found", mark, at, size)
					}
				}
			}
		}
	}
}

// payment is a record of about 110 bytes, every field but the memo plain.
func payment(t testing.TB, memo string) (record.Record, []int) {
	t.Helper()
	format := new(record.Format)
	parse := func(kind record.Kind, text string) record.Value {
		v, err := format.Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return rowOf(t, parse(record.Int, "1048576"), record.OfText("PAID"), parse(record.Decimal, "129000.50"),
		parse(record.Date, "2026-11-20"), record.OfText("김하늘"), record.OfText("seller-004711"), record.OfText("KRW"),
		record.OfText(memo), record.OfText("ref 9f8e7d6c5b4a39281706"))
}

func TestCSVWriterMakesNoAllocations(t *testing.T) {
	for name, o := range map[string]CSVWriterOptions{"plain": {}, "quoted": {QuoteAll: true}, "formulas": {EscapeFormulas: true}, "marked": {MarkText: true}} {
		w := newWriter(t, o)
		r, positions := payment(t, `quoted, "memo"`)
		r.Values = append(r.Values[:len(r.Values):len(r.Values)], record.OfInt(77))
		dst := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { dst = w.AppendRecord(dst[:0], r, positions) }); n != 0 {
			t.Errorf("%s: %v allocations a record", name, n)
		}
	}
}

func BenchmarkCSVWriter(b *testing.B) {
	for name, memo := range map[string]string{"plain": "monthly settlement", "quoted": "monthly, settlement"} {
		b.Run(name, func(b *testing.B) {
			w := newWriter(b, CSVWriterOptions{})
			r, positions := payment(b, memo)
			dst := w.AppendRecord(nil, r, positions)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst = w.AppendRecord(dst[:0], r, positions)
			}
		})
	}
}
