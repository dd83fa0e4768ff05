package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// EventSummary is what a listener is told of.
type EventSummary struct {
	Name string `json:"name"` // job.failed
	Text string `json:"text"` // one line for people
	Step string `json:"step,omitempty"`
}

// audience tells the listeners of a running job what happens. Each listener has a queue and a goroutine of its own, so
// that none of them holds up the job, or another listener. It keeps its own account of the steps: their executions belong to
// the goroutines that run them.
type audience struct {
	engine    *Engine
	prepared  *prepared
	to        batch.Observer // hears of listeners that fail
	began     time.Time
	execution *batch.JobExecution // only what never changes is looked at
	all       []*listener
	closed    chan struct{}   // when the job has ended
	hurry     <-chan struct{} // when the process is to leave at once
	waiting   sync.WaitGroup

	mu      sync.Mutex
	summary Summary
	count   int // of events so far
}

// listener is one listener of a definition, with what it has still to be told.
type listener struct {
	*job.Listener
	step   string // of whose definition it is a part, "" for the job's
	queue  chan event
	last   chan event // how the job ended, where much else is still to be told: goes first
	cancel func()
	done   chan struct{}
	lost   int
}

// event is what happened, with the state that the job was in.
type event struct {
	EventSummary
	id      string
	error   string
	only    *listener // who is to be told; nil: all who want to hear of it
	summary Summary
}

var errNoTime = errors.New("the job has ended, and there was no answer in time")

const (
	calmQueue   = 20               // as long a queue is told in order
	queueLength = 1000             // of events that a listener has still to be told
	lastWait    = 10 * time.Second // for all listeners together, when the job has ended
	hurriedWait = time.Second      // when it was told to leave at once
)

// listen starts the listeners of a job. A job without any has a nil audience, and so has a replay of dead letters: a
// person stands before it.
func (e *Engine) listen(ctx context.Context, p *prepared, store *meta.Store, execution *batch.JobExecution, to batch.Observer) *audience {
	l := &audience{engine: e, prepared: p, to: to, began: e.Now(), execution: execution, closed: make(chan struct{}), hurry: ctx.Done()}
	l.add("", p.job.Listeners)
	for _, s := range p.job.All() {
		l.add(s.Name, s.Listeners)
	}
	if len(l.all) == 0 || p.replay != nil {
		return nil
	}
	l.summary = begunSummary(execution, e.Secrets, meta.Describe(e.Meta))
	for _, one := range l.all {
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		one.cancel = func() { cancel(errNoTime) }
		go l.serve(ctx, one)
	}
	l.watchTheClock(ctx, store)
	return l
}

func (l *audience) add(step string, listeners job.Listeners) {
	for i := range listeners {
		l.all = append(l.all, &listener{
			Listener: &listeners[i], step: step, queue: make(chan event, queueLength), last: make(chan event, 1), done: make(chan struct{}),
		})
	}
}

// Observe implements batch.Observer.
func (l *audience) Observe(e batch.Event) {
	switch e := e.(type) {
	case batch.JobStarted:
		l.say(job.JobStarted, "", "started", nil)
	case batch.StepStarted:
		l.note(summarizedAs(e.Step, l.execution.ID, batch.Started))
		l.sayOfStep(job.StepStarted, e.Step, "started", nil)
	case batch.StepProgress:
		l.progress(e)
	case batch.StepRepeated:
		l.note(SummarizeStep(e.Step, l.execution.ID))
	case batch.StepEnded:
		l.note(SummarizeStep(e.Step, l.execution.ID))
		l.sayOfStep(endOf(e.Step.Status), e.Step, stepText(e), e.Err)
	case batch.ChunkFailed:
		l.say(job.ChunkFailed, e.Step.Name, "a chunk failed: "+e.Err.Error(), e.Err)
	case batch.ChunkRetried:
		l.say(job.ChunkRetried, e.Step.Name, fmt.Sprintf("attempt %d of %d at a chunk, after: %s", e.Attempt, e.Of, e.Err), e.Err)
	case batch.RecordSkipped:
		l.say(job.RecordSkipped, e.Step.Name, skipText(e), e.Err)
	}
}

// sayOfStep says something of a step as a whole: its partitions are not told of one by one.
func (l *audience) sayOfStep(name string, step *batch.StepExecution, text string, err error) {
	if !step.IsPartition() {
		l.say(name, step.Name, text, err)
	}
}

// summarizedAs is a summary of a step that is still being run.
func summarizedAs(s *batch.StepExecution, execution int64, status batch.Status) StepSummary {
	summary := SummarizeStep(s, execution)
	summary.Status, summary.ExitStatus, summary.Seconds = status, "", 0
	return summary
}

// note keeps what a step has done by now.
func (l *audience) note(step StepSummary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.summary.Steps, func(s StepSummary) bool { return s.ExecutionID == step.ExecutionID })
	l.summary.Steps = slices.Clone(l.summary.Steps) // events hold the one before
	if i < 0 {
		l.summary.Steps = append(l.summary.Steps, step)
		return
	}
	l.summary.Steps[i] = step
}

// progress keeps how far a step is, which stands in the summary of what happens next.
func (l *audience) progress(e batch.StepProgress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.summary.Steps {
		if s.ExecutionID == e.Step.ID {
			l.summary.Steps = slices.Clone(l.summary.Steps)
			l.summary.Steps[i].Counters = e.Counters.Named()
		}
	}
}

