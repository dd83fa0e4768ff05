package cmd

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"batchctl/pkg/batch"
)

// A display shows a run while it runs.
type display interface {
	batch.Observer
	// Say tells a person something in between. It may be called at any time.
	Say(message string)
}

// newDisplay returns who shows a run: bars on a terminal, log lines elsewhere, nobody where quiet is asked for.
func (a *app) newDisplay(meta string) display {
	switch {
	case a.global.quiet:
		return silence{}
	case a.drawsBars():
		return newBars(a.stderr, a.columns, meta, time.Now)
	}
	return newLogObserver(a.logger(), meta, time.Now)
}

func (a *app) drawsBars() bool {
	return a.tty && !a.global.quiet && !a.global.noProgress && a.global.logFormat == "text"
}

// columns is how wide the terminal is now, 80 where it does not say.
func (a *app) columns() int {
	if f, ok := a.terminal.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

type silence struct{}

func (silence) Observe(batch.Event) {}
func (silence) Say(string)          {}

// teller passes events on, notices from before the job has begun behind its first line, and knows where the running
// steps stand when somebody asks by SIGUSR1.
type teller struct {
	to    display
	mu    sync.Mutex
	at    map[int64]batch.StepProgress
	begun bool
	early []batch.Event
}

func newTeller(to display) *teller {
	return &teller{to: to, at: map[int64]batch.StepProgress{}}
}

// Observe implements batch.Observer.
func (t *teller) Observe(e batch.Event) {
	t.mu.Lock()
	switch e := e.(type) {
	case batch.Waiting:
		t.mu.Unlock()
		t.to.Say(e.Message)
		return
	case batch.Notice:
		if !t.begun {
			t.early = append(t.early, e)
			t.mu.Unlock()
			return
		}
	case batch.StepStarted:
		t.at[e.Step.ID] = batch.StepProgress{Step: e.Step, Counters: e.Step.Total}
	case batch.StepProgress:
		t.at[e.Step.ID] = e
	case batch.StepEnded:
		delete(t.at, e.Step.ID)
	}
	t.mu.Unlock()
	t.to.Observe(e)
	if _, ok := e.(batch.JobStarted); ok {
		t.flush()
	}
}

// flush passes on what was said before the job began.
func (t *teller) flush() {
	t.mu.Lock()
	early := t.early
	t.early, t.begun = nil, true
	t.mu.Unlock()
	for _, e := range early {
		t.to.Observe(e)
	}
}

// whatEnds says what a first signal to stop waits for.
func (t *teller) whatEnds() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		return "; nothing was started yet"
	}
	return "; the chunk in hand is finished first (a second signal rolls it back and leaves at once)"
}

// standing is a line for each running step.
func (t *teller) standing() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.at) == 0 {
		return []string{"no step is running"}
	}
	var lines []string
	for _, p := range t.at {
		lines = append(lines, fmt.Sprintf("step %s: %s read, %s written%s", p.Step.Name, grouped(p.Counters.Read), grouped(p.Counters.Write), percent(p)))
	}
	return lines
}

// tell answers SIGUSR1, also where quiet is asked for: somebody wants to know.
func (t *teller) tell(quiet io.Writer) {
	for _, line := range t.standing() {
		if _, ok := t.to.(silence); ok {
			fmt.Fprintln(quiet, line)
			continue
		}
		t.to.Say(line)
	}
}

func percent(p batch.StepProgress) string {
	if p.Total <= 0 {
		return ""
	}
	return fmt.Sprintf(", %d %%", p.Done*100/p.Total)
}
