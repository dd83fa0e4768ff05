package readers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// sqlState is where a reader stands: behind a key, or behind so many rows whose hash is known.
type sqlState struct {
	Rows   int64        `json:"rows"`
	Hash   string       `json:"hash,omitempty"`
	Keyset []string     `json:"keyset,omitempty"`
	After  []sqlKeyText `json:"after,omitempty"`
}

// sqlKeyText is a value of a key, exactly: its kind decides how it is bound. Bytes holds what is not UTF-8.
type sqlKeyText struct {
	Kind  string `json:"kind"`
	Text  string `json:"text,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

// restore reads a state and puts the reader there.
func (r *sqlReader) restore(from batch.State) (sqlState, error) {
	var s sqlState
	r.key.reset()
	r.passed.reset()
	if len(from) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(from, &s); err != nil {
		return s, fault.Wrap(fault.Internal, err, "state of the sql reader")
	}
	if s.Rows > 0 && !slices.Equal(s.Keyset, r.conf.Keyset) {
		return s, fault.Wrap(fault.Definition, batch.ErrNotRestartable, "the rows were read by %s so far, and keyset is %s now", orderWords(s.Keyset), orderWords(r.conf.Keyset)).
			WithHint("put keyset back as it was, or start the job anew")
	}
	for _, text := range s.After {
		v, err := text.value()
		if err != nil {
			return s, fault.Wrap(fault.Internal, err, "state of the sql reader")
		}
		r.key.last = append(r.key.last, sqlKeyValue{value: v})
	}
	r.key.started = len(s.After) > 0
	return s, nil
}

func orderWords(keyset []string) string {
	if len(keyset) == 0 {
		return "position"
	}
	return "(" + strings.Join(keyset, ", ") + ")"
}

func keyText(v record.Value) sqlKeyText {
	text := v.Text()
	if text == "" && v.Kind() < record.Text {
		text = string(v.AppendCanonical(nil))
	}
	if v.Kind() == record.Bytes || !utf8.ValidString(text) {
		return sqlKeyText{Kind: v.Kind().String(), Bytes: []byte(text)}
	}
	return sqlKeyText{Kind: v.Kind().String(), Text: text}
}

func (t sqlKeyText) value() (record.Value, error) {
	text := t.Text
	if len(t.Bytes) > 0 {
		text = string(t.Bytes)
	}
	for kind := record.Bool; kind <= record.JSON; kind++ {
		if kind.String() == t.Kind {
			var f record.Format
			return f.Parse(kind, text)
		}
	}
	return record.Value{}, fmt.Errorf("unknown kind %q", t.Kind)
}
