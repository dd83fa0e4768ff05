package meta

import (
	"context"
	"errors"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/sqldb"
)

// Drift says what happens when the definition differs from the one that the instance's last execution ran.
type Drift string

const (
	RefuseChanges Drift = ""         // refused with the difference
	AcceptChanges Drift = "accept"   // the definition of the request is taken
	AsRecorded    Drift = "recorded" // the recorded definition is taken; see Launch.Execution.Definition
)

// Request is what a job is started, or continued, with.
type Request struct {
	Job        string
	Key        string            // JOB_KEY, as job.InstanceKey makes it; not used with EachRun
	EachRun    bool              // the definition says instance: each_run, or has no identifying parameter
	New        bool              // with EachRun: a new instance even where an unfinished or running one is there
	Parameters []batch.Parameter // as resolved; values of secret ones are not stored
	Definition batch.Definition  // Text is stored: it must hold no secret, and Hash be the SHA-256 of it
	// NotRestartable is set where the definition says restartable: false.
	NotRestartable bool
	Drift          Drift
	// Restart is the execution to continue; 0 decides by the instance's identity.
	Restart int64
	// Replay is what a new instance replays, nil where it reads its own input. It goes with EachRun and New.
	Replay *Replay

	chosen  string // with EachRun: the JOB_KEY of the unfinished instance that is to be continued, "" for a new one
	holding string // the name of the instance's lock, where this process has it
}

// Launch is an execution that this process owns: it is recorded with status STARTING, and its instance is locked until
// Close, or until the process ends however it ends.
type Launch struct {
	Execution *batch.JobExecution // new, without steps; its context is the one of Previous
	Previous  *batch.JobExecution // the execution it continues, with its steps; nil for a new instance
	Changed   bool                // the definition differs from Previous's, and the new one was taken
	// Alone says that every earlier owner of the instance is known to be dead, or to have ended. One whose lease ran out may
	// still write into its own unfinished files.
	Alone bool
	epoch int64
	lock  *heldLock
}

// Close gives the instance's lock back. What the execution ended with has to be saved before.
func (l *Launch) Close() error { return l.lock.Close() }

// decisionPatience is how long a launch waits for another one of the same job to be decided.
const decisionPatience = 30 * time.Second

// Launch decides, in one transaction, whether the requested job may run, and records its new execution. Where it may
// not, the error is a *Refusal. The caller owes the Launch a Close.
func (s *Store) Launch(ctx context.Context, r Request) (*Launch, error) {
	if err := s.checkRequest(r); err != nil {
		return nil, err
	}
	if r.Restart != 0 {
		if err := s.nameRestarted(ctx, &r); err != nil {
			return nil, err
		}
	}
	for {
		launch, err := s.launch(ctx, r)
		if !errors.Is(err, errOvertaken) {
			return launch, err
		}
	}
}

// errOvertaken means that between choosing a run and recording it another host changed what there was to choose from.
var errOvertaken = errors.New("another host has started this job just now")

func (s *Store) launch(ctx context.Context, r Request) (*Launch, error) {
	if !r.EachRun {
		return s.launchInstance(ctx, r)
	}
	// Instances of each run have no name that two launches could meet at, so their decisions take turns.
	turn, err := takeWithin(ctx, s.locks, lockName(r.Job, ""), decisionPatience)
	if errors.Is(err, files.ErrHeld) {
		return nil, fault.New(fault.Environment, "another process has been starting job %s for %s", r.Job, decisionPatience).WithHint("try again")
	}
	if err != nil {
		return nil, err
	}
	launch, err := s.launchRun(ctx, r)
	if closed := turn.Close(); closed != nil && err == nil {
		return nil, errors.Join(fault.Wrap(fault.Environment, closed, "end the decision about job %s", r.Job), launch.Close())
	}
	return launch, err
}

