package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// bars shows a run on a terminal: a line that is redrawn for the running step, and one that stays for each step that has
// ended. Every change of the terminal is one write, so that nothing else falls into the middle of a line.
type bars struct {
	to      io.Writer
	columns func() int
	meta    string
	now     func() time.Time

	mu      sync.Mutex
	running []*runningStep // in the order in which they were started
	drawn   bool           // the last line of the terminal is the bar
}

// runningStep is what the line of the running step is made of.
type runningStep struct {
	step    *batch.StepExecution
	before  int64 // records read by earlier attempts
	begin   time.Time
	first   batch.StepProgress // the first report: where this attempt began to read
	last    batch.StepProgress
	at      time.Time // when last was heard; zero before
	spinner *progressbar.ProgressBar
}

func newBars(to io.Writer, columns func() int, meta string, now func() time.Time) *bars {
	return &bars{to: to, columns: columns, meta: meta, now: now}
}

// Observe implements batch.Observer.
func (b *bars) Observe(e batch.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case batch.JobStarted:
		b.print(fmt.Sprintf("%s    history in %s\n", headline(e.Job), b.meta))
	case batch.StepStarted:
		b.running = append(b.running, &runningStep{step: e.Step, before: e.Step.Total.Read, begin: b.now(), spinner: newBar(-1, 1)})
		b.print("")
	case batch.StepProgress:
		b.progress(e)
	case batch.StepRepeated:
		b.print(stepText(e.Step, true, nameWidth) + "\n")
	case batch.StepEnded:
		b.running = slices.DeleteFunc(b.running, func(r *runningStep) bool { return r.step == e.Step })
		b.print(stepText(e.Step, false, nameWidth) + "\n")
	case batch.ChunkRetried:
		b.print(fmt.Sprintf("  %s: attempt %d of %d: %s\n", e.Step.Name, e.Attempt, e.Of, fault.Printable(e.Err.Error())))
	case batch.FlowMoved:
		if e.Decision {
			b.print(fmt.Sprintf("  %-*s %s\n", nameWidth, e.From, "goes on at "+e.To))
		}
	case batch.ChildMoved:
		b.print(fmt.Sprintf("  %-*s %s #%d %s\n", nameWidth, e.Step.Name, e.Job.Instance.Name, e.Job.ID, e.Job.Status))
	case batch.Output:
		b.print("  " + e.Step.Name + ": " + fault.Printable(e.Line) + "\n")
	case batch.Logged:
		b.print("  " + e.Level + ": " + fault.Printable(e.Message) + "\n")
	case batch.Notice:
		b.print("  note: " + fault.Printable(e.Message) + "\n")
	}
}

// Say prints a message between the lines of the steps.
func (b *bars) Say(message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.print("  " + message + "\n")
}

func (b *bars) progress(e batch.StepProgress) {
	i := slices.IndexFunc(b.running, func(r *runningStep) bool { return r.step == e.Step })
	if i < 0 {
		return
	}
	r := b.running[i]
	if r.at.IsZero() {
		r.first, r.begin, r.before = e, b.now(), e.Counters.Read
	}
	r.last, r.at = e, b.now()
	b.print("")
}

// print replaces the bar by lines that stay, and draws it again below them.
func (b *bars) print(lines string) {
	var text strings.Builder
	if b.drawn {
		text.WriteString("\r\x1b[K")
	}
	text.WriteString(lines)
	b.drawn = len(b.running) > 0
	switch {
	case len(b.running) == 1:
		text.WriteString(b.running[0].line(b.columns()))
	case b.drawn:
		text.WriteString(sideBySide(b.running, b.columns()))
	}
	_, _ = io.WriteString(b.to, text.String())
}

// sideBySide is several running steps in one line: name, records and percent of each, as many as fit.
func sideBySide(running []*runningStep, columns int) string {
	line, left := "", len(running)
	for _, r := range running {
		part := fmt.Sprintf("  %s %s", r.step.Name, grouped(max(r.last.Counters.Read, r.before)))
		if r.last.Total > 0 {
			part += fmt.Sprintf(" %d%%", r.share()*100/whole)
		}
		if utf8.RuneCountInString(line+part)+len("  and 99 more") >= columns {
			break
		}
		line, left = line+part, left-1
	}
	if left > 0 {
		line += fmt.Sprintf("  and %d more", left)
	}
	return line
}

// The widths of the line of a running step. It has to stay shorter than the terminal is wide: what wraps cannot be
// overwritten.
const (
	nameWidth   = 16
	barOverhead = 10 // percent, frame and blanks around the bar
	leastBar    = 4
	mostBar     = 40
)

// line is the running step in one line: name, records, rate, time left, percent and bar. The last three need an estimate
// by the reader; a narrow terminal leaves out what comes last.
func (r *runningStep) line(columns int) string {
	elapsed := r.at.Sub(r.begin)
	name := []rune(r.step.Name)
	if len(name) > nameWidth {
		name = append(name[:nameWidth-1], '…')
	}
	parts := []string{fmt.Sprintf("  %-*s", nameWidth, string(name)), fmt.Sprintf(" %12s records", grouped(max(r.last.Counters.Read, r.before))),
		fmt.Sprintf(" %8s", r.rate(elapsed)), fmt.Sprintf(" %13s", r.left(elapsed))}
	text, used := "", 0
	for _, part := range parts {
		if width := utf8.RuneCountInString(part); used+width+barOverhead+leastBar < columns {
			text, used = text+part, used+width
		}
	}
	if r.last.Total <= 0 {
		r.spinner.Describe(strings.TrimPrefix(text, "  ")) // the spinner stands in front
		return r.spinner.String()
	}
	bar := newBar(whole, max(leastBar, min(mostBar, columns-1-used-barOverhead)))
	_ = bar.Set64(r.share())
	bar.Describe(text)
	return bar.String()
}

// whole is the length of a bar. A little more than a percent's share is set, for the percentage is rounded down.
const whole = 10_000

// share is how much of the input has been read, of whole. All of it is said only of a step that has ended.
func (r *runningStep) share() int64 {
	return max(0, min(whole-1, int64(float64(r.last.Done)/float64(r.last.Total)*whole+0.5)+1))
}

func (r *runningStep) rate(elapsed time.Duration) string {
	records := r.last.Counters.Read - r.before
	if records <= 0 || elapsed <= 0 {
		return ""
	}
	return rate(records, elapsed)
}

// left is the time that the rest takes at the rate of this attempt so far.
func (r *runningStep) left(elapsed time.Duration) string {
	done, rest := r.last.Done-r.first.Done, r.last.Total-r.last.Done
	if r.last.Total <= 0 || done <= 0 || elapsed <= 0 {
		return ""
	}
	return wholeSeconds(time.Duration(float64(elapsed)*float64(rest)/float64(done))) + " left"
}

// newBar makes a bar that draws nothing itself: its text is asked for.
func newBar(total int64, width int) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0),
	)
}

// end takes the bar away.
func (b *bars) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = nil
	b.print("")
}
