package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/runner"
)

// hook is a server on this host that listeners call. It keeps what it is sent.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	heard []Summary
}

func newHook(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s Summary
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &s); err != nil {
			t.Errorf("the hook was sent %s: %v", text, err)
		}
		h.mu.Lock()
		h.heard = append(h.heard, s)
		h.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// told returns the names of what the hook was told, in order.
func (h *hook) told() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for _, s := range h.heard {
		names = append(names, s.Event.Name)
	}
	return strings.Join(names, " ")
}

// of returns the first summary of an event.
func (h *hook) of(t *testing.T, event string) Summary {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.heard {
		if s.Event.Name == event {
			return s
		}
	}
	t.Fatalf("nobody told of %s", event)
	return Summary{}
}

// warnings collects what a person is told.
type warnings struct {
	mu  sync.Mutex
	all []string
}

func (n *warnings) Observe(e batch.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e := e.(type) {
	case batch.Notice:
		n.all = append(n.all, e.Message)
	case batch.Logged:
		n.all = append(n.all, e.Level+": "+e.Message)
	}
}

func (n *warnings) text() string { return strings.Join(n.all, "\n") }

// patient lets pauses take their time.
func patient(e *Engine) { e.After = time.After }

func (s *scene) runHeard(n *warnings) (*Outcome, error) {
	return s.engine().Run(s.Context(), RunRequest{Path: s.folder + "/job.yaml"}, Watcher{Observer: n})
}

const skippingJob = `
steps:
  - name: load
    chunk: 2
    reader: @reader
    processors:
      - validate: [{rule: id != 3, message: three is no number}]
    writer: @table
    skip: {limit: 5}
    retry: {max_retries: 1, backoff: 1ms}
listeners:
  - {on: [job.started, job.completed, job.failed, job.stopped, step.started, step.completed, step.failed, chunk.failed, chunk.retried, record.skipped], type: http, url: "%s"}
`

func TestListenersHearWhatHappensInItsOrder(t *testing.T) {
	t.Parallel()
	eachScene(t, "skips", func(s *scene) {
		h := newHook(s.T, nil)
		s.tune = patient
		s.input("1 2 3 4 5")
		s.table("4")
		s.job(fmt.Sprintf(skippingJob, h.URL))
		o := s.completes(s.runHeard(new(warnings)))
		const want = "job.started step.started chunk.failed record.skipped record.skipped step.completed job.completed"
		if h.told() != want {
			s.Errorf("told: %s\nwant: %s", h.told(), want)
		}
		skipped := h.of(s.T, "record.skipped")
		if want := fmt.Sprintf("scenario #%d: step load record 3 (in.csv:4) was skipped in process: three is no number (rule: id != 3)", o.Execution.ID); skipped.Event.Text != want {
			s.Errorf("text: %s\nwant: %s", skipped.Event.Text, want)
		}
		end := h.of(s.T, "job.completed")
		want2, _ := json.Marshal(Summarize(o, nil, nil, end.Meta))
		end.Event = nil
		if got, _ := json.Marshal(end); string(got) != string(want2) {
			s.Errorf("the summary is not that of the run:\n%s\n%s", got, want2)
		}
	})
}

func TestASkipIsToldOnceItsChunkIsCommitted(t *testing.T) {
	t.Parallel()
	onScene(t, "undone", func(s *scene) {
		h := newHook(s.T, nil)
		s.tune = patient
		s.input("1 2 3 4")
		s.table("4") // and 4 may not be skipped, so its chunk, with the bad 3 in it, is undone
		s.job(strings.Replace(fmt.Sprintf(skippingJob, h.URL), "skip: {limit: 5}", "skip: {limit: 5, on: [validation]}", 1))
		s.fails("")(s.runHeard(new(warnings)))
		if want := "job.started step.started chunk.failed step.failed job.failed"; h.told() != want {
			s.Errorf("told: %s\nwant: %s", h.told(), want)
		}
		if text := h.of(s.T, "step.failed").Event.Text; strings.Count(text, "load failed") != 1 || !strings.Contains(text, "in.csv:5") {
			s.Errorf("of the step: %s", text)
		}
		failed := h.of(s.T, "job.failed")
		if failed.Status != batch.Failed || len(failed.Errors) != 1 || failed.Restart == "" || !strings.Contains(failed.Event.Text, "to continue: batchctl restart") {
			s.Errorf("of the failure: %+v", failed)
		}
		s.exec("delete from t")
	})
}

