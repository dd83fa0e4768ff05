package fault

import "strings"

// Suggest returns the name in known that got was most likely meant to be, or "" where none is near: at most a third of
// the letters of the longer one may differ, but always one (Damerau-Levenshtein, optimal string alignment, ignoring case).
func Suggest(got string, known []string) string {
	best, bestDistance := "", 0
	for _, name := range known {
		d := distance(strings.ToLower(got), strings.ToLower(name))
		if d <= max(1, len(got)/3, len(name)/3) && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
	}
	return best
}

// DidYouMean returns the hint `did you mean "x"?`, or where nothing is near a hint that lists what is known.
func DidYouMean(got string, known []string) string {
	if s := Suggest(got, known); s != "" {
		return `did you mean "` + s + `"?`
	}
	if len(known) == 0 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 1 << 20
	}
	rows := [3][65]int{}
	before, previous, current := &rows[0], &rows[1], &rows[2]
	for j := range len(y) + 1 {
		previous[j] = j
	}
	for i := 1; i <= len(x); i++ {
		current[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(y)]
}
