package format

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// payments returns rows of about 100 bytes, a third of them with a quoted field, one in twelve with a newline in it.
func payments(rows int) []byte {
	var b bytes.Buffer
	for i := range rows {
		memo := "plain memo text here"
		switch {
		case i%12 == 0:
			memo = "\"memo with a newline,\nand a comma\""
		case i%3 == 0:
			memo = "\"memo, with \"\"quotes\"\"\""
		}
		fmt.Fprintf(&b, "%d,%d,%d.%02d,KRW,PAID,2026-11-%02dT10:15:30Z,customer-%05d,%s,true,A%07d\n",
			i, i%1000, i%100000, i%100, i%28+1, i%50000, memo, i*7919)
	}
	return b.Bytes()
}

func BenchmarkCSVTokenizer(b *testing.B) {
	data := payments(100000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	c, err := NewCSVReader(CSVReaderOptions{})
	if err != nil {
		b.Fatal(err)
	}
	input := bytes.NewReader(nil)
	for b.Loop() {
		input.Reset(data)
		if err := c.Reset(input, Start(), 0); err != nil {
			b.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			if err := c.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if n != 100000 {
			b.Fatalf("%d records", n)
		}
	}
}
