package config

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Redacted returns the text of the document with every secret replaced by ***, as a document that can be read: a value without
// quotes that would then begin with *, which is the sign of an alias in YAML, gets quotes.
func (d *Document) Redacted(secrets *Secrets) string {
	r := redaction{text: string(d.Text), secrets: secrets}
	for at, rest := 0, d.rows; len(rest) > 0; rest = rest[1:] {
		r.starts = append(r.starts, at)
		at = min(at+len(rest[0]), len(r.text))
		_, width := utf8.DecodeRuneInString(r.text[at:])
		if strings.HasPrefix(r.text[at:], "\r\n") {
			width = 2
		}
		at += width
	}
	if d.Root.yaml != nil {
		r.quote(d.Root.yaml)
	}
	return secrets.Redact(r.out.String() + r.text[r.done:])
}

// redaction goes through a document in the order of its text.
type redaction struct {
	text    string
	starts  []int // of its lines
	secrets *Secrets
	out     strings.Builder
	done    int // how much of the text is in out
}

func (r *redaction) quote(y *yaml.Node) {
	for _, child := range y.Content {
		r.quote(child)
	}
	if y.Kind != yaml.ScalarNode || y.Line < 1 || y.Line > len(r.starts) {
		return
	}
	hidden := r.secrets.Redact(y.Value)
	at := r.starts[y.Line-1]
	for range y.Column - 1 { // columns count characters
		_, width := utf8.DecodeRuneInString(r.text[at:])
		at += width
	}
	// A value in quotes, or over several lines, does not stand there as it is.
	if strings.HasPrefix(hidden, "*") && at >= r.done && strings.HasPrefix(r.text[at:], y.Value) {
		r.out.WriteString(r.text[r.done:at] + "'" + strings.ReplaceAll(hidden, "'", "''") + "'")
		r.done = at + len(y.Value)
	}
}
