package expr

import (
	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// evaluator computes a value of a row. Rows and arena are passed in registers, so that an evaluation allocates nothing.
type evaluator func(row []record.Value, arena *record.Arena) (record.Value, error)

// tester computes a condition, null being false.
type tester func(row []record.Value, arena *record.Arena) (bool, error)

// code is a part of an expression, bound: what it computes, and what is known about it before any record is seen.
type code struct {
	kind     record.Kind // of the results that are not null; Absent where not known; Null where they are all null
	eval     evaluator
	test     tester   // set where kind is Bool
	number   numberer // set where the code computes with decimals only
	constant bool
	outside  bool         // a name outside of the record: the same for all records of a chunk
	value    record.Value // where constant
	column   int          // position of a field in the row; -1 where the code is something else
	offset   int          // place in the source, in characters
	label    string       // how messages call it: the field's name or the literal; empty where it is neither
}

func constantCode(v record.Value, offset int, label string) code {
	c := code{kind: v.Kind(), constant: true, value: v, column: -1, offset: offset, label: label}
	if c.kind == record.Absent {
		c.kind = record.Null
	}
	c.eval = func([]record.Value, *record.Arena) (record.Value, error) { return v, nil }
	if c.kind == record.Bool {
		truth := v.Bool()
		c.test = func([]record.Value, *record.Arena) (bool, error) { return truth, nil }
	}
	return c
}

func computed(kind record.Kind, offset int, eval evaluator) code {
	return code{kind: kind, eval: eval, column: -1, offset: offset}
}

func condition(offset int, test tester) code {
	c := code{kind: record.Bool, test: test, column: -1, offset: offset}
	c.eval = func(row []record.Value, arena *record.Arena) (record.Value, error) {
		truth, err := test(row, arena)
		return record.OfBool(truth), err
	}
	return c
}

// fold computes a code whose parts are all constant once and for all.
func fold(c code, parts ...code) (code, error) {
	for _, p := range parts {
		if !p.constant {
			return c, nil
		}
	}
	v, err := c.eval(nil, nil)
	if err != nil {
		return c, at(c.offset, err)
	}
	folded := constantCode(v, c.offset, c.label)
	if v.IsNull() {
		folded.kind = c.kind
	}
	return folded, nil
}

// null reports whether c is the literal nil.
func (c code) null() bool { return c.constant && c.value.IsNull() }

// asTest returns c as a condition; where its kind is known and not bool, an error.
func (c code) asTest(role string) (tester, error) {
	switch {
	case c.test != nil:
		return c.test, nil
	case c.null():
		return func([]record.Value, *record.Arena) (bool, error) { return false, nil }, nil
	case c.kind == record.Text && role == "or":
		return nil, errorAt(c.offset, "type_mismatch", "or: %s is a text, not true or false", c.name("this")).hint("to join texts write concat(a, b)")
	case c.kind != record.Bool && c.kind != record.Absent:
		return nil, errorAt(c.offset, "type_mismatch", "%s: %s is %s, not true or false", role, c.name("this"), aKind(c.kind)).
			hint("compare it with something; a comparison under not or ! goes into brackets: not (a == b)")
	}
	label := c.name("the value")
	return func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := c.eval(row, arena)
		if err != nil {
			return false, err
		}
		return truth(v, label)
	}, nil
}

// name returns how messages call c.
func (c code) name(otherwise string) string {
	if c.label != "" {
		return c.label
	}
	return otherwise
}

// typingHint says how a text column becomes something to compute with.
func (c code) typingHint(kind string) string {
	if c.column < 0 || c.kind != record.Text {
		return ""
	}
	return "give the column a type, on the reader with columns: {" + c.label + ": " + kind + "} or with convert, or write " + kind + "(" + c.label + ")"
}

// text puts bytes that may lie on the stack into the arena.
func text(arena *record.Arena, b []byte) record.Value {
	if arena == nil {
		return record.OfText(string(b))
	}
	return record.OfText(arena.Copy(b))
}

// room returns n bytes for a text to be made.
func room(arena *record.Arena, n int) ([]byte, error) {
	if n > MaxText {
		return nil, fault.New(fault.Validation, "a text of %d bytes is more than an expression may make (%d)", n, MaxText).WithCode("expression_limit")
	}
	if arena == nil {
		return make([]byte, n), nil
	}
	return arena.Alloc(n), nil
}
