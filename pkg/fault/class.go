package fault

import "errors"

// Class says what kind of trouble an error is. Skip, retry and exit codes are decided by it, never by an error's text.
type Class string

const (
	Parse       Class = "parse"       // malformed line, wrong field count, bad JSON, bad encoding
	Validation  Class = "validation"  // a rule failed, a value has the wrong type, decimal overflow
	Constraint  Class = "constraint"  // SQLSTATE classes 22 and 23, SQLITE_CONSTRAINT, from the rows' own statements
	Transient   Class = "transient"   // connection lost, deadlock, serialization failure, lock timeout
	Definition  Class = "definition"  // wrong YAML, unknown column or table
	Environment Class = "environment" // no such file, no permission, cannot connect, disk full
	Internal    Class = "internal"    // everything else
)

// Data reports whether the class is one of the three that a definition's word "data" stands for: the record is bad,
// not the world around it.
func (c Class) Data() bool { return c == Parse || c == Validation || c == Constraint }

// ClassOf returns the class of the outermost classified error in err's chain, and Internal where there is none.
func ClassOf(err error) Class {
	var e *Error
	for errors.As(err, &e) {
		if e.Class != "" {
			return e.Class
		}
		err = e.Err
	}
	return Internal
}

// CodeOf returns the outermost code (an SQLSTATE, a name such as unknown_key) in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Code != "" {
			return e.Code
		}
		err = e.Err
	}
	return ""
}