func TestFailingListenersChangeNothing(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + closed.Addr().String() + "/services/c4nary"
	closed.Close()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hang := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	for name, c := range map[string]struct {
		url    func() string
		warned string // "" where nothing is
	}{
		"off":    {func() string { return "" }, ""},
		"closed": {func() string { return address }, "connection refused"},
		"error": {func() string {
			return newHook(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }).URL + "/c4nary"
		}, "the server answered 500 Internal Server Error"},
		"redirect": {func() string {
			return newHook(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/c4nary2", http.StatusFound) }).URL + "/c4nary"
		}, "the server answered 302"},
		"hangs":   {func() string { return newHook(t, hang).URL + "/c4nary" }, "no answer within 50ms"},
		"no host": {func() string { return "http://c4nary.invalid/x" }, "its host was not found"},
		"no url":  {func() string { return "c4nary" }, "is not an address"},
	} {
		onScene(t, strings.ReplaceAll(name, " ", "_"), func(s *scene) {
			s.input("1 2 3")
			s.table("")
			s.tune = func(e *Engine) {
				patient(e)
				env := e.Env
				e.Env = func(name string) (string, bool) {
					if name == "HOOK" {
						return c.url(), true
					}
					if env == nil {
						return "", false
					}
					return env(name)
				}
			}
			s.job("steps:\n  - {name: load, reader: @reader, writer: @table}\nlisteners:\n" +
				"  - {on: [job.started, job.completed], type: http, url: '${env.HOOK}', timeout: 50ms}\n")
			n := new(warnings)
			o, err := s.runHeard(n)
			if name == "no url" {
				if err == nil || strings.Contains(err.Error(), "c4nary") || !strings.Contains(err.Error(), "begins with http") {
					s.Errorf("got %v", err)
				}
				return
			}
			s.completes(o, err)
			if c.warned == "" != (len(n.all) == 0) || !strings.Contains(n.text(), c.warned) {
				s.Errorf("warnings: %s\nwant %q", n.text(), c.warned)
			}
			if strings.Contains(n.text(), "c4nary") || strings.Contains(n.text(), "127.0.0.1") {
				s.Errorf("an address was printed: %s", n.text())
			}
		})
	}
}

func TestAHangingListenerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	onScene(t, "hangs", func(s *scene) {
		release := make(chan struct{})
		stuck := newHook(s.T, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		fine := newHook(s.T, nil)
		s.input("1 2 3")
		s.table("")
		s.tune = func(e *Engine) {
			e.After = func(d time.Duration) <-chan time.Time { // the time for listeners is up at once
				c := make(chan time.Time, 1)
				if d != lastWait {
					return c
				}
				go func() {
					<-release
					c <- time.Time{}
				}()
				return c
			}
		}
		go func() {
			for fine.told() != "job.started job.completed" {
				time.Sleep(time.Millisecond)
			}
			close(release)
		}()
		s.job(fmt.Sprintf("steps:\n  - {name: load, reader: @reader, writer: @table}\nlisteners:\n"+
			"  - {on: [job.started, step.started, job.completed], type: http, url: %q, timeout: 1h}\n"+
			"  - {on: [job.started, job.completed], type: http, url: %q}\n", stuck.URL, fine.URL))
		n := new(warnings)
		s.completes(s.runHeard(n))
		for _, want := range []string{"was not told of job.started: the job has ended, and there was no answer in time", "it was not told of 2 events"} {
			if !strings.Contains(n.text(), want) {
				s.Errorf("warnings: %s\nwant %q", n.text(), want)
			}
		}
	})
}

func TestHowAJobEndedGoesBeforeWhatPiledUp(t *testing.T) {
	t.Parallel()
	onScene(t, "flood", func(s *scene) {
		first, ended := make(chan struct{}, 1), make(chan struct{})
		h := newHook(s.T, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case first <- struct{}{}: // the one that keeps the others waiting
				<-ended
			default:
			}
		})
		const ids = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25"
		s.input(ids)
		s.table(ids)
		s.tune = func(e *Engine) {
			e.After = func(d time.Duration) <-chan time.Time {
				if d == lastWait {
					close(ended)
				}
				return time.After(d)
			}
		}
		s.job(fmt.Sprintf(`
steps:
  - {name: load, chunk: 2, reader: @reader, writer: @table, skip: {limit: 99}}
listeners:
  - {on: [step.started, record.skipped, job.completed], type: http, url: %q}
`, h.URL))
		s.completes(s.runHeard(new(warnings)))
		if want := "step.started job.completed" + strings.Repeat(" record.skipped", 25); h.told() != want {
			s.Errorf("told: %v\nwant: %v", h.told(), want)
		}
	})
}