// say tells what happened to those who want to hear of it. A step is "" where it is about the job.
func (l *audience) say(name, step, text string, err error) {
	l.mu.Lock()
	summary := l.summary
	l.mu.Unlock()
	summary.Status = batch.Started
	summary.Seconds = seconds(l.engine.Now().Sub(l.began))
	if err != nil {
		summary.Errors = RedactedErrors(SummarizeErrors(err), l.engine.Secrets)
	}
	l.tell(event{EventSummary: EventSummary{Name: name, Step: step, Text: text}, summary: summary})
}

func (l *audience) tell(e event) {
	headline := fmt.Sprintf("%s #%d", l.execution.Instance.Name, l.execution.ID)
	if parameters := identifyingText(shownValues(l.execution.Parameters)); parameters != "" {
		headline += " " + parameters
	}
	if e.Step != "" {
		headline += ": step " + e.Step
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	e.id = fmt.Sprintf("%s-%d-%d", l.execution.Instance.Name, l.execution.ID, l.count)
	if len(e.summary.Errors) > 0 {
		e.error = e.summary.Errors[0].Message
	}
	e.Text = l.engine.Secrets.Redact(fault.Printable(headline + " " + e.Text))
	e.summary.Event = &e.EventSummary
	for _, one := range l.all {
		if slices.Contains(one.On, e.Name) && (e.only == nil || e.only == one) && (one.step == "" || one.step == batch.WholeOf(e.Step)) {
			one.take(e)
		}
	}
}

func shownValues(parameters []batch.Parameter) []batch.Parameter {
	shown := slices.Clone(parameters)
	for i := range shown {
		if shown[i].Secret {
			shown[i].Value = config.Hidden
		}
	}
	return shown
}

func ended(name string) bool {
	return name == job.JobCompleted || name == job.JobFailed || name == job.JobStopped
}

// take puts an event into the queue; where it is full the event is lost, and counted. How the job ended does not wait behind
// a long queue.
func (l *listener) take(e event) {
	queue := l.queue
	if ended(e.Name) && len(l.queue) > calmQueue {
		queue = l.last
	}
	select {
	case queue <- e:
	default:
		l.lost++
	}
}

// end tells how the job ended, and waits for the listeners, but not for long. It is called once, when nothing else of the
// job is running. A nil audience does nothing.
func (l *audience) end(o *Outcome, err error) {
	if l == nil {
		return
	}
	close(l.closed)
	l.waiting.Wait()
	name, text := howItEnded(o, err)
	summary := Summarize(o, err, l.engine.Secrets, meta.Describe(l.engine.Meta))
	l.tell(event{EventSummary: EventSummary{Name: name, Text: text}, summary: summary})
	for _, one := range l.all {
		close(one.queue)
		close(one.last)
	}
	l.await()
	for _, one := range l.all {
		l.tellLost(one)
	}
}

// await waits until all listeners have been told everything, or there is no more time.
func (l *audience) await() {
	enough := l.engine.After(lastWait)
	hurry := l.hurry
	for _, one := range l.all {
		for waiting := true; waiting; {
			select {
			case <-one.done:
				waiting = false
			case <-hurry:
				hurry, enough = nil, l.engine.After(hurriedWait)
			case <-enough:
				for _, one := range l.all {
					one.cancel()
				}
				<-one.done
				waiting = false
			}
		}
		one.cancel()
	}
}

// tellLost says how many events a listener was not told of.
func (l *audience) tellLost(one *listener) {
	lost := one.lost + len(one.queue) + len(one.last)
	if lost > 0 {
		l.warn(fmt.Sprintf("listener %s was too slow: it was not told of %d events", one.Type, lost))
	}
}

func (l *audience) warn(message string) { l.to.Observe(batch.Notice{Message: message}) }

// serve tells one listener what happens, until the queues are closed or ctx ends.
func (l *audience) serve(ctx context.Context, one *listener) {
	defer close(one.done)
	for queue, last := one.queue, one.last; queue != nil || last != nil; {
		var e event
		var more bool
		select {
		case e, more = <-last:
			if !more {
				last = nil
			}
		default:
			select {
			case e, more = <-last:
				if !more {
					last = nil
				}
			case e, more = <-queue:
				if !more {
					queue = nil
				}
			}
		}
		if ctx.Err() != nil {
			l.mu.Lock()
			if more {
				one.lost++
			}
			l.mu.Unlock()
			return
		}
		if more {
			l.notify(ctx, one, e)
		}
	}
}

// notify makes the listener, with the values of now, and tells it. What fails is a warning.
func (l *audience) notify(ctx context.Context, one *listener, e event) {
	err := guard(func() error {
		component, err := l.build(one, e)
		if err != nil || component == nil {
			return err
		}
		text, err := json.Marshal(e.summary)
		if err != nil {
			return err
		}
		return component.Notify(ctx, batch.Notification{Event: e.Name, Text: e.Text, Summary: text, ID: e.id})
	})
	if err != nil {
		l.warn(fmt.Sprintf("listener %s was not told of %s: %s", one.Type, e.Name, fault.Text(err)))
	}
}

// guard turns a panic of a listener into an error.
func guard(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "internal error: %v", p)
		}
	}()
	return fn()
}
