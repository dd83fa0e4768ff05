package fault

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// MaxRendered is how many errors of a list Render shows; the rest is counted.
const MaxRendered = 20

// Render returns the text a person reads: position and message, the source line with a caret, the hint. It ends with a
// newline. Control characters that a file or a database brought along are escaped, so that they cannot steer a terminal.
func Render(err error) string {
	var b strings.Builder
	var many List
	if errors.As(err, &many) && len(many) > 1 {
		for i, e := range many {
			if i == MaxRendered {
				fmt.Fprintf(&b, "and %d more\n", len(many)-i)
				break
			}
			renderOne(&b, e)
		}
		return b.String()
	}
	renderOne(&b, err)
	return b.String()
}

// renderOne writes an error; what was joined to it stands on lines of its own, and a hint that all of them have once.
func renderOne(b *strings.Builder, err error) {
	var hints []string
	for i, part := range Parts(err) {
		b.WriteString(Printable(part.Error()))
		b.WriteByte('\n')
		var e *Error
		if i == 0 && errors.As(part, &e) && e.Snippet != "" {
			renderSnippet(b, e)
		}
		if hint := HintOf(part); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	for _, hint := range hints {
		fmt.Fprintf(b, "  hint: %s\n", Printable(hint))
	}
}

// Parts returns the errors that were joined into err, or err alone. Others that wrap several have a text of their own.
func Parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if _, several := err.(Several); !ok || !several && reflect.TypeOf(err) != joinType {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Parts(e)...)
	}
	return all
}

var joinType = reflect.TypeOf(errors.Join(errors.ErrUnsupported))

// maxSnippet bounds the part of a source line that is shown, in characters.
const maxSnippet = 160

func renderSnippet(b *strings.Builder, e *Error) {
	line := []rune(strings.ReplaceAll(e.Snippet, "\t", " "))
	column := e.Pos.Column
	if len(line) > maxSnippet {
		from := max(0, column-maxSnippet/2)
		line = line[from:min(len(line), from+maxSnippet)]
		column -= from
	}
	text := Printable(string(line))
	fmt.Fprintf(b, "%5d | %s\n", e.Pos.Line, text)
	if column > 0 && column <= len(line)+1 {
		fmt.Fprintf(b, "      | %s^\n", strings.Repeat(" ", displayWidth(line[:column-1])))
	}
}

// displayWidth counts terminal cells: East Asian wide characters take two (Unicode UAX #11, in coarse ranges).
func displayWidth(line []rune) int {
	width := 0
	for _, r := range line {
		width++
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300) {
			width++
		}
	}
	return width
}

// Printable returns s with control characters escaped as Go would, and long text cut.
func Printable(s string) string {
	const limit = 4000
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	clean := true
	for _, r := range s {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
