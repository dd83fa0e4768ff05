package expr

import (
	"regexp"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// bindJoin binds + between texts.
func bindJoin(left, right code, offset int) (code, error) {
	if err := numberMeant(left, right); err != nil {
		return code{}, err
	}
	for _, side := range [...]code{left, right} {
		if side.kind != record.Text && side.kind != record.Absent && side.kind != record.Null {
			return code{}, errorAt(side.offset, "type_mismatch", "+: %s is %s, the other side a text", side.name("this"), aKind(side.kind)).
				hint("write text(%s) to join it", side.name("x"))
		}
	}
	return fold(binary(record.Text, offset, left, right, func(arena *record.Arena, a, b record.Value) (record.Value, error) {
		if a.Kind() != record.Text || b.Kind() != record.Text {
			return record.Value{}, mismatch("cannot add %s and %s", withKind(a), withKind(b)).WithHint("write text(x) to join, decimal(x) to compute")
		}
		return joinTexts(arena, a.Text(), b.Text())
	}), left, right)
}

// numberMeant refuses + between a text column and a number, with the hint that the column needs a type.
func numberMeant(left, right code) error {
	for _, pair := range [...][2]code{{left, right}, {right, left}} {
		if pair[0].column >= 0 && pair[0].kind == record.Text && pair[1].kind.Numeric() {
			return needNumber("+", pair[0])
		}
	}
	return nil
}

func joinTexts(arena *record.Arena, a, b string) (record.Value, error) {
	to, err := room(arena, len(a)+len(b))
	if err != nil {
		return record.Value{}, err
	}
	copy(to[copy(to, a):], b)
	return record.OfText(record.String(to)), nil
}

var searches = map[string]func(s, part string) bool{
	"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix,
}

// bindSearch binds contains, startsWith and endsWith.
func bindSearch(operator string, left, right code, offset int) (code, error) {
	if err := needTexts(operator, left, right); err != nil {
		return code{}, err
	}
	search, a, b := searches[operator], left.eval, right.eval
	return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := a(row, arena)
		if err != nil {
			return false, err
		}
		w, err := b(row, arena)
		if err != nil || v.IsNull() || w.IsNull() {
			return false, err
		}
		if v.Kind() != record.Text || w.Kind() != record.Text {
			return false, mismatch("%s needs texts, not %s and %s", operator, withKind(v), withKind(w)).WithHint("write text(x) to search in it")
		}
		return search(v.Text(), w.Text()), nil
	}), left, right)
}

func needTexts(operator string, sides ...code) error {
	for _, side := range sides {
		if side.kind != record.Text && side.kind != record.Absent && side.kind != record.Null {
			return errorAt(side.offset, "type_mismatch", "%s: %s is %s, not a text", operator, side.name("this"), aKind(side.kind)).
				hint("write text(%s)", side.name("x"))
		}
	}
	return nil
}

// bindMatches binds text matches pattern (Go's regexp: RE2 syntax, linear time).
func bindMatches(left, right code, offset int) (code, error) {
	if err := needTexts("matches", left, right); err != nil {
		return code{}, err
	}
	pattern, err := constantPattern("matches", right)
	if err != nil {
		return code{}, err
	}
	eval, label := left.eval, left.name("the value")
	return fold(condition(offset, func(row []record.Value, arena *record.Arena) (bool, error) {
		v, err := eval(row, arena)
		if err != nil || v.IsNull() {
			return false, err
		}
		if v.Kind() != record.Text {
			return false, mismatch("matches: %s is %s, not a text", label, withKind(v)).WithHint("write text(x) to match it")
		}
		compiled, err := pattern()
		if err != nil || compiled == nil {
			return false, err
		}
		return compiled.MatchString(v.Text()), nil
	}), left, right)
}

// constantPattern returns the regular expression that c stands for: compiled now where c is constant, and with each use
// where it is a name whose value comes while the job runs. A null pattern is nil.
func constantPattern(role string, c code) (func() (*regexp.Regexp, error), error) {
	if !c.constant && !c.outside {
		return nil, errorAt(c.offset, "expression_syntax", "%s: the pattern must be a text that is written out or a parameter", role)
	}
	if !c.constant {
		return func() (*regexp.Regexp, error) {
			v, err := c.eval(nil, nil)
			if err != nil || v.IsNull() {
				return nil, err
			}
			return compilePattern(v)
		}, nil
	}
	if c.value.IsNull() {
		return func() (*regexp.Regexp, error) { return nil, nil }, nil
	}
	compiled, err := compilePattern(c.value)
	if err != nil {
		return nil, at(c.offset, err)
	}
	return func() (*regexp.Regexp, error) { return compiled, nil }, nil
}

func compilePattern(v record.Value) (*regexp.Regexp, error) {
	if v.Kind() != record.Text {
		return nil, mismatch("a pattern is %s, not a text", withKind(v))
	}
	if len(v.Text()) > MaxPattern {
		return nil, fault.New(fault.Definition, "a pattern has %d bytes, more than %d", len(v.Text()), MaxPattern).WithCode("expression_limit")
	}
	compiled, err := regexp.Compile(strings.Clone(v.Text()))
	if err != nil {
		return nil, fault.New(fault.Definition, "%s", err).WithCode("pattern").WithHint("patterns are written as RE2 does: https://github.com/google/re2/wiki/Syntax")
	}
	return compiled, nil
}

// isASCII reports whether bytes are characters.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
