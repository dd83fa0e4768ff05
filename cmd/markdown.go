package cmd

import (
	"fmt"
	"strings"
)

// markdown is the summary of a run as GitHub-flavoured Markdown.
func markdown(d runDocument) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s", cell(d.Job))
	if d.ExecutionID != 0 {
		fmt.Fprintf(&b, " #%d", d.ExecutionID)
	}
	fmt.Fprintf(&b, ": %s\n\n", cell(string(d.Status)))
	for _, name := range sortedKeys(d.Parameters) {
		fmt.Fprintf(&b, "- %s = %s\n", cell(name), cell(d.Parameters[name]))
	}
	if len(d.Parameters) > 0 {
		b.WriteByte('\n')
	}
	if len(d.Steps) > 0 {
		b.WriteString("| step | status | read | written | filtered | skipped | seconds |\n|---|---|---:|---:|---:|---:|---:|\n")
	}
	for _, s := range d.Steps {
		if s.PartitionOf != "" {
			continue
		}
		status := string(s.Status)
		if s.Repeated {
			status += " before"
		}
		c := s.Counters
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.3f |\n", cell(s.Name), cell(status), grouped(c["read_count"]), grouped(c["write_count"]),
			grouped(c["filter_count"]), grouped(c["read_skip_count"]+c["process_skip_count"]+c["write_skip_count"]), s.Seconds)
	}
	if d.ListLetters != "" {
		b.WriteByte('\n')
	}
	for _, l := range d.DeadLetters {
		fmt.Fprintf(&b, "%s of step %s in %s: `%s`\n", counted(l.Count, "dead letter"), cell(l.Step), cell(l.Where), d.ListLetters)
	}
	for _, e := range d.Errors {
		fmt.Fprintf(&b, "\n> %s\n", cell(e.Message))
		if e.Hint != "" {
			fmt.Fprintf(&b, "> hint: %s\n", cell(e.Hint))
		}
	}
	if d.Restart != "" {
		fmt.Fprintf(&b, "\nContinue it with `%s`.\n", d.Restart)
	}
	return b.String()
}

// cell is text that stays what it is within Markdown, also in a table.
func cell(s string) string {
	s = strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>|#~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
