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

// A table of figures is one of a page, between two lines that name it.
type figures struct {
	name string
	head string
	of   func(line) bool
	show func(line) string
}

func tables() []figures {
	return []figures{
		{"figures", "| job | against | to reach | speed, or time | seconds | CPU seconds | peak MiB | |\n|---|---|---|---|---|---|---|---|\n",
			func(l line) bool { return !l.claim.setting }, line.String},
		{"settings", "| job: setting | speed | seconds | CPU seconds | peak MiB |\n|---|---|---|---|---|\n",
			func(l line) bool { return l.claim.setting }, line.asSetting},
	}
}

// report prints the tables, keeps all figures in a file, and replaces the tables of a page where that is asked for.
func (b *bench) report(lines []line) error {
	fmt.Printf("\n%s\n", b.circumstances())
	for _, t := range tables() {
		fmt.Print("\n", t.text(lines))
	}
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
	text := string(page)
	for _, t := range tables() {
		if text, err = replaceTable(text, t.name, func(old string) string { return b.renewed(old, t.text(lines)) }); err != nil {
			return fmt.Errorf("%s: %w", b.update, err)
		}
	}
	return os.WriteFile(b.update, []byte(text), 0o644)
}

func replaceTable(page, name string, renew func(old string) string) (string, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(page, begin)
	old, after, found := strings.Cut(rest, end)
	if !ok || !found {
		return "", fmt.Errorf("there is no place for the table between %q and %q", begin, end)
	}
	return before + begin + renew(old) + end + after, nil
}

// renewed is a table with what it was measured on. Of an older table those lines stay that a choice of jobs left out.
func (b *bench) renewed(old, table string) string {
	if b.run != "" {
		table = merged(old, table)
	}
	if table == "" {
		return old
	}
	return b.circumstances() + "\n\n" + table
}

// merged is an older table in which the lines of a new one have replaced those of the same job and peer.
func merged(old, table string) string {
	fresh := map[string]string{}
	for row := range strings.Lines(table) {
		fresh[rowKey(row)] = row
	}
	var all strings.Builder
	for row := range strings.Lines(old) {
		if key := rowKey(row); fresh[key] != "" {
			row = fresh[key]
			delete(fresh, key)
		}
		if strings.HasPrefix(row, "|") {
			all.WriteString(row)
		}
	}
	for row := range strings.Lines(table) {
		if fresh[rowKey(row)] != "" {
			all.WriteString(row)
		}
	}
	return all.String()
}

// rowKey is the job and the peer of a line; a setting has no peer, and its second cell is a figure.
func rowKey(row string) string {
	cells := strings.SplitN(row, "|", 4)
	if len(cells) < 4 {
		return ""
	}
	if strings.Contains(cells[2], "**") || strings.Contains(cells[2], "not measured") {
		return cells[1]
	}
	return cells[1] + cells[2]
}

// text is the table as Markdown; empty where there is no line for it.
func (f figures) text(lines []line) string {
	var t strings.Builder
	for _, l := range lines {
		if f.of(l) {
			t.WriteString(f.show(l))
		}
	}
	if t.Len() == 0 {
		return ""
	}
	return f.head + t.String()
}

// circumstances say what was measured on what.
func (b *bench) circumstances() string {
	return fmt.Sprintf("%s rows, medians of %d runs. %s; %s.", thousands(b.rows), b.rounds, describeMachine(), b.peers)
}

// asSetting is the line as one of the table of settings.
func (l line) asSetting() string {
	if !l.measured() {
		return fmt.Sprintf("| %s | not measured: a program is missing | | | |\n", l.claim.job)
	}
	return "| " + strings.Join([]string{l.claim.job, l.ratio(), l.both(seconds), l.both(cpuSeconds), l.both(peakMiB)}, " | ") + " |\n"
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
