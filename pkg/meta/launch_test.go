package meta

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
)

// refused launches and returns the refusal.
func refused(t *testing.T, s *Store, r Request, want error) *Refusal {
	t.Helper()
	l, err := s.Launch(t.Context(), r)
	if err == nil {
		_ = l.Close()
		t.Fatalf("launch of execution %d, want a refusal (%v)", l.Execution.ID, want)
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, want) {
		t.Fatalf("got %v, want a refusal (%v)", err, want)
	}
	return refusal
}

func TestLaunchRecordsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		r := identified("2026-11-20")
		r.Parameters = append(r.Parameters, batch.Parameter{Name: "chunk", Type: "int", Value: "500"})
		l := launch(t, s, r)
		if l.Previous != nil || l.Execution.Status != batch.Starting || l.Execution.ID == 0 {
			t.Errorf("got %+v after %+v, want a new STARTING execution", l.Execution, l.Previous)
		}
		d, err := open(t).Execution(t.Context(), l.Execution.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(d.Execution, l.Execution) {
			t.Errorf("read back:\n%+v\nlaunched:\n%+v", d.Execution, l.Execution)
		}
		if d.Owner == nil || d.Owner.PID != ThisProcess().PID || d.Owner.Host != ThisProcess().Host || d.Newest != l.Execution.ID {
			t.Errorf("got owner %+v, newest %d", d.Owner, d.Newest)
		}
	})
}

func TestCompletedInstanceIsRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		first := ended(t, s, identified("2026-11-20"), batch.Completed)
		refusal := refused(t, s, identified("2026-11-20"), batch.ErrComplete)
		if refusal.Execution != first.ID || !strings.Contains(refusal.Hint, "date") {
			t.Errorf("got %+v, want execution %d and a hint that names the parameter", refusal, first.ID)
		}
		if l := launch(t, s, identified("2026-11-21")); l.Previous != nil {
			t.Error("another date continues something")
		}
	})
}

func TestFailedAndStoppedInstancesContinue(t *testing.T) {
	t.Parallel()
	for _, status := range []batch.Status{batch.Failed, batch.Stopped} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				s := open(t)
				l := launch(t, s, identified("2026-11-20"))
				start(t, s, l)
				step(t, s, l, "load", status, 3)
				l.Execution.Context = batch.Context{"total": []byte(`"12.50"`)}
				end(t, s, l, status)

				r := identified("2026-11-20")
				r.Parameters = append(r.Parameters, batch.Parameter{Name: "chunk", Type: "int", Value: "7"})
				again := launch(t, s, r)
				if again.Execution.ID <= l.Execution.ID || again.Execution.Instance != l.Execution.Instance {
					t.Errorf("got execution %d of %v after %d of %v", again.Execution.ID, again.Execution.Instance, l.Execution.ID, l.Execution.Instance)
				}
				if string(again.Execution.Context["total"]) != `"12.50"` {
					t.Errorf("got context %s, want the one of the execution before", again.Execution.Context)
				}
				if again.Previous.ID != l.Execution.ID || len(again.Previous.Steps) != 1 || again.Previous.Steps[0].Counters.Commit != 3 {
					t.Errorf("got previous %+v, want execution %d with its step", again.Previous, l.Execution.ID)
				}
				d, err := s.Execution(t.Context(), again.Execution.ID)
				if err != nil {
					t.Fatal(err)
				}
				if got := describeParameters(d.Execution.Parameters); got != "chunk=7 date=2026-11-20" {
					t.Errorf("got parameters %s, want those of the restart", got)
				}
				if n := count(t, s, "BATCH_JOB_INSTANCE"); n != 1 {
					t.Errorf("got %d instances, want 1", n)
				}
			})
		})
	}
}

func TestRunningInstanceIsRefusedWithItsOwner(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		l := launch(t, open(t), identified("2026-11-20"))
		refusal := refused(t, open(t), identified("2026-11-20"), batch.ErrRunning)
		if refusal.Execution != l.Execution.ID || !strings.Contains(refusal.Message, ThisProcess().String()) {
			t.Errorf("got %+v, want execution %d and %s in the message", refusal, l.Execution.ID, ThisProcess())
		}
		refused(t, open(t), Request{Job: "import", Key: l.Execution.Instance.Key, Restart: l.Execution.ID,
			Definition: l.Execution.Definition}, batch.ErrRunning)
	})
}

