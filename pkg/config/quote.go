package config

import "strconv"

// quoted returns s in quotes for a message, shortened.
func quoted(s string) string {
	const limit = 60
	if r := []rune(s); len(r) > limit {
		return strconv.Quote(string(r[:limit-3])) + "..."
	}
	return strconv.Quote(s)
}
