package fault

import (
	"errors"
	"fmt"
	"sort"
)

// List is the errors found in one text, reported together.
type List []*Error

// Add appends err: a List is taken apart, an Error taken as it is, anything else wrapped. Nil is ignored.
func (l *List) Add(err error) {
	if err == nil {
		return
	}
	var many List
	if errors.As(err, &many) {
		*l = append(*l, many...)
		return
	}
	var one *Error
	if errors.As(err, &one) && error(one) == err {
		*l = append(*l, one)
		return
	}
	*l = append(*l, &Error{Class: ClassOf(err), Err: err})
}

// Err returns the list as an error in the order of the source, or nil where it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	return l
}

// Error returns the first error and the number of the others.
func (l List) Error() string {
	switch len(l) {
	case 0:
		return "no errors"
	case 1:
		return l[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", l[0].Error(), len(l)-1)
}

// Unwrap returns the errors, for errors.Is and errors.As.
func (l List) Unwrap() []error {
	all := make([]error, len(l))
	for i, e := range l {
		all[i] = e
	}
	return all
}
