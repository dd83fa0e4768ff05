package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line is a line of the table.
type line struct {
	claim     claim
	ours      *result // nil: not measured
	theirs    *result // nil: not measured, or nothing to compare with
	ratios    []float64
	misses    []string // what was not reached
	disturbed bool
}

// judge compares a contender with its goal. What was not measured gives a line that says so.
func (b *bench) judge(c claim, taking map[string]*result) line {
	l := line{claim: c, ours: taking[c.by], theirs: taking[c.against]}
	if l.ours == nil || c.against != "" && l.theirs == nil {
		return l
	}
	l.disturbed = l.ours.Disturbed
	if l.theirs != nil {
		l.disturbed = l.disturbed || l.theirs.Disturbed
		for i, u := range l.ours.Rounds {
			ratio := l.theirs.Rounds[i].wall.Seconds() / u.wall.Seconds()
			if c.goal.times > 0 {
				ratio = 1 / ratio
			}
			l.ratios = append(l.ratios, ratio)
		}
	}
	l.misses = c.goal.misses(l)
	return l
}

func (l line) measured() bool { return l.ours != nil && (l.claim.against == "" || l.theirs != nil) }

// samePeakWithin is how much more memory still counts as the same: a garbage collector does not stop at the same byte twice.
const samePeakWithin = 1.1

func (g goal) misses(l line) (missed []string) {
	check := func(ok bool, what string) {
		if !ok {
			missed = append(missed, what)
		}
	}
	check(g.speed == 0 || median(l.ratios) >= g.speed, "speed")
	check(g.times == 0 || median(l.ratios) <= g.times, "time")
	check(g.wall == 0 || l.ours.median(wallTime) <= g.wall.Seconds(), "time")
	check(g.first == 0 || l.ours.median(firstTime) <= g.first.Seconds(), "first commit")
	check(g.peakMiB == 0 || l.ours.peak() <= g.peakMiB<<20, "memory")
	check(!g.samePeak || float64(l.ours.peak()) <= samePeakWithin*float64(l.theirs.peak()), "memory")
	return missed
}

func (g goal) String() string {
	var parts []string
	add := func(wanted bool, format string, args ...any) {
		if wanted {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(g.speed > 0, "≥ %.4g x the speed", g.speed)
	add(g.times > 0, "≤ %.4g x the time", g.times)
	add(g.wall > 0, "≤ %d ms", g.wall.Milliseconds())
	add(g.first > 0, "first commit ≤ %d ms", g.first.Milliseconds())
	add(g.peakMiB > 0, "≤ %d MiB", g.peakMiB)
	add(g.samePeak, "same memory")
	return strings.Join(parts, ", ")
}

func wallTime(u usage) time.Duration   { return u.wall }
func cpuTime(u usage) time.Duration    { return u.cpu }
func serverTime(u usage) time.Duration { return u.server }
func firstTime(u usage) time.Duration  { return u.first }

// median is that of one part of the usage, in seconds.
func (r *result) median(part func(usage) time.Duration) float64 {
	var all []float64
	for _, u := range r.Rounds {
		all = append(all, part(u).Seconds())
	}
	return median(all)
}

// peak is the largest of all rounds, in bytes.
func (r *result) peak() int64 {
	var most int64
	for _, u := range r.Rounds {
		most = max(most, u.peak)
	}
	return most
}

// median returns the middle of the values, of an even number the mean of the two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// thousands writes a number with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
