package format

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// nastyCSV has everything that makes borders hard to find.
const nastyCSV = "\xef\xbb\xbfa,b,c\r\n1,\"x\ny\",2\r\n\r\n#c \"om\nment\n3,\"say \"\"hi\"\"\n\r\n\",4\n\n,,\n\"가,\n나\",\"\"\"\",\"\n\n\n\"\n" +
	"bad\"quote,1,2\n5,\"text\" behind,6\n\"longer than all the others\nthat stand here\nlonger than all the others\nthat stand here\",1,2\n" +
	"\"larger than the maximum\n\"\n1,2\n\"\n\",3\nx\"1,2\n\",a\n\",5\n6,\"7\n\"\n" +
	"\"a\"x,\"b\n\",9\n6,\"7\n\"\n1,2\n" + "\x00,\xff,\n\n#\n\"a\\\"b\nc\",|| \"d\",\n7,\"never\nclosed,8\n9,last,line"

// dividers are readers that are used again, because they are large.
type dividers struct {
	o                     CSVReaderOptions
	splitter, first, rest *CSVReader
}

func newDividers(t *testing.T, o CSVReaderOptions) *dividers {
	none := strings.NewReader("")
	return &dividers{o, newCSV(t, o, none), newCSV(t, o, none), newCSV(t, o, none)}
}

func reset(t *testing.T, c *CSVReader, input io.Reader, from Position, before int64) *CSVReader {
	t.Helper()
	if err := c.Reset(input, from, int(before)); err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads an input in two parts, which meet at the first border at or behind an offset.
func (d *dividers) read(t *testing.T, in string, offset int64) ([]csvLine, Position) {
	t.Helper()
	splitter := reset(t, d.splitter, iotest.HalfReader(strings.NewReader(in)), Start(), 0)
	d.first.Until(0)
	if err := splitter.Advance(offset); err != nil {
		t.Fatal(err)
	}
	at := splitter.Position()
	if at.Offset < min(offset, int64(len(in))) || at.Line > 1 && at.Offset < int64(len(in)) && in[at.Offset-1] != '\n' {
		t.Fatalf("%q: asked for %d, got %+v", in, offset, at)
	}
	before := min(at.Offset, tailSize)
	if got := string(splitter.Tail()); got != in[at.Offset-before:at.Offset] {
		t.Fatalf("%q: tail at %+v is %q", in, at, got)
	}
	if at.Line == 1 {
		return readCSV(t, reset(t, d.first, strings.NewReader(in), Start(), 0)), at
	}
	first := reset(t, d.first, strings.NewReader(in), Start(), 0)
	first.Until(at.Offset)
	lines := readCSV(t, first)
	if end := first.Position(); end != at {
		t.Fatalf("%q divided at %d: the first part ends at %+v, the border is %+v", in, offset, end, at)
	}
	return append(lines, readCSV(t, reset(t, d.rest, strings.NewReader(in[at.Offset-before:]), at, before))...), at
}

func whereCSV(lines []csvLine) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%d %q %q %v\n", l.line, l.fields, l.raw, l.err)
	}
	return b.String()
}

func TestCSVDividedAtEveryByteIsTheWhole(t *testing.T) {
	t.Parallel()
	for variant := range 64 {
		o := csvVariant(byte(variant))
		want := whereCSV(readCSV(t, newCSV(t, o, strings.NewReader(nastyCSV))))
		d := newDividers(t, o)
		for offset := range int64(len(nastyCSV)) + 2 {
			lines, at := d.read(t, nastyCSV, offset)
			if got := whereCSV(lines); got != want {
				t.Fatalf("%+v divided at %d (border %+v):\n got %s\nwant %s", o, offset, at, got, want)
			}
		}
	}
}

