package cmd

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"batchctl/pkg/batch"
)

// maxPartitions is how many partitions are shown.
const maxPartitions = 40

// writePartitions writes a line for each partition of the steps, in the order of their numbers.
func writePartitions(w io.Writer, e *batch.JobExecution) {
	partitions := slices.DeleteFunc(slices.Clone(e.Steps), func(s *batch.StepExecution) bool { return !s.IsPartition() })
	if len(partitions) == 0 {
		return
	}
	slices.SortStableFunc(partitions, func(a, b *batch.StepExecution) int { return comparePartitions(a.Name, b.Name) })
	width := nameWidth
	for _, s := range partitions[:min(len(partitions), maxPartitions)] {
		width = max(width, utf8.RuneCountInString(s.Name))
	}
	fmt.Fprintln(w, "partitions")
	for i, s := range partitions {
		if i == maxPartitions {
			fmt.Fprintf(w, "  and %d more: -o json shows all\n", len(partitions)-i)
			return
		}
		fmt.Fprintln(w, stepText(s, s.JobID != e.ID, width))
	}
}

// comparePartitions orders load:partition2 before load:partition10.
func comparePartitions(a, b string) int {
	stepA := batch.WholeOf(a)
	stepB := batch.WholeOf(b)
	return cmp.Or(cmp.Compare(stepA, stepB), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
