package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// A contest is programs that do the same work. They run in turns, so that what drifts meets all of them.
type contest struct {
	name       string
	setup      func(ctx context.Context) error // once: sources
	contenders []contender
	claims     []claim
}

// A contender is one way to do the work of a contest.
type contender struct {
	name   string
	needs  string                          // a program besides batchctl, or the server
	before func(ctx context.Context) error // each time, not measured: targets as they are to be found
	run    func(ctx context.Context) (usage, error)
	check  func(ctx context.Context) error // each time, not measured: the output is what it must be
}

// A claim is a line of the table: how a contender is to compare with another.
type claim struct {
	job     string
	by      string
	against string // a contender; empty where the goal is a time
	peer    string // what the table calls it
	goal    goal
	setting bool // it stands in the table of settings, and has no goal
}

// goal is what is to be reached; zero values ask for nothing.
type goal struct {
	speed    float64       // so many times as fast, at least
	times    float64       // so many times the time, at most
	wall     time.Duration // at most
	first    time.Duration // until the first commit of a restart, at most
	peakMiB  int64         // at most
	samePeak bool          // as that of the other
}

// result is what a contender has taken in each round.
type result struct {
	Contest, Name string
	Rounds        []usage
	Disturbed     bool // a run could not be had without others using the machine
}

// contest runs the contenders whose programs are there, and returns the figures of each.
func (b *bench) contest(ctx context.Context, c contest) (map[string]*result, error) {
	taking := map[string]*result{}
	for _, p := range c.contenders {
		if b.has(p.needs) {
			taking[p.name] = &result{Contest: c.name, Name: p.name}
		}
	}
	if len(taking) == 0 {
		return nil, nil
	}
	if c.setup != nil {
		if err := c.setup(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for round := range b.rounds {
		for i := range c.contenders {
			p := c.contenders[(i+round)%len(c.contenders)]
			r := taking[p.name]
			if r == nil {
				continue
			}
			u, quiet, err := b.undisturbed(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, p.name, err)
			}
			r.Rounds, r.Disturbed = append(r.Rounds, u), r.Disturbed || !quiet
			fmt.Fprintf(os.Stderr, "%-12s %d/%d  %-28s %s\n", c.name, round+1, b.rounds, p.name, u)
		}
	}
	return taking, nil
}

// attempts is how often a run is tried that others disturb.
const attempts = 3

// undisturbed runs a contender on an idle machine. Where others used the machine meanwhile, it runs again.
func (b *bench) undisturbed(ctx context.Context, p contender) (u usage, quiet bool, err error) {
	for range attempts {
		if u, quiet, err = b.once(ctx, p); err != nil || quiet || b.wait == 0 {
			return u, quiet, err
		}
		fmt.Fprintf(os.Stderr, "  disturbed: %s, of which others used %v; once more\n", p.name, u.others.Round(tick))
	}
	return u, false, nil
}

func (b *bench) once(ctx context.Context, p contender) (u usage, quiet bool, err error) {
	if p.before != nil {
		if err := p.before(ctx); err != nil {
			return u, false, fmt.Errorf("before: %w", err)
		}
	}
	quiet = b.wait == 0 || waitIdle(b.wait)
	busy, own, served := busyTime(), ownTime(), b.server.cpu()
	if u, err = p.run(ctx); err != nil {
		return u, false, err
	}
	if strings.Contains(p.needs, postgres) { // what the server does by itself meanwhile is not the contender's
		u.server = b.server.cpu() - served
	}
	u.others = max(0, busyTime()-busy-(ownTime()-own)-u.server-u.cpu)
	if p.check != nil {
		if err := p.check(ctx); err != nil {
			return u, false, fmt.Errorf("the output is wrong: %w", err)
		}
	}
	return u, quiet && u.others <= u.wall/4+5*tick, ctx.Err()
}

func (u usage) String() string {
	text := fmt.Sprintf("%7.3f s  CPU %6.2f s + server %6.2f s  peak %4d MiB", u.wall.Seconds(), u.cpu.Seconds(), u.server.Seconds(), u.peak>>20)
	if u.first > 0 {
		text += fmt.Sprintf("  first commit %d ms", u.first.Milliseconds())
	}
	return text
}

// measure runs the contests that have a claim whose name matches.
func (b *bench) measure(ctx context.Context) ([]line, error) {
	var lines []line
	for _, c := range b.chosen() {
		taking, err := b.contest(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, claim := range c.claims {
			lines = append(lines, b.judge(claim, taking))
		}
	}
	return lines, nil
}

// chosen returns the contests with the claims that match, and the contenders that they speak of.
func (b *bench) chosen() []contest {
	pattern := regexp.MustCompile(b.run)
	var all []contest
	for _, c := range b.contests() {
		spoken := map[string]bool{}
		var claims []claim
		for _, claim := range c.claims {
			if pattern.MatchString(c.name + ": " + claim.job) {
				claims = append(claims, claim)
				spoken[claim.by], spoken[claim.against] = true, true
			}
		}
		var contenders []contender
		for _, p := range c.contenders {
			if spoken[p.name] {
				contenders = append(contenders, p)
			}
		}
		if len(claims) > 0 {
			all = append(all, contest{c.name, c.setup, contenders, claims})
		}
	}
	return all
}

func (b *bench) printList() error {
	for _, c := range b.contests() {
		for _, claim := range c.claims {
			fmt.Printf("%s: %s\n", c.name, claim.job)
		}
	}
	return nil
}
