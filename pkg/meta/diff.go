package meta

import (
	"fmt"
	"strings"
)

// maxDiff is how many lines of a difference are shown.
const maxDiff = 60

// maxDiffTable bounds the work of finding equal lines between two changed regions.
const maxDiffTable = 4 << 20

// diffLines returns how b differs from a, as changed lines with "-" and "+" behind their line number in a or b. Texts
// whose changed regions are very large are shown as replaced.
func diffLines(a, b string) string {
	x, y := splitLines(a), splitLines(b)
	start := 0
	for start < len(x) && start < len(y) && x[start] == y[start] {
		start++
	}
	endX, endY := len(x), len(y)
	for endX > start && endY > start && x[endX-1] == y[endY-1] {
		endX, endY = endX-1, endY-1
	}
	var out []string
	emit := func(sign string, line int, text string) {
		out = append(out, fmt.Sprintf("%s %4d  %s", sign, line+1, text))
	}
	walk(x[start:endX], y[start:endY],
		func(i int) { emit("-", start+i, x[start+i]) },
		func(j int) { emit("+", start+j, y[start+j]) })
	if len(out) > maxDiff {
		out = append(out[:maxDiff], fmt.Sprintf("... and %d more lines", len(out)-maxDiff))
	}
	return strings.Join(out, "\n")
}

func splitLines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// walk calls gone for every line that is only in x and come for every line that is only in y, in reading order, along a
// longest common subsequence.
func walk(x, y []string, gone, come func(int)) {
	var common [][]int32
	if len(x)*len(y) <= maxDiffTable {
		common = commonLengths(x, y)
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case common != nil && i < len(x) && j < len(y) && x[i] == y[j]:
			i, j = i+1, j+1
		case i < len(x) && (j == len(y) || common == nil || common[i+1][j] >= common[i][j+1]):
			gone(i)
			i++
		default:
			come(j)
			j++
		}
	}
}

// commonLengths returns, for every pair of positions, how many lines the rests of x and y have in common, in order.
func commonLengths(x, y []string) [][]int32 {
	table := make([][]int32, len(x)+1)
	for i := range table {
		table[i] = make([]int32, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
