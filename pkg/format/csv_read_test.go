package format

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"batchctl/pkg/fault"
)

// csvLine is what a read of one record gave: its fields, or the error.
type csvLine struct {
	fields []string
	raw    string
	line   int64
	end    Position
	err    error
}

func newCSV(t testing.TB, o CSVReaderOptions, input io.Reader) *CSVReader {
	t.Helper()
	o.Name = "in.csv"
	c, err := NewCSVReader(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reset(input, Start(), 0); err != nil {
		t.Fatal(err)
	}
	return c
}

// readCSV reads to the end, bad records included.
func readCSV(t testing.TB, c *CSVReader) []csvLine {
	t.Helper()
	var all []csvLine
	for {
		err := c.Next()
		if err == io.EOF {
			return all
		}
		if err != nil && fault.ClassOf(err) != fault.Parse {
			t.Fatal(err)
		}
		r := c.Record()
		l := csvLine{raw: string(r.Raw), line: r.Line, end: c.Position(), err: err}
		for _, f := range r.Fields {
			l.fields = append(l.fields, string(c.AppendField(nil, r.Raw, f)))
		}
		all = append(all, l)
	}
}

func showCSV(lines []csvLine) string {
	var b strings.Builder
	for _, l := range lines {
		if l.err != nil {
			b.WriteString("! " + l.err.Error() + "\n")
			continue
		}
		for i, f := range l.fields {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(strings.NewReplacer("\n", "~", "\r", "^").Replace(f))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestCSVFields(t *testing.T) {
	t.Parallel()
	lenient := CSVReaderOptions{Lenient: true}
	cases := []struct {
		name string
		o    CSVReaderOptions
		in   string
		want string
	}{
		{"plain", CSVReaderOptions{}, "a,b,c\n1,2,3\n", "a|b|c\n1|2|3\n"},
		{"no line end at the end", CSVReaderOptions{}, "a,b\n1,2", "a|b\n1|2\n"},
		{"CRLF", CSVReaderOptions{}, "a,b\r\n1,2\r\n", "a|b\n1|2\n"},
		{"carriage return as last byte", CSVReaderOptions{}, "a,b\r", "a|b\n"},
		{"empty fields", CSVReaderOptions{}, ",,\n,\n", "||\n|\n"},
		{"blanks are data", CSVReaderOptions{}, " a , b\n", " a | b\n"},
		{"only blanks", CSVReaderOptions{}, "   \n", "   \n"},
		{"empty lines are skipped", CSVReaderOptions{}, "\n\na\n\r\n\nb\n\n", "a\nb\n"},
		{"one empty quoted field is a record", CSVReaderOptions{}, "a\n\"\"\nb\n", "a\n\nb\n"},
		{"byte order mark", CSVReaderOptions{}, "\xef\xbb\xbfa,b\n", "a|b\n"},
		{"byte order mark before a quote", CSVReaderOptions{}, "\xef\xbb\xbf\"a\",b\n", "a|b\n"},
		{"byte order mark later is data", CSVReaderOptions{}, "a\n\xef\xbb\xbfb\n", "a\n\ufeffb\n"},
		{"empty input", CSVReaderOptions{}, "", ""},
		{"only a byte order mark", CSVReaderOptions{}, "\xef\xbb\xbf", ""},
		{"quoted delimiter", CSVReaderOptions{}, "\"a,b\",c\n", "a,b|c\n"},
		{"quoted line ends stay as they are", CSVReaderOptions{}, "\"a\nb\r\nc\",\"d\re\"\nx,y\n", "a~b^~c|d^e\nx|y\n"},
		{"doubled quotes", CSVReaderOptions{}, "\"6\"\" pipe\",\"\"\"\",\"\"\"\"\"\"\n", "6\" pipe|\"|\"\"\n"},
		{"quoted last field empty", CSVReaderOptions{}, "a,\"\"\n", "a|\n"},
		{"delimiter at the end behind a quoted field", CSVReaderOptions{}, "\"a\",\n\"b\",", "a|\nb|\n"},
		{"Hangul", CSVReaderOptions{}, "김철수,\"서울, 중구\"\n", "김철수|서울, 중구\n"},
		{"long plain fields cross words", CSVReaderOptions{}, "abcdefghijklmnop,qrstuvwxyz,0123456789\n", "abcdefghijklmnop|qrstuvwxyz|0123456789\n"},
		{"tab", CSVReaderOptions{Delimiter: "\t"}, "a\tb,c\t\n", "a|b,c|\n"},
		{"blank as delimiter", CSVReaderOptions{Delimiter: " "}, "a b \"c d\" \n", "a|b|c d|\n"},
		{"unit separator", CSVReaderOptions{Delimiter: "\x01"}, "a\x01b\n", "a|b\n"},
		{"delimiter outside ASCII", CSVReaderOptions{Delimiter: "§"}, "a§\"b§c\"§\n", "a|b§c|\n"},
		{"single quotes", CSVReaderOptions{Quote: '\''}, "a,'b,c','it''s'\n\"x,y\n", "a|b,c|it's\n\"x|y\n"},
		{"no quotes", CSVReaderOptions{NoQuote: true}, "\"a,b\"\n", "\"a|b\"\n"},
		{"escape", CSVReaderOptions{Escape: '\\'}, `"a\"b","c\\","d\n\"",e\` + "\n", `a"b|c\|d\n"|e\` + "\n"},
		{"comments", CSVReaderOptions{Comment: "#"}, "# head, \"er\na,b\n#\n\"#c\",d\ne,#f\n# end", "a|b\n#c|d\ne|#f\n"},
		{"long comment prefix", CSVReaderOptions{Comment: "//"}, "//a\n/b\n", "/b\n"},
		{"bare quote", CSVReaderOptions{}, "a,b\"c\nd,e\n", "! in.csv:1:4: quote in an unquoted field\nd|e\n"},
		{"blank before a quote", CSVReaderOptions{}, "a, \"b\"\n", "! in.csv:1:4: quote in an unquoted field\n"},
		{"text behind a quote", CSVReaderOptions{}, "a,\"b\"c\nd,e\n", "! in.csv:1:6: text behind the closing quote of a field\nd|e\n"},
		{"blank behind a quote", CSVReaderOptions{}, "\"b\" ,c\n", "! in.csv:1:4: text behind the closing quote of a field\n"},
		{"fault in the second line of a record", CSVReaderOptions{}, "\"a\n한\"x,\"\nb,c\n", "! in.csv:2:3: text behind the closing quote of a field\nb|c\n"},
		{"never closed", CSVReaderOptions{}, "a,b\n\"ok\nok\",\"c\nd,e\nf,g", "a|b\n! in.csv:3:5: quoted field is never closed\nd|e\nf|g\n"},
		{"never closed at the end", CSVReaderOptions{}, "a\n\"", "a\n! in.csv:2:1: quoted field is never closed\n"},
		{"closed by an escaped quote only", CSVReaderOptions{}, "\"a\"\"", "! in.csv:1:1: quoted field is never closed\n"},
		{"carriage return alone", CSVReaderOptions{}, "a,b\rc,d\ne\n", "! in.csv:1:4: carriage return in an unquoted field\ne\n"},
		{"carriage return twice", CSVReaderOptions{}, "a\r\r\nb\n", "! in.csv:1:2: carriage return in an unquoted field\nb\n"},
		{"carriage return beside a quoted field", CSVReaderOptions{}, "\"a\r\",b\rc\n", "! in.csv:1:7: carriage return in an unquoted field\n"},
		{"NUL", CSVReaderOptions{}, "a,b\x00c\nd\n", "! in.csv:1:4: NUL byte\nd\n"},
		{"NUL in quotes", CSVReaderOptions{}, "\"a\n\x00\"\nd\n", "! in.csv:2:1: NUL byte\nd\n"},
		{"not UTF-8", CSVReaderOptions{}, "한,\xff\nd\n", "! in.csv:1:3: byte 0xff is not UTF-8\nd\n"},
		{"not UTF-8 in quotes", CSVReaderOptions{}, "\"\xc0\xaf\"\nd\n", "! in.csv:1:2: byte 0xc0 is not UTF-8\nd\n"},
		{"lenient bare quote", lenient, "a,b\"c\"d,e\n", "a|b\"c\"d|e\n"},
		{"lenient text behind a quote", lenient, "\"say \"hi\" twice\",b\n", "say \"hi\" twice|b\n"},
		{"lenient blanks around quotes", lenient, "a, \"b, c\" ,\"d\"\t\n", "a|b, c|d\n"},
		{"lenient carriage return", lenient, "a\rb,c\n", "a^b|c\n"},
		{"lenient never closed", lenient, "a,\"b\nc\n", "! in.csv:1:3: quoted field is never closed\nc\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := showCSV(readCSV(t, newCSV(t, c.o, strings.NewReader(c.in))))
			if got != c.want {
				t.Errorf("%q:\n got %q\nwant %q", c.in, got, c.want)
			}
			if slow := showCSV(readCSV(t, newCSV(t, c.o, iotest.OneByteReader(strings.NewReader(c.in))))); slow != got {
				t.Errorf("%q read byte by byte:\n got %q\nwant %q", c.in, slow, got)
			}
		})
	}
}

// The vectors of Spring Batch's DelimitedLineTokenizer, with our meaning: blanks are data, faults are faults.
func TestCSVSpringBatchVectors(t *testing.T) {
	t.Parallel()
	bar := CSVReaderOptions{Delimiter: " | "}
	cases := []struct {
		o        CSVReaderOptions
		in, want string
	}{
		{CSVReaderOptions{}, "sfd,\"Well,I have no idea\",sFj, asdf,,as\n", "sfd|Well,I have no idea|sFj| asdf||as\n"},
		{CSVReaderOptions{}, "First string,", "First string|\n"},
		{CSVReaderOptions{}, "   ", "   \n"},
		{CSVReaderOptions{}, "", ""},
		{CSVReaderOptions{}, `""`, "\n"},
		{CSVReaderOptions{Delimiter: " b "}, "a b c", "a|c\n"},
		{bar, " | a | b", "|a|b\n"},
		{bar, "a | b | ", "a|b|\n"},
		{bar, "a | | | b", "a|||b\n"},
		{bar, "a | | b", "a|| b\n"},
		{CSVReaderOptions{Quote: '\''}, "a,b,'c'", "a|b|c\n"},
		{CSVReaderOptions{}, `a,""b,"""c"`, "! in.csv:1:5: text behind the closing quote of a field\n"},
		{CSVReaderOptions{Quote: '\''}, `a,"b,c`, "a|\"b|c\n"},
		{CSVReaderOptions{}, "a,b ,c ", "a|b |c \n"},
		{CSVReaderOptions{Lenient: true}, "a,b,\"c\" \na,\"b\" ,c\n", "a|b|c\na|b|c\n"},
		{CSVReaderOptions{}, "a,b,c,", "a|b|c|\n"},
		{CSVReaderOptions{}, "a,b,\"c\nrap\"", "a|b|c~rap\n"},
		{CSVReaderOptions{}, `"a","b","","d"`, "a|b||d\n"},
		{CSVReaderOptions{Delimiter: ";"}, "value1;\"value2\nvalue2cont\";value3;value4", "value1|value2~value2cont|value3|value4\n"},
	}
	for _, c := range cases {
		if got := showCSV(readCSV(t, newCSV(t, c.o, strings.NewReader(c.in)))); got != c.want {
			t.Errorf("%q by %q:\n got %q\nwant %q", c.in, c.o.Delimiter, got, c.want)
		}
	}
}

func TestCSVOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]CSVReaderOptions{
		"delimiter is the quote":    {Delimiter: `"`},
		"delimiter holds the quote": {Delimiter: `|"|`},
		"delimiter is a line end":   {Delimiter: "\n"},
		"delimiter is the escape":   {Delimiter: `\`, Escape: '\\'},
		"delimiter is not UTF-8":    {Delimiter: "\xff"},
		"quote is not ASCII":        {Quote: 0xab},
		"quote is a line end":       {Quote: '\r'},
		"comment holds a line end":  {Comment: "#\n"},
	} {
		if _, err := NewCSVReader(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCSVRecordAboveTheMaximumIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	cases := map[string]struct{ in, want string }{
		"at the maximum":        {"a\n" + long[:100] + "\nb\n", "a\n" + long[:100] + "\nb\n"},
		"plain line":            {"a\n" + long + "\nb\n", "a\n! in.csv:2: record is larger than 100 bytes\nb\n"},
		"far larger":            {"a\n" + strings.Repeat(long, 9000) + "\nb\n", "a\n! in.csv:2: record is larger than 100 bytes\nb\n"},
		"last line":             {"a\n" + long, "a\n! in.csv:2: record is larger than 100 bytes\n"},
		"quoted":                {"\"" + long + "\"\nb\n", "! in.csv:1: record is larger than 100 bytes\nb\n"},
		"quote never closed":    {"\"a\nb\n" + strings.Repeat("c,\n", 40), "! in.csv:1: record is larger than 100 bytes\nb\n" + strings.Repeat("c|\n", 40)},
		"fault in a large line": {"a\"" + long + "\nb\n", "! in.csv:1: record is larger than 100 bytes\nb\n"},
	}
	for name, c := range cases {
		for _, input := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			if got := showCSV(readCSV(t, newCSV(t, CSVReaderOptions{MaxRecord: 100}, input))); got != c.want {
				t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
			}
		}
	}
}

func TestCSVTooManyFieldsAreRefused(t *testing.T) {
	t.Parallel()
	in := strings.Repeat(",", MaxFields) + "\n" + strings.Repeat(",", MaxFields-1) + "\n"
	got := readCSV(t, newCSV(t, CSVReaderOptions{}, strings.NewReader(in)))
	if len(got) != 2 || got[0].err == nil || got[1].err != nil || len(got[1].fields) != MaxFields {
		t.Fatalf("got %d records, errors %v, %v", len(got), got[0].err, got[len(got)-1].err)
	}
}

func TestCSVReadErrorIsNotTheEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, in := range []string{"a,b\n", "a,b\nc,d", "a,b\nc,\"d"} {
		c := newCSV(t, CSVReaderOptions{}, io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		if err := c.Next(); err != nil {
			t.Fatal(err)
		}
		if err := c.Next(); !errors.Is(err, broken) {
			t.Errorf("%q: got %v, want the error of the input", in, err)
		}
	}
}

func TestCSVRecordsKnowTheirPlace(t *testing.T) {
	t.Parallel()
	in := "\xef\xbb\xbfa,b\r\n\n\"c\nc\",d\r\n#x\ne,f"
	got := readCSV(t, newCSV(t, CSVReaderOptions{Comment: "#"}, strings.NewReader(in)))
	want := []csvLine{
		{raw: "a,b", line: 1, end: Position{Offset: 8, Line: 2}},
		{raw: "\"c\nc\",d", line: 3, end: Position{Offset: 18, Line: 5}},
		{raw: "e,f", line: 6, end: Position{Offset: 24, Line: 7}},
	}
	for i, w := range want {
		if g := got[i]; g.raw != w.raw || g.line != w.line || g.end != w.end {
			t.Errorf("record %d: got %q line %d end %+v, want %q line %d end %+v", i, g.raw, g.line, g.end, w.raw, w.line, w.end)
		}
	}
}

func TestCSVRecordsCrossBlocks(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	want := 0
	for in.Len() < 3*blockSize {
		in.WriteString("\"" + strings.Repeat("a,\n\"\"", want%4000) + "\",b,c\n")
		want++
	}
	got := readCSV(t, newCSV(t, CSVReaderOptions{}, strings.NewReader(in.String())))
	if len(got) != want {
		t.Fatalf("got %d records, want %d", len(got), want)
	}
	for i, l := range got {
		if l.err != nil || len(l.fields) != 3 || l.fields[0] != strings.Repeat("a,\n\"", i%4000) {
			t.Fatalf("record %d: %v, %d fields", i, l.err, len(l.fields))
		}
	}
}

func TestCSVReadsWithoutAllocating(t *testing.T) {
	in := strings.Repeat("1,abc,\"x,y\",2026-01-01\n2,김철수,\"a\nb\",\n", 40000)
	c := newCSV(t, CSVReaderOptions{}, strings.NewReader(in))
	for range 100 {
		if err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(50000, func() {
		if err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a record, want 0", n)
	}
}