func TestSlowJobsAreToldOfOnce(t *testing.T) {
	t.Parallel()
	onScene(t, "fixed and multiple", func(s *scene) {
		h := newHook(s.T, nil)
		var waits []time.Duration
		now := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
		var mu sync.Mutex
		s.tune = func(e *Engine) {
			e.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(time.Second)
				return now
			}
			e.After = func(d time.Duration) <-chan time.Time {
				mu.Lock()
				defer mu.Unlock()
				c := make(chan time.Time, 1)
				if d != lastWait {
					waits = append(waits, d)
					c <- now
				}
				return c
			}
		}
		s.input("1 2 3")
		s.table("")
		s.job(fmt.Sprintf("params: {day: {type: int, default: 1}}\nsteps:\n  - {name: load, reader: @reader, writer: {type: discard}}\nlisteners:\n"+
			"  - {on: job.slow, expect: 20m, type: http, url: %[1]q}\n  - {on: [job.slow], expect: 3x, type: http, url: %[1]q}\n", h.URL))
		s.completes(s.run("day=1"))
		if h.told() != "job.slow" || !slices.Equal(waits, []time.Duration{20 * time.Minute}) {
			s.Fatalf("without a history: told %q, waited %v", h.told(), waits)
		}
		s.completes(s.run("day=2"))
		if h.told() != "job.slow job.slow job.slow" || len(waits) != 3 || waits[2] < 3*time.Second || waits[2]%(3*time.Second) != 0 {
			s.Errorf("with a history: told %q, waited %v", h.told(), waits)
		}
		if slow := h.of(s.T, "job.slow"); slow.Status != batch.Started || !strings.Contains(slow.Event.Text, "is slow: it is not done after 20m0s") {
			s.Errorf("told: %+v", slow)
		}
	})
}

func TestListenersOfAStepHearOfThatStep(t *testing.T) {
	t.Parallel()
	onScene(t, "two steps", func(s *scene) {
		h := newHook(s.T, nil)
		s.tune = patient
		s.input("1 2 3")
		s.job(fmt.Sprintf(`
steps:
  - name: first
    reader: @reader
    writer: {type: discard}
    listeners:
      - {on: [step.started, step.completed], type: http, url: %[1]q}
  - {name: second, tasklet: {type: set, context: {a: 1}}, listeners: [{on: step.completed, type: log, level: warn, message: "${event.step} ${event.status} ${context.a}"}]}
`, h.URL))
		n := new(warnings)
		s.completes(s.runHeard(n))
		if h.told() != "step.started step.completed" || n.text() != "warn: second STARTED 1" {
			s.Errorf("told %q, logged %q", h.told(), n.text())
		}
		if done := h.of(s.T, "step.completed"); done.Event.Step != "first" || len(done.Steps) == 0 || done.Steps[0].Counters["write_count"] != 3 {
			s.Errorf("told: %+v", done)
		}
	})
}

func TestAStoppedJobIsToldAsStopped(t *testing.T) {
	t.Parallel()
	onScene(t, "stop", func(s *scene) {
		h := newHook(s.T, nil)
		s.tune = patient
		s.input("1 2 3")
		s.job(fmt.Sprintf("steps:\n  - {name: load, reader: @reader, writer: {type: discard}}\nlisteners: [{on: [step.stopped, job.stopped, job.failed, step.failed], type: http, url: %q}]\n", h.URL))
		stop := make(chan struct{})
		close(stop)
		_, err := s.engine().Run(s.Context(), RunRequest{Path: s.folder + "/job.yaml"}, Watcher{Observer: nobody{}, Stop: stop})
		if !errors.Is(err, batch.ErrStopped) || errors.Is(err, runner.ErrTimedOut) || h.told() != "job.stopped" {
			s.Errorf("%v, told %q", err, h.told())
		}
	})
}

func TestValidateKnowsTheEnvironmentWithoutTheParameters(t *testing.T) {
	t.Parallel()
	onScene(t, "required", func(s *scene) {
		s.job(`
params: {day: {type: date, required: true}}
steps:
  - {name: load, reader: {type: csv, path: "${env.FOLDER}/in-${params.day}.csv"}, writer: {type: discard}}
listeners:
  - {on: [job.failed], type: slack, url: "${env.HOOK:-}"}
`)
		if _, err := s.engine().Validate(s.Context(), "job.yaml", nil); err != nil {
			s.Error(err)
		}
	})
}
