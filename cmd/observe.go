package cmd

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/plan"
)

// heartbeat is how often a run without a terminal says how far it is.
const heartbeat = 10 * time.Second

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

// logObserver writes a log line for each event, each with the names and ids of job and step.
type logObserver struct {
	log  *slog.Logger
	meta string
	now  func() time.Time
	mu   sync.Mutex
	job  *batch.JobExecution
	told map[int64]time.Time // by step execution, when there was a line about it; 0 is the job
}

func newLogObserver(log *slog.Logger, meta string, now func() time.Time) *logObserver {
	return &logObserver{log: log, meta: meta, now: now, told: map[int64]time.Time{}}
}

// Observe implements batch.Observer.
func (l *logObserver) Observe(e batch.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case batch.JobStarted:
		l.job, l.told[0] = e.Job, l.now()
		l.fields(nil).Info("job started", parameterGroup(e.Job.Parameters), "meta", l.meta)
	case batch.StepStarted:
		l.told[e.Step.ID] = l.now()
		l.fields(e.Step).Info("step started", "resumed", e.Resumed)
	case batch.StepProgress:
		l.progress(e)
	case batch.ChunkRetried:
		l.fields(e.Step).Warn("attempt "+strconv.Itoa(e.Attempt)+" of "+strconv.Itoa(e.Of), "error", e.Err.Error())
	case batch.StepRepeated:
		l.fields(e.Step).Info("step was completed before", "read_count", e.Step.Total.Read, "write_count", e.Step.Total.Write)
	case batch.StepEnded:
		l.stepEnded(e)
	case batch.JobEnded:
		l.fields(nil).Info("job ended", "status", e.Job.Status, "exit_status", e.Job.Exit.Code, "elapsed_seconds", seconds(e.Elapsed))
	case batch.FlowMoved:
		l.fields(nil).Info("flow", "from", e.From, "exit_status", e.Exit, "to", e.To)
	case batch.ChildMoved:
		l.fields(e.Step).Info("job "+e.Job.Instance.Name, "child_execution_id", e.Job.ID, "status", e.Job.Status)
	case batch.Logged:
		l.fields(nil).Log(context.Background(), levelOf(e.Level), e.Message)
	case batch.Output:
		l.fields(e.Step).Info(e.Line, "stream", e.Stream)
	case batch.Notice:
		l.fields(e.Step).Warn(e.Message)
	}
}

// levelOf is the level of a name that a definition uses.
func levelOf(name string) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(name)) // checked when the definition was read
	return level
}

func parameterGroup(parameters []batch.Parameter) slog.Attr {
	shown := plan.ShownParameters(parameters)
	var values []any
	for _, p := range parameters {
		values = append(values, slog.String(p.Name, shown[p.Name]))
	}
	return slog.Group("parameters", values...)
}

// Say implements display.
func (l *logObserver) Say(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fields(nil).Info(message)
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

// progress writes a line about a step that was not heard of for a while, whatever was said of others beside it.
func (l *logObserver) progress(e batch.StepProgress) {
	last, ok := l.told[e.Step.ID]
	if !ok {
		last = l.told[0]
	}
	now := l.now()
	if now.Sub(last) < heartbeat {
		return
	}
	l.told[e.Step.ID] = now
	args := []any{"read_count", e.Counters.Read, "write_count", e.Counters.Write}
	if e.Total > 0 {
		args = append(args, "percent", e.Done*100/e.Total)
	}
	l.fields(e.Step).Info("progress", args...)
}

func (l *logObserver) stepEnded(e batch.StepEnded) {
	delete(l.told, e.Step.ID)
	c := e.Step.Total
	args := []any{"status", e.Step.Status, "read_count", c.Read, "write_count", c.Write, "filter_count", c.Filter,
		"skip_count", c.Skip(), "elapsed_seconds", seconds(e.Elapsed)}
	if e.Step.Status == batch.Stopped {
		l.fields(e.Step).Warn("step stopped", args...)
		return
	}
	if e.Err != nil {
		l.fields(e.Step).Error("step ended", append(args, "error", e.Err.Error())...)
		return
	}
	l.fields(e.Step).Info("step ended", args...)
}