func (s *Store) checkRequest(r Request) error {
	switch {
	case s.options.ReadOnly:
		return fault.New(fault.Environment, "job repository %s is opened for reading only", s.Location())
	case r.New && !r.EachRun:
		return fault.New(fault.Definition, "a new instance of job %s needs other identifying parameters", r.Job).
			WithHint("--new is for jobs with instance: each_run")
	case r.Key == "" && !r.EachRun && r.Restart == 0:
		return fault.New(fault.Internal, "launch of job %s without a key", r.Job)
	case r.Definition.Hash != hashOf(r.Definition.Text):
		return fault.New(fault.Internal, "launch of job %s with a definition that does not have its hash", r.Job)
	}
	return nil
}

// nameRestarted finds the instance of the execution that is to be continued.
func (s *Store) nameRestarted(ctx context.Context, r *Request) error {
	return s.read(ctx, func(q sqldb.Querier) error {
		row, err := job(ctx, q, "where e.JOB_EXECUTION_ID = ?", r.Restart)
		if err != nil {
			return err
		}
		if row == nil {
			return noExecution(r.Restart)
		}
		instance := row.execution.Instance
		if instance.Name != r.Job {
			return otherJob(row.execution, r.Job)
		}
		if !r.EachRun && r.Key != instance.Key {
			return otherParameters(row.execution)
		}
		r.Key = instance.Key
		return nil
	})
}

// launchRun finds or draws the instance of a job that gets a new one with each run, and launches it.
func (s *Store) launchRun(ctx context.Context, r Request) (*Launch, error) {
	if r.Restart != 0 {
		return s.launchInstance(ctx, r)
	}
	err := s.read(ctx, func(q sqldb.Querier) (err error) {
		r.chosen, err = s.chooseRun(ctx, q, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Key = r.chosen
	if r.Key == "" {
		r.Key = s.options.NewID()
	}
	return s.launchInstance(ctx, r)
}

// launchInstance takes the instance's lock, and decides and records in one transaction.
func (s *Store) launchInstance(ctx context.Context, r Request) (*Launch, error) {
	name := lockName(r.Job, r.Key)
	lock, err := s.takeInstance(ctx, r, name)
	if err != nil {
		return nil, err
	}
	launch := &Launch{lock: lock}
	var refusal *Refusal
	err = s.write(ctx, func(tx *sqldb.Tx) error {
		err := s.decide(ctx, tx, r, name, launch)
		if errors.As(err, &refusal) {
			return nil // that the process before was found dead is true all the same
		}
		return err
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	if err != nil {
		return nil, withClose(err, lock.Close())
	}
	s.remember(launch.Execution.Instance, holds{launch.Execution.ID, launch.epoch})
	return launch, nil
}

// A launch that finds the lock taken looks for the execution that has it only after introduction, and for up to patience:
// between taking the lock and recording it there are some milliseconds, in which the record may still name a dead
// process, and so there are between the end of an execution and that of its process.
const (
	introduction = 10 * time.Millisecond
	patience     = time.Second
)

// takeInstance takes an instance's lock. Where a running execution has it, the error is the refusal.
func (s *Store) takeInstance(ctx context.Context, r Request, name string) (*heldLock, error) {
	lock, err := take(s.locks, name)
	if !errors.Is(err, files.ErrHeld) {
		return lock, err
	}
	time.Sleep(introduction)
	err = within(ctx, patience, func() (done bool, err error) {
		if lock, err = take(s.locks, name); !errors.Is(err, files.ErrHeld) {
			return true, err
		}
		e, who, err := s.runningOf(ctx, r)
		switch {
		case err != nil:
			return true, err
		case who != nil:
			return true, running(r.Job, e, who)
		}
		return false, justNow(r)
	})
	return lock, err
}

// runningOf returns the last execution of an instance, where it is recorded as running, and its owner.
func (s *Store) runningOf(ctx context.Context, r Request) (e *batch.JobExecution, who *Owner, err error) {
	err = s.read(ctx, func(q sqldb.Querier) error {
		last, err := job(ctx, q, "where i.JOB_NAME = ? and i.JOB_KEY = ? order by e.JOB_EXECUTION_ID desc", r.Job, r.Key)
		if err != nil || last == nil || !last.execution.Status.Running() {
			return err
		}
		e = last.execution
		who, err = s.owner(ctx, q, e.ID)
		return err
	})
	return e, who, err
}
