package format

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// paymentObjects returns objects of about 210 bytes, each behind and before what the caller gives.
func paymentObjects(rows int, between string) []byte {
	var b bytes.Buffer
	for i := range rows {
		if i > 0 {
			b.WriteString(between)
		}
		fmt.Fprintf(&b, `{"id":%d,"seller_id":%d,"amount":%d.%02d,"currency":"KRW","status":"PAID","paid_at":"2026-11-%02dT10:15:30Z","customer":"김철수-%05d","memo":"memo, with \"quotes\"","flag":true,"code":"A%07d","none":null}`,
			i, i%1000, i%100000, i%100, i%28+1, i%50000, i*7919)
	}
	return b.Bytes()
}

func BenchmarkJSONScanner(b *testing.B) {
	const rows = 50000
	for name, c := range map[string]struct {
		o    JSONReaderOptions
		data []byte
	}{
		"lines": {JSONReaderOptions{Lines: true}, paymentObjects(rows, "\n")},
		"array": {JSONReaderOptions{}, []byte("[" + string(paymentObjects(rows, ",\n")) + "]")},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			j := NewJSONReader(c.o)
			input := bytes.NewReader(nil)
			for b.Loop() {
				input.Reset(c.data)
				if err := j.Reset(input, Start(), 0); err != nil {
					b.Fatal(err)
				}
				n := 0
				for ; ; n++ {
					if err := j.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				if n != rows {
					b.Fatalf("%d records", n)
				}
			}
		})
	}
}
