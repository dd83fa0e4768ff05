package cmd

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"batchctl/pkg/batch"
)

// bars shows a progress bar for the running step, and a line for each step that has ended.
type bars struct {
	to   io.Writer
	meta string
	bar  *progressbar.ProgressBar
	step *batch.StepExecution
	from int64 // records read by earlier attempts
	at   time.Time
}

func newBars(to io.Writer, meta string) *bars { return &bars{to: to, meta: meta} }

func (b *bars) Observe(e batch.Event) {
	switch e := e.(type) {
	case batch.JobStarted:
		fmt.Fprintf(b.to, "%s\n  history in %s\n", headline(e.Job), b.meta)
	case batch.StepStarted:
		b.step, b.from, b.at = e.Step, e.Step.Total.Read, e.Step.Started
	case batch.StepProgress:
		b.progress(e)
	case batch.StepEnded:
		b.clear()
	case batch.ChunkRetried:
		b.clear()
		fmt.Fprintf(b.to, "  %s: attempt %d of %d: %s\n", e.Step.Name, e.Attempt, e.Of, e.Err)
	case batch.Notice:
		b.clear()
		fmt.Fprintf(b.to, "  note: %s\n", e.Message)
	}
}

// progress draws the bar: percent and time left by the reader's estimate, records and rate by the counters.
func (b *bars) progress(e batch.StepProgress) {
	if b.bar == nil {
		b.bar = newBar(b.to, e.Total)
	}
	if e.Total > 0 {
		b.bar.ChangeMax64(e.Total)
		_ = b.bar.Set64(min(e.Done, e.Total))
	} else {
		_ = b.bar.Add(1)
	}
	elapsed := time.Since(b.at)
	b.bar.Describe(fmt.Sprintf("  %s %s records %s", e.Step.Name, grouped(e.Counters.Read), rate(e.Counters.Read-b.from, elapsed)))
}

func newBar(to io.Writer, total int64) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(to),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(true),
	)
}

func (b *bars) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
