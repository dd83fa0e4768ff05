package cmd

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"batchctl/pkg/batch"
)

// heartbeat is how often a run without a terminal says how far it is.
const heartbeat = 10 * time.Second

// newObserver returns who hears what happens: bars on a terminal, log lines elsewhere, nobody where quiet is asked for.
func (a *app) newObserver(meta string) batch.Observer {
	switch {
	case a.global.quiet:
		return silence{}
	case a.tty && !a.global.noProgress && a.global.logFormat == "text":
		return newBars(a.stderr, meta)
	}
	return newLogObserver(a.logger(), meta, time.Now)
}

func (a *app) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.global.logLevel)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if a.global.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

type silence struct{}

func (silence) Observe(batch.Event) {}

// logObserver writes a log line for each event, each with the names and ids of job and step.
type logObserver struct {
	log  *slog.Logger
	meta string
	now  func() time.Time
	job  *batch.JobExecution
	last time.Time // of the last line about progress
}

func newLogObserver(log *slog.Logger, meta string, now func() time.Time) *logObserver {
	return &logObserver{log: log, meta: meta, now: now}
}

func (l *logObserver) Observe(e batch.Event) {
	switch e := e.(type) {
	case batch.JobStarted:
		l.job, l.last = e.Job, l.now()
		l.fields(nil).Info("job started", "parameters", shownParameters(e.Job.Parameters), "meta", l.meta)
	case batch.StepStarted:
		l.fields(e.Step).Info("step started", "resumed", e.Resumed)
	case batch.StepProgress:
		l.progress(e)
	case batch.ChunkRetried:
		l.fields(e.Step).Warn(fmt.Sprintf("attempt %d of %d", e.Attempt, e.Of), "error", e.Err.Error())
	case batch.StepRepeated:
		l.fields(e.Step).Info("step was completed before", "read_count", e.Step.Total.Read, "write_count", e.Step.Total.Write)
	case batch.StepEnded:
		l.stepEnded(e)
	case batch.JobEnded:
		l.fields(nil).Info("job ended", "status", e.Job.Status, "exit_status", e.Job.Exit.Code, "elapsed", e.Elapsed.Round(time.Millisecond))
	case batch.Notice:
		l.fields(e.Step).Warn(e.Message)
	}
}

func (l *logObserver) fields(s *batch.StepExecution) *slog.Logger {
	log := l.log
	if l.job != nil {
		log = log.With("job", l.job.Instance.Name, "execution_id", l.job.ID)
	}
	if s != nil {
		log = log.With("step", s.Name, "step_execution_id", s.ID)
	}
	return log
}

func (l *logObserver) progress(e batch.StepProgress) {
	if now := l.now(); now.Sub(l.last) >= heartbeat {
		l.last = now
		args := []any{"read_count", e.Counters.Read, "write_count", e.Counters.Write}
		if e.Total > 0 {
			args = append(args, "percent", e.Done*100/e.Total)
		}
		l.fields(e.Step).Info("progress", args...)
	}
}

func (l *logObserver) stepEnded(e batch.StepEnded) {
	c := e.Step.Total
	args := []any{"status", e.Step.Status, "read_count", c.Read, "write_count", c.Write, "filter_count", c.Filter,
		"skip_count", c.Skip(), "elapsed", e.Elapsed.Round(time.Millisecond)}
	if e.Err != nil {
		l.fields(e.Step).Error("step ended", append(args, "error", e.Err.Error())...)
		return
	}
	l.fields(e.Step).Info("step ended", args...)
}

// teller passes events on, and can print where the running steps stand: on SIGUSR1.
type teller struct {
	to batch.Observer
	mu sync.Mutex
	at map[int64]batch.StepProgress
}

func newTeller(to batch.Observer) *teller {
	return &teller{to: to, at: map[int64]batch.StepProgress{}}
}

func (t *teller) Observe(e batch.Event) {
	t.mu.Lock()
	switch e := e.(type) {
	case batch.StepProgress:
		t.at[e.Step.ID] = e
	case batch.StepEnded:
		delete(t.at, e.Step.ID)
	}
	t.mu.Unlock()
	t.to.Observe(e)
}

// tell writes a line for each running step.
func (t *teller) tell(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.at) == 0 {
		fmt.Fprintln(w, "no step has committed a chunk yet")
	}
	for _, p := range t.at {
		fmt.Fprintf(w, "%s: %s read, %s written%s\n", p.Step.Name, grouped(p.Counters.Read), grouped(p.Counters.Write), percent(p))
	}
}

func percent(p batch.StepProgress) string {
	if p.Total <= 0 {
		return ""
	}
	return fmt.Sprintf(", %d %%", p.Done*100/p.Total)
}
