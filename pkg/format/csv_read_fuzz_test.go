package format

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

var csvSeeds = []string{
	"a,b,c\n1,2,3\n", "\"a\nb\",c\r\n\"d\"\"e\",\n", "a,\"b\"c\nd,e\n", "a\"b,c\n,\n\"\"\n", "\"never\nclosed,\n1,2\n",
	"\xef\xbb\xbfa,b\n\n\r\n,,\n", "김,\"철\n수\"\n", "a,b\rc\n\"d\re\"\n\"f\"\r", "#c\na,#b\n", "\"a\" ,b\n \"c\",\"d\"\"", "a\x00b\n\xff,\n1\n",
	"abcdefgh,ijklmnop\nqrstuvwx,\"yz012345\"\n\"\",\"\"\n",
}

// Where encoding/csv and RFC 4180 define the same thing, so do we. It differs, and these inputs are left out, in: CRLF
// inside quotes (folded to LF there), carriage returns alone (data there), NUL and invalid UTF-8 (accepted there), byte
// order marks (data there).
func FuzzCSVAgainstEncodingCSV(f *testing.F) {
	for _, s := range csvSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.ContainsAny(in, "\r\x00") || !utf8.ValidString(in) || strings.HasPrefix(in, "\ufeff") {
			return
		}
		theirs := csv.NewReader(strings.NewReader(in))
		theirs.FieldsPerRecord = -1
		ours := newCSV(t, CSVReaderOptions{}, strings.NewReader(in))
		for {
			want, wantErr := theirs.Read()
			err := ours.Next()
			if wantErr != nil || err != nil {
				if (wantErr == io.EOF) != (err == io.EOF) || (wantErr == nil) != (err == nil) {
					t.Fatalf("%q: got error %v, encoding/csv %v", in, err, wantErr)
				}
				return
			}
			r := ours.Record()
			var got []string
			for _, f := range r.Fields {
				got = append(got, string(ours.AppendField(nil, r.Raw, f)))
			}
			if strings.Join(got, "\x00") != strings.Join(want, "\x00") || len(got) != len(want) {
				t.Fatalf("%q: got %q, encoding/csv %q", in, got, want)
			}
			if line, _ := theirs.FieldPos(0); int64(line) != r.Line {
				t.Fatalf("%q: got line %d, encoding/csv %d", in, r.Line, line)
			}
		}
	})
}

// csvVariant returns options that a fuzzer can choose from.
func csvVariant(n byte) CSVReaderOptions {
	o := CSVReaderOptions{Lenient: n&1 != 0, MaxRecord: 1 << 20}
	if n&2 != 0 {
		o.Delimiter = "||"
	}
	if n&4 != 0 {
		o.Escape = '\\'
	}
	if n&8 != 0 {
		o.Comment = "#"
	}
	if n&16 != 0 {
		o.MaxRecord = 10
	}
	if n&32 != 0 {
		o.NoQuote = true
	}
	return o
}

// Whatever the input: the raw text is the input's, how the input arrives makes no difference, and a reader that begins
// at the end of any record, good or bad, reads the same rest.
func FuzzCSVResume(f *testing.F) {
	for i, s := range csvSeeds {
		f.Add(s, byte(i))
		f.Add(s, byte(i*7))
	}
	f.Fuzz(func(t *testing.T, in string, variant byte) {
		if len(in) > 4<<10 {
			return
		}
		o := csvVariant(variant)
		full := readCSV(t, newCSV(t, o, strings.NewReader(in)))
		if slow := readCSV(t, newCSV(t, o, iotest.OneByteReader(strings.NewReader(in)))); showCSV(slow) != showCSV(full) {
			t.Fatalf("%q:\n at once %q\n by bytes %q", in, showCSV(full), showCSV(slow))
		}
		last := int64(0)
		for i, l := range full {
			if l.end.Offset <= last || l.end.Offset > int64(len(in)) || !strings.Contains(in[last:l.end.Offset], l.raw) {
				t.Fatalf("%q: record %d ends at %d behind %d, raw %q", in, i, l.end.Offset, last, l.raw)
			}
			last = l.end.Offset
			rest := readCSV(t, resumeCSV(t, o, in, l.end))
			if got, want := showCSV(rest), showCSV(full[i+1:]); got != want {
				t.Fatalf("%q resumed at %+v:\n got %q\nwant %q", in, l.end, got, want)
			}
		}
	})
}

func resumeCSV(t *testing.T, o CSVReaderOptions, in string, at Position) *CSVReader {
	t.Helper()
	c := newCSV(t, o, bytes.NewReader(nil))
	before := min(at.Offset, tailSize)
	if err := c.Reset(strings.NewReader(in[at.Offset-before:]), at, int(before)); err != nil {
		t.Fatal(err)
	}
	if got := string(c.Tail()); got != in[at.Offset-before:at.Offset] {
		t.Fatalf("tail %q, want %q", got, in[at.Offset-before:at.Offset])
	}
	return c
}

func TestCSVTailIsWhatStandsBeforeTheRecord(t *testing.T) {
	t.Parallel()
	in := string(payments(20000))
	c := newCSV(t, CSVReaderOptions{}, iotest.HalfReader(strings.NewReader(in)))
	for i := 0; ; i++ {
		if err := c.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		at := int(c.Position().Offset)
		if i%97 == 0 && string(c.Tail()) != in[max(0, at-tailSize):at] {
			t.Fatalf("tail at %d differs", at)
		}
	}
}
