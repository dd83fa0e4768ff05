// Package fault holds errors made for people: what is wrong, where it stands, and what to write instead. It imports
// nothing of this module, so every other package can use it.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Position is a place in a text. Line and Column count from 1, columns in characters; 0 means not known.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:col, leaving out what is not known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is an error with everything a person or a program needs to act on it. Message is one line in lower case without
// a period. Snippet is the source line that Pos points into.
type Error struct {
	Class   Class
	Code    string
	Pos     Position
	Message string
	Snippet string
	Hint    string
	Err     error
}

// New returns an error of a class.
func New(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of a class around err; the message says what was being done, to what.
func Wrap(class Class, err error, format string, args ...any) *Error {
	return &Error{Class: class, Message: fmt.Sprintf(format, args...), Err: err}
}

// At sets the position and returns e.
func (e *Error) At(pos Position) *Error {
	e.Pos = pos
	return e
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithCode sets the code and returns e.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// Error returns "position: message: cause" on one line; Render adds snippet, caret and hint.
func (e *Error) Error() string {
	var b strings.Builder
	if p := e.Pos.String(); p != "" {
		b.WriteString(p)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		if e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Text returns an error's text without the position it begins with: for where the position stands on its own.
func Text(err error) string {
	var e *Error
	if !errors.As(err, &e) || e.Pos.File == "" {
		return err.Error()
	}
	bare := *e
	bare.Pos = Position{}
	return bare.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HintOf returns the outermost hint in err's chain, or "".
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// PositionOf returns the outermost known position in err's chain.
func PositionOf(err error) Position {
	var e *Error
	for errors.As(err, &e) {
		if e.Pos.File != "" {
			return e.Pos
		}
		err = e.Err
	}
	return Position{}
}