func TestRefusalsThatAreNotRestartable(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		arrange func(t *testing.T, s *Store) Request
		message string
		hint    string
	}{
		"abandoned": {
			arrange: func(t *testing.T, s *Store) Request {
				e := ended(t, s, identified("2026-11-20"), batch.Failed)
				if err := s.Abandon(t.Context(), e.ID); err != nil {
					t.Fatal(err)
				}
				return identified("2026-11-20")
			},
			message: "abandoned", hint: "date",
		},
		"restartable false": {
			arrange: func(t *testing.T, s *Store) Request {
				ended(t, s, identified("2026-11-20"), batch.Failed)
				r := identified("2026-11-20")
				r.NotRestartable = true
				return r
			},
			message: "restartable: false", hint: "/jobs/import.yaml",
		},
		"continued already": {
			arrange: func(t *testing.T, s *Store) Request {
				first := ended(t, s, identified("2026-11-20"), batch.Failed)
				ended(t, s, identified("2026-11-20"), batch.Failed)
				r := identified("2026-11-20")
				r.Restart = first.ID
				return r
			},
			message: "execution 1 was continued already, by execution 2 (FAILED)", hint: "batchctl restart 2",
		},
		"another job": {
			arrange: func(t *testing.T, s *Store) Request {
				e := ended(t, s, identified("2026-11-20"), batch.Failed)
				r := identified("2026-11-20")
				r.Job, r.Restart = "export", e.ID
				return r
			},
			message: "execution 1 is one of job import, and the definition is of job export", hint: "renamed",
		},
		"other identity": {
			arrange: func(t *testing.T, s *Store) Request {
				e := ended(t, s, identified("2026-11-20"), batch.Failed)
				r := identified("2026-11-21")
				r.Restart = e.ID
				return r
			},
			message: "other identifying parameters", hint: "date=2026-11-20",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				s := open(t)
				r := c.arrange(t, s)
				before := count(t, s, "BATCH_JOB_EXECUTION")
				refusal := refused(t, s, r, batch.ErrNotRestartable)
				if !strings.Contains(refusal.Message, c.message) || !strings.Contains(refusal.Hint, c.hint) {
					t.Errorf("got %q, hint %q; want %q, hint %q", refusal.Message, refusal.Hint, c.message, c.hint)
				}
				if fault.HintOf(refusal) != refusal.Hint || fault.CodeOf(refusal) != "not_restartable" || fault.ClassOf(refusal) != fault.Environment {
					t.Errorf("got hint %q, code %q, class %q by package fault", fault.HintOf(refusal), fault.CodeOf(refusal), fault.ClassOf(refusal))
				}
				if after := count(t, s, "BATCH_JOB_EXECUTION"); after != before {
					t.Errorf("%d executions after a refusal, %d before", after, before)
				}
			})
		})
	}
}

func TestRestartOfAnUnknownExecutionIsRefused(t *testing.T) {
	t.Parallel()
	r := identified("2026-11-20")
	r.Restart = 17
	if refusal := refused(t, openNew(t), r, ErrNoExecution); refusal.Message != "there is no execution 17 in this job repository" {
		t.Errorf("got %q", refusal.Message)
	}
}

func TestNewNeedsEachRun(t *testing.T) {
	t.Parallel()
	r := identified("2026-11-20")
	r.New = true
	if _, err := openNew(t).Launch(t.Context(), r); fault.ClassOf(err) != fault.Definition {
		t.Errorf("got %v, want an error of class definition", err)
	}
}

func TestChangedDefinition(t *testing.T) {
	t.Parallel()
	const changed = "job: import\nsteps: []\nworkdir: out\n"
	cases := map[string]struct {
		commits int64
		status  batch.Status
		dies    bool
		drift   Drift
		refused bool
		changed bool
		text    string
	}{
		"after a commit it is refused":               {commits: 1, status: batch.Failed, refused: true},
		"after a completed step it is refused":       {status: batch.Completed, refused: true},
		"after a dead process it is refused":         {status: batch.Started, dies: true, refused: true},
		"before any commit it is taken":              {status: batch.Failed, changed: true, text: changed},
		"it is taken where changes are accepted":     {commits: 1, status: batch.Failed, drift: AcceptChanges, changed: true, text: changed},
		"the recorded one is taken where asked for":  {commits: 1, status: batch.Failed, drift: AsRecorded, text: identified("").Definition.Text},
		"the recorded one also before a commit":      {status: batch.Failed, drift: AsRecorded, text: identified("").Definition.Text},
		"accepted also where the process was killed": {status: batch.Started, dies: true, drift: AcceptChanges, changed: true, text: changed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, open opener) {
				s := open(t)
				l := start(t, s, launch(t, s, identified("2026-11-20")))
				step(t, s, l, "load", c.status, c.commits)
				if c.dies {
					die(t, l)
				} else {
					end(t, s, l, batch.Failed)
				}
				r := identified("2026-11-20")
				r.Definition, r.Drift = definition(changed), c.drift
				if c.refused {
					refusal := refused(t, s, r, batch.ErrNotRestartable)
					if want := "+    3  workdir: out"; refusal.Diff != want {
						t.Errorf("got difference %q, want %q", refusal.Diff, want)
					}
					if d, err := s.Execution(t.Context(), l.Execution.ID); err != nil || d.Execution.Status != batch.Failed {
						t.Errorf("the refused execution: %+v, %v, want FAILED", d, err)
					}
					return
				}
				again := launch(t, s, r)
				if again.Changed != c.changed || again.Execution.Definition.Text != c.text {
					t.Errorf("got changed %v, definition %q; want %v, %q", again.Changed, again.Execution.Definition.Text, c.changed, c.text)
				}
			})
		})
	}
}

