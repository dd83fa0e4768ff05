package batch

import (
	"cmp"
	"strings"
)

// Pattern matches exit codes as a whole, case-sensitive: * stands for any characters, also none, ? for exactly one.
type Pattern string

// Wild reports whether the pattern holds a * or a ?.
func (p Pattern) Wild() bool { return strings.ContainsAny(string(p), "*?") }

// Match reports whether the pattern matches an exit code.
func (p Pattern) Match(code string) bool { return match([]rune(string(p)), []rune(code)) }

// match goes back to the last * only: what an earlier one could take more, the last one can take as well.
func match(pattern, code []rune) bool {
	p, c, star, taken := 0, 0, -1, 0
	for c < len(code) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, taken = p, c
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == code[c]):
			p++
			c++
		case star >= 0:
			taken++
			p, c = star+1, taken
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// Compare orders patterns as they are tried, the most specific first, by the rules of Spring Batch's
// DefaultStateTransitionComparator: those without * before those with; of two with *, more of them first; then fewer ?;
// then, where there is any wildcard, the longer one; then the alphabet.
func (p Pattern) Compare(other Pattern) int {
	a, b := string(p), string(other)
	starsA, starsB := strings.Count(a, "*"), strings.Count(b, "*")
	if c := cmp.Compare(min(starsA, 1), min(starsB, 1)); c != 0 {
		return c
	}
	if c := cmp.Compare(starsB, starsA); c != 0 {
		return c
	}
	if c := cmp.Compare(strings.Count(a, "?"), strings.Count(b, "?")); c != 0 {
		return c
	}
	if p.Wild() || other.Wild() {
		if c := cmp.Compare(len(b), len(a)); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}
