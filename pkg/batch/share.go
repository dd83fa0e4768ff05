package batch

import "strings"

// A share of a partitioned step is a step execution of its own, and a step of its own in the ledger. Its name is the
// step's, a colon, and its own: load:partition3. Names of steps hold no colon.
const beforeShare = ":"

// ShareName returns the name of a share of a step.
func ShareName(step, share string) string { return step + beforeShare + share }

// IsShareName reports whether a name is one of a share.
func IsShareName(name string) bool { return strings.Contains(name, beforeShare) }

// WholeOf returns the step that a name belongs to: that of a share, or the name itself.
func WholeOf(name string) string {
	whole, _, _ := strings.Cut(name, beforeShare)
	return whole
}

// IsPartition reports whether this is a share of a partitioned step, whose counts are in those of the step.
func (s *StepExecution) IsPartition() bool { return IsShareName(s.Name) }