// A border lies no further than the record that the offset lies in, so that shares are about as large as they should be.
func TestAdvanceStopsAtTheFirstBorder(t *testing.T) {
	t.Parallel()
	in := string(payments(3000))
	ends := []int64{}
	for _, l := range readCSV(t, newCSV(t, CSVReaderOptions{}, strings.NewReader(in))) {
		ends = append(ends, l.end.Offset)
	}
	next, c := 0, newCSV(t, CSVReaderOptions{}, strings.NewReader(in))
	for offset := int64(1); offset < int64(len(in)); offset += 997 {
		for ends[next] < offset {
			next++
		}
		reset(t, c, strings.NewReader(in), Start(), 0)
		if err := c.Advance(offset); err != nil {
			t.Fatal(err)
		}
		if got := c.Position(); got.Offset != ends[next] || got.Line != int64(strings.Count(in[:got.Offset], "\n"))+1 {
			t.Fatalf("asked for %d: got %+v, want %d", offset, got, ends[next])
		}
	}
}

func FuzzCSVDividedIsTheWhole(f *testing.F) {
	for i, s := range append(csvSeeds, nastyCSV) {
		f.Add(s, byte(i), uint16(i*3))
		f.Add(s, byte(i*7), uint16(i*11))
	}
	f.Fuzz(func(t *testing.T, in string, variant byte, offset uint16) {
		if len(in) > 4<<10 {
			return
		}
		o := csvVariant(variant)
		lines, at := newDividers(t, o).read(t, in, int64(offset))
		if got, want := whereCSV(lines), whereCSV(readCSV(t, newCSV(t, o, strings.NewReader(in)))); got != want {
			t.Fatalf("%q divided at %d (border %+v):\n got %s\nwant %s", in, offset, at, got, want)
		}
	})
}

func FuzzJSONLinesDividedAreTheWhole(f *testing.F) {
	f.Add("\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"a\":\"x\\ny\"}\n{\"b\n{\"c\":[1,\n2]}\n{\"d\":1}", uint16(9), false)
	f.Add("{\"a\":1}\n{\"a\":2222222222222222222}\n{\"b\":0}\n", uint16(17), true)
	f.Fuzz(func(t *testing.T, in string, offset uint16, short bool) {
		if len(in) > 4<<10 {
			return
		}
		o := JSONReaderOptions{Name: "in.jsonl", Lines: true}
		if short {
			o.MaxRecord = 10
		}
		read := func(from Position, until int64) string {
			j := NewJSONReader(o)
			j.Until(until)
			if err := j.Reset(strings.NewReader(in), from, int(from.Offset)); err != nil {
				t.Fatal(err)
			}
			items, err := readJSON(t, j)
			return showJSON(items, err)
		}
		j := NewJSONReader(o)
		if err := j.Reset(iotest.HalfReader(strings.NewReader(in)), Start(), 0); err != nil {
			t.Fatal(err)
		}
		if err := j.Advance(int64(offset)); err != nil {
			t.Fatal(err)
		}
		at, want := j.Position(), read(Start(), 0)
		if at.Line == 1 || at.Offset == int64(len(in)) {
			return
		}
		if got := read(Start(), at.Offset) + read(at, 0); got != want {
			t.Fatalf("%q divided at %d (border %+v):\n got %s\nwant %s", in, offset, at, got, want)
		}
	})
}

func BenchmarkCSVAdvance(b *testing.B) {
	plain := bytes.ReplaceAll(payments(100000), []byte("\""), nil)
	for _, c := range []struct {
		name string
		data []byte
	}{{"no quotes", plain}, {"a third of the records quoted", payments(100000)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			s, err := NewCSVReader(CSVReaderOptions{})
			if err != nil {
				b.Fatal(err)
			}
			input := bytes.NewReader(nil)
			for b.Loop() {
				input.Reset(c.data)
				if err := s.Reset(input, Start(), 0); err != nil {
					b.Fatal(err)
				}
				if err := s.Advance(int64(len(c.data))); err != nil && err != io.EOF {
					b.Fatal(err)
				}
				if got := s.Position().Offset; got != int64(len(c.data)) {
					b.Fatalf("stopped at %d of %d", got, len(c.data))
				}
			}
		})
	}
}
