package format

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"batchctl/pkg/record"
)

var jsonSeeds = []string{
	`{"a":1,"b":"x\n\u00e9\ud83d\ude00","c":[1,{"d":null}],"e":-1.5e3,"f":true}`, `[{"a":1},{"a":2,"b":"]"},{}]`, `[{"a":1},{"a":]},{"b":2}]`, "{\"a\":1}\n{\"a\":2}\n{\"b\":",
	`[1,"x",null,{"a":1}]`, `{"data":{"items":[{"a":1}],"x":{}},"y":[[]]}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "[{\"a\":\"\xff\"}]", `[{"a":01},{"a":"b]`, `[]`, ` [ ] x`, `{"":{"":[{"":0}]}}`,
}

// excused reports whether a refusal is one of those that encoding/json does not know.
func excused(message string) bool {
	for _, why := range []string{"stands twice", "surrogate", "not UTF-8", "nested too deeply", "more than"} {
		if strings.Contains(message, why) {
			return true
		}
	}
	return false
}

// What we accept, encoding/json accepts with the same values; what it accepts we accept, but for keys that stand twice,
// halves of surrogate pairs, invalid UTF-8 and depth.
func FuzzJSONLineAgainstEncodingJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.Contains(in, "\n") || strings.TrimSpace(in) == "" || strings.HasPrefix(in, "\ufeff") {
			return
		}
		j := startJSON(t, JSONReaderOptions{Lines: true}, strings.NewReader(in))
		err := j.Next()
		object := json.Valid([]byte(in)) && strings.TrimLeft(in, " \t\r")[0] == '{'
		if err != nil {
			if object && !excused(err.Error()) {
				t.Fatalf("%q: %v, but encoding/json takes it", in, err)
			}
			return
		}
		if !object || !utf8.ValidString(in) {
			t.Fatalf("%q: accepted", in)
		}
		sameValues(t, in, j.Record())
	})
}

func sameValues(t *testing.T, in string, r *JSONRecord) {
	decoder := json.NewDecoder(strings.NewReader(in))
	decoder.UseNumber()
	var want map[string]any
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	if len(want) != len(r.Fields) {
		t.Fatalf("%q: %d fields, want %d", in, len(r.Fields), len(want))
	}
	var arena record.Arena
	for _, f := range r.Fields {
		v := f.Value(string(r.Raw), &arena)
		if got := comparable(t, v); !reflect.DeepEqual(got, want[string(f.Key)]) {
			t.Fatalf("%q: %s is %#v, want %#v", in, f.Key, got, want[string(f.Key)])
		}
	}
}

// comparable returns a value as encoding/json would have decoded it.
func comparable(t *testing.T, v record.Value) any {
	switch v.Kind() {
	case record.Null:
		return nil
	case record.Bool:
		return v.Bool()
	case record.Int, record.Decimal:
		return json.Number(v.Text())
	case record.Text:
		return v.Text()
	}
	decoder := json.NewDecoder(strings.NewReader(v.Text()))
	decoder.UseNumber()
	var any any
	if err := decoder.Decode(&any); err != nil {
		t.Fatalf("%q: %v", v.Text(), err)
	}
	return any
}

// Whatever the input: how it arrives makes no difference, a reader that begins behind any record reads the same rest,
// and an array that is read without error is one to encoding/json too, with as many elements.
func FuzzJSONResume(f *testing.F) {
	for i, s := range jsonSeeds {
		f.Add(s, byte(i))
		f.Add(s, byte(i+1))
	}
	f.Fuzz(func(t *testing.T, in string, variant byte) {
		if len(in) > 4<<10 {
			return
		}
		o := JSONReaderOptions{Lines: variant&1 != 0, MaxRecord: 1 << 20}
		if variant&2 != 0 {
			o.Root = []string{"data", "items"}
		}
		if variant&4 != 0 {
			o.MaxRecord = 12
		}
		full, fullErr := readJSON(t, startJSON(t, o, strings.NewReader(in)))
		if slow := showJSON(readJSON(t, startJSON(t, o, iotest.OneByteReader(strings.NewReader(in))))); slow != showJSON(full, fullErr) {
			t.Fatalf("%q:\n at once %q\n by bytes %q", in, showJSON(full, fullErr), slow)
		}
		for i, item := range full {
			at := item.end
			before := min(at.Offset, tailSize)
			j := NewJSONReader(JSONReaderOptions{Name: "in.json", Lines: o.Lines, Root: o.Root, MaxRecord: o.MaxRecord})
			if err := j.Reset(strings.NewReader(in[at.Offset-before:]), at, int(before)); err != nil {
				t.Fatal(err)
			}
			if got, want := showJSON(readJSON(t, j)), showJSON(full[i+1:], fullErr); got != want {
				t.Fatalf("%q resumed at %+v:\n got %q\nwant %q", in, at, got, want)
			}
		}
		if !o.Lines && len(o.Root) == 0 && fullErr == nil {
			isArrayOf(t, in, full)
		}
	})
}

func isArrayOf(t *testing.T, in string, items []jsonItem) {
	for _, item := range items {
		if item.bad {
			return
		}
	}
	var elements []map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix([]byte(in), []byte("\ufeff")), &elements); err != nil || len(elements) != len(items) {
		t.Fatalf("%q: read %d elements, encoding/json %d, %v", in, len(items), len(elements), err)
	}
}
