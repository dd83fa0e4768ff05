package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The table stands in a page between these lines.
const tableBegin, tableEnd = "<!-- figures -->", "<!-- end of figures -->"

const tableHead = "| job | against | to reach | speed, or time | seconds | CPU seconds | peak MiB | |\n|---|---|---|---|---|---|---|---|\n"

// report prints the table, keeps all figures in a file, and replaces the table of a page where that is asked for.
func (b *bench) report(lines []line) error {
	table := b.table(lines)
	fmt.Print("\n", table)
	if err := b.keep(lines); err != nil {
		return err
	}
	if b.update == "" {
		return nil
	}
	page, err := os.ReadFile(b.update)
	if err != nil {
		return err
	}
	text, err := replaceTable(string(page), table)
	if err != nil {
		return fmt.Errorf("%s: %w", b.update, err)
	}
	return os.WriteFile(b.update, []byte(text), 0o644)
}

func replaceTable(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, tableBegin+"\n")
	_, after, found := strings.Cut(rest, tableEnd)
	if !ok || !found {
		return "", fmt.Errorf("there is no place for the table between %q and %q", tableBegin, tableEnd)
	}
	return before + tableBegin + "\n" + table + tableEnd + after, nil
}

func (b *bench) table(lines []line) string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s rows, medians of %d runs. %s; %s.\n\n%s", thousands(b.rows), b.rounds, describeMachine(), b.peers, tableHead)
	for _, l := range lines {
		t.WriteString(l.String())
	}
	return t.String()
}

func (p peers) String() string {
	versions := []string{}
	for _, name := range []string{postgres, sqlite, miller, duckdb} {
		version := p[name]
		if name == sqlite && version != "" {
			version = "SQLite " + strings.Fields(version)[0]
		}
		if version != "" {
			versions = append(versions, version)
		}
	}
	return strings.Join(versions, ", ")
}

// String is the line as Markdown: medians, and of ratios the least and the most; where there is a peer, "ours / theirs".
func (l line) String() string {
	c := l.claim
	if !l.measured() {
		return fmt.Sprintf("| %s | %s | %s | not measured: a program is missing | | | | |\n", c.job, c.peer, c.goal)
	}
	cells := []string{c.job, c.peer, c.goal.String(), l.ratio(), l.both(seconds), l.both(cpuSeconds), l.both(peakMiB), l.verdict()}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func (l line) ratio() string {
	var parts []string
	if len(l.ratios) > 0 {
		parts = append(parts, fmt.Sprintf("**%.2f** (%.2f to %.2f)", median(l.ratios), slices.Min(l.ratios), slices.Max(l.ratios)))
	}
	if l.claim.goal.first > 0 {
		parts = append(parts, fmt.Sprintf("first commit %.0f ms", 1000*l.ours.median(firstTime)))
	}
	if l.claim.goal.wall > 0 {
		parts = append(parts, fmt.Sprintf("**%.1f ms**", 1000*l.ours.median(wallTime)))
	}
	return strings.Join(parts, ", ")
}

func (l line) both(show func(*result) string) string {
	if l.theirs == nil {
		return show(l.ours)
	}
	return show(l.ours) + " / " + show(l.theirs)
}

func seconds(r *result) string { return fmt.Sprintf("%.3g", r.median(wallTime)) }

// cpuSeconds is the client's time and, where there is one, the server's.
func cpuSeconds(r *result) string {
	if server := r.median(serverTime); server > 0 {
		return fmt.Sprintf("%.2f + %.2f", r.median(cpuTime), server)
	}
	return fmt.Sprintf("%.2f", r.median(cpuTime))
}

func peakMiB(r *result) string { return fmt.Sprintf("%d", (r.peak()+1<<20-1)>>20) }

func (l line) verdict() string {
	verdict := "reached"
	switch {
	case len(l.misses) > 0:
		verdict = "**not reached: " + strings.Join(l.misses, ", ") + "**"
	case l.claim.goal == goal{}:
		verdict = ""
	}
	if l.disturbed {
		verdict += " (the machine was not idle)"
	}
	return strings.TrimSpace(verdict)
}

// keep writes every single figure into a file beside the data.
func (b *bench) keep(lines []line) error {
	type run struct {
		Contest, Contender                        string
		Seconds, CPU, ServerCPU, OthersCPU, First float64
		PeakBytes                                 int64
	}
	var runs []run
	seen := map[*result]bool{nil: true}
	for _, l := range lines {
		for _, r := range []*result{l.ours, l.theirs} {
			if seen[r] {
				continue
			}
			seen[r] = true
			for _, u := range r.Rounds {
				s := time.Duration.Seconds
				runs = append(runs, run{r.Contest, r.Name, s(u.wall), s(u.cpu), s(u.server), s(u.others), s(u.first), u.peak})
			}
		}
	}
	text, err := json.MarshalIndent(runs, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.folder, "figures.json"), text, 0o644)
}
