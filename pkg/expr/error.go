package expr

import (
	"errors"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// located is an error with its place in the source.
type located struct {
	offset int // in characters; in bytes once it has left the package
	fault  *fault.Error
}

func (l *located) Error() string { return l.fault.Error() }
func (l *located) Unwrap() error { return l.fault }

// Offset returns where in its source an error of Compile or Bind lies, in bytes from 0; ok is false where err is of
// another origin.
func Offset(err error) (offset int, ok bool) {
	var l *located
	if errors.As(err, &l) {
		return l.offset, true
	}
	return 0, false
}

// inBytes gives an error that leaves the package its place in bytes.
func inBytes(err error, source string) error {
	var l *located
	if !errors.As(err, &l) {
		return err
	}
	bytes := len(source)
	for i := range source {
		if l.offset == 0 {
			bytes = i
			break
		}
		l.offset--
	}
	return &located{offset: bytes, fault: l.fault}
}

// errorAt returns an error of class definition at a place of the source.
func errorAt(offset int, code, format string, args ...any) *located {
	return &located{offset: offset, fault: fault.New(fault.Definition, format, args...).WithCode(code)}
}

func (l *located) hint(format string, args ...any) *located {
	l.fault = l.fault.WithHint(format, args...)
	return l
}

// at gives an error that a constant part of the source caused a place in it.
func at(offset int, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := Offset(err); ok {
		return err
	}
	e := errorAt(offset, fault.CodeOf(err), "%s", err.Error())
	e.fault.Hint = fault.HintOf(err)
	return e
}

func mismatch(format string, args ...any) *fault.Error {
	return fault.New(fault.Validation, format, args...).WithCode("type_mismatch")
}

// withKind describes a value in a message: `the text "abc"`, `the int 5`, `null`.
func withKind(v record.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.Kind() == record.JSON || v.Kind() == record.Bytes:
		return "a " + v.Kind().String() + " value"
	case v.Kind() == record.Text:
		return `the text "` + clip(v.Text()) + `"`
	}
	return "the " + v.Kind().String() + " " + clip(v.String())
}

func clip(s string) string {
	const limit = 40
	runes := []rune(s[:min(len(s), 4*limit)])
	if len(runes) <= limit && len(s) <= 4*limit {
		return s
	}
	return string(runes[:min(limit, len(runes))]) + "..."
}

// aKind returns "a text", "an int".
func aKind(k record.Kind) string {
	switch k {
	case record.Int:
		return "an int"
	case record.Null:
		return "null"
	}
	return "a " + k.String()
}