func TestFileCheckpointsCountAsCommitted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open opener) {
		s := open(t)
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		key := batch.StepKey{Repository: s.ID(), Job: "import", Instance: l.Execution.Instance.Key, Step: "export"}
		ledger := NewStoreLedger(s, false)
		if _, err := ledger.Claim(t.Context(), key, 1); err != nil {
			t.Fatal(err)
		}
		_, err := ledger.Commit(t.Context(), batch.LaneKey{StepKey: key}, func(batch.Tx) (batch.Checkpoint, error) { return batch.Checkpoint{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		end(t, s, l, batch.Failed)
		r := identified("2026-11-20")
		r.Definition = definition("job: import\n# other\n")
		refused(t, s, r, batch.ErrNotRestartable)
	})
}

func TestDefinitionTextIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	ended(t, s, identified("2026-11-20"), batch.Completed)
	ended(t, s, identified("2026-11-21"), batch.Completed)
	if n := count(t, s, "BATCHCTL_DEFINITION"); n != 1 {
		t.Errorf("got %d definitions, want 1", n)
	}
	if text, err := s.DefinitionText(t.Context(), identified("").Definition.Hash); err != nil || text != identified("").Definition.Text {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestUnknownStatusIsNotContinued(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	e := ended(t, s, identified("2026-11-20"), batch.Failed)
	e.Status, e.Exit.Code = batch.Unknown, "UNKNOWN"
	change(t, s, "update BATCH_JOB_EXECUTION set STATUS = 'UNKNOWN', EXIT_CODE = 'UNKNOWN', CHECKSUM = ?", jobChecksum(e))
	refused(t, s, identified("2026-11-20"), batch.ErrNotRestartable)
}

func TestLockWithoutAnExecutionIsRefusedAfterAMoment(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	r := identified("2026-11-20")
	lock, err := take(s.locks, lockName(r.Job, r.Key))
	if err != nil {
		t.Fatal(err)
	}
	refusal := refused(t, s, r, batch.ErrRunning)
	if !strings.Contains(refusal.Message, "started or ended") || refusal.Hint == "" {
		t.Errorf("got %q, hint %q", refusal.Message, refusal.Hint)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	launch(t, s, r)
}

func TestEndingProcessIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	for range 20 {
		l := start(t, s, launch(t, s, identified("2026-11-20")))
		l.Execution.Status = batch.Failed
		if err := s.SaveJob(t.Context(), l.Execution); err != nil {
			t.Fatal(err)
		}
		ending := make(chan error) // the execution has ended, its process has still to give the lock back
		go func() { ending <- l.Close() }()
		end(t, s, launch(t, s, identified("2026-11-20")), batch.Failed)
		if err := <-ending; err != nil {
			t.Error(err)
		}
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	keyless, wrongHash := identified("2026-11-20"), identified("2026-11-20")
	keyless.Key = ""
	wrongHash.Definition.Text += "#"
	for name, r := range map[string]Request{"no key": keyless, "another hash": wrongHash} {
		if _, err := s.Launch(t.Context(), r); fault.ClassOf(err) != fault.Internal {
			t.Errorf("%s: got %v, want an error of class internal", name, err)
		}
	}
}

func TestStampsAreReadAsDriversGiveThem(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 21, 0, 30, 0, 123456000, time.UTC)
	for name, value := range map[string]any{
		"what is stored": stamp(fixedClock()), "a time": want.In(time.FixedZone("", 3600)), "bytes": []byte("2026-11-21 00:30:00.123456"),
		"RFC 3339": "2026-11-21T01:30:00.123456+01:00",
	} {
		var got time.Time
		if err := (stampInto{&got}).Scan(value); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	got := want
	if err := (stampInto{&got}).Scan(nil); err != nil || !got.IsZero() || stamp(time.Time{}) != nil {
		t.Errorf("null: got %v, %v", got, err)
	}
	for _, value := range []any{"yesterday", 17} {
		if err := (stampInto{&got}).Scan(value); err == nil {
			t.Errorf("%v was read as %v", value, got)
		}
	}
}
