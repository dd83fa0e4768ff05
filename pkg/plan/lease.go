package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
)

// keeper prolongs the lease of an execution while it runs. Where that cannot be done, it ends the run before the lease
// does: from then on another host may go on with it. How much time has passed is measured by the monotonic clock, so that
// a clock that is set changes nothing.
type keeper struct {
	lease  time.Duration
	cancel context.CancelCauseFunc
	lost   chan struct{} // closed when the run has to end
	once   sync.Once
	stop   context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex // guards what follows
	heart  *meta.Heartbeat
	expiry *time.Timer
}

// The parts of a lease: how often it is prolonged, how long after a beat that did not arrive the next one is tried, and
// how old it may get before the run ends. What is left then is for undoing what is under way.
const (
	beatEvery  = 4  // a quarter
	retryEvery = 20 // a twentieth
)

func workingTime(lease time.Duration) time.Duration { return lease * 3 / 4 }

// keep begins to keep the lease of a launch; nil where the repository has none. The context ends where the lease is lost.
func keep(ctx context.Context, store *meta.Store, l *meta.Launch) (context.Context, *keeper, error) {
	heart := store.Heartbeat(l)
	if heart == nil {
		return ctx, nil, nil
	}
	k := &keeper{lease: store.Lease(), heart: heart, lost: make(chan struct{}), ended: make(chan struct{})}
	ctx, k.cancel = context.WithCancelCause(ctx)
	k.expiry = time.AfterFunc(workingTime(k.lease), func() { k.lose(k.expired()) })
	if err := k.confirm(ctx); err != nil {
		k.expiry.Stop()
		return ctx, nil, errors.Join(err, heart.Close())
	}
	var beating context.Context
	beating, k.stop = context.WithCancel(ctx)
	go k.run(beating)
	return ctx, k, nil
}

// close ends the beating; the lease runs out by itself, or does not matter any more.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	k.stop()
	<-k.ended
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expiry.Stop()
	k.cancel(nil)
	return k.heart.Close()
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.ended)
	pause := k.lease / beatEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = k.lease / beatEvery
		if err := k.confirm(ctx); err != nil {
			pause = k.lease / retryEvery
		}
	}
}

// confirm prolongs the lease now. An error means that this process may have lost the execution; one that wraps
// batch.ErrFenced, that it has.
func (k *keeper) confirm(ctx context.Context) error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	sent := time.Now()
	err := k.heart.Beat(ctx)
	left := time.Until(sent.Add(workingTime(k.lease))) // the server counts from when it heard of it, which was later
	switch {
	case errors.Is(err, batch.ErrFenced):
		k.lose(err)
	case err != nil:
	case left <= 0:
		err = k.expired() // this process was suspended meanwhile
		k.lose(err)
	default:
		k.expiry.Reset(left)
	}
	return err
}

// fenced ends the run where an error says that it was taken over.
func (k *keeper) fenced(err error) {
	if errors.Is(err, batch.ErrFenced) {
		k.lose(err)
	}
}

func (k *keeper) lose(err error) {
	k.once.Do(func() {
		close(k.lost)
		k.cancel(err)
	})
}

// expired is the error of a run whose lease has not been prolonged for too long.
func (k *keeper) expired() error {
	return fault.Wrap(fault.Environment, errLeaseLost, "the job repository has not confirmed for %s that this process still owns the execution",
		workingTime(k.lease)).WithCode("lease_lost").
		WithHint("it stopped, because another host may soon take the execution over; it can be restarted on any host as soon as the repository can be reached")
}

// errLeaseLost means that a process stopped because it could not keep its lease. It decides as batch.ErrFenced does:
// nothing is tried again.
const errLeaseLost leaseLost = "its lease would have run out"

type leaseLost string

func (l leaseLost) Error() string { return string(l) }

// Is implements errors.Is.
func (leaseLost) Is(target error) bool { return target == batch.ErrFenced }

// verdict is the error of a run that was fenced: who has taken it over, where the repository says so.
func (k *keeper) verdict(err error) error {
	if k == nil || !errors.Is(err, batch.ErrFenced) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWord(k.lease))
	defer cancel()
	if answer := k.confirm(ctx); errors.Is(answer, batch.ErrFenced) {
		return answer
	}
	return err
}

// lastWord is how long a run that has lost its lease tries to record how it ended.
func lastWord(lease time.Duration) time.Duration { return min(5*time.Second, lease/beatEvery) }

// enduring is the job repository of a run with a lease. While the lease lasts, a repository that cannot be reached does not
// end the run: what it has to know is saved when it is back, and how far a step has come is not said meanwhile.
type enduring struct {
	batch.Repository
	keeper *keeper
	notice func(error)
	known  sync.Map // by the ids of steps: their contexts, as they were last saved
	away   sync.Mutex
	told   bool      // about the repository being away
	rests  time.Time // until then nothing is asked that can wait
}

// repository returns what the runner saves to.
func (k *keeper) repository(inner batch.Repository, to batch.Observer) batch.Repository {
	if k == nil {
		return inner
	}
	return &enduring{Repository: inner, keeper: k, notice: func(err error) {
		to.Observe(batch.Notice{Message: "the run goes on for now although the job repository cannot be reached: " + err.Error()})
	}}
}

// SaveStep implements batch.Repository. What a step keeps for its next attempt is saved before it goes on.
func (r *enduring) SaveStep(ctx context.Context, step *batch.StepExecution) error {
	save := func(ctx context.Context) error { return r.Repository.SaveStep(ctx, step) }
	if step.Ended.IsZero() && r.knows(step) {
		return r.briefly(ctx, save)
	}
	err := r.persist(ctx, save)
	if err == nil {
		r.known.Store(step.ID, maps.Clone(step.Context))
	}
	return err
}

// knows reports whether the repository has all of a step but how far it is by now.
func (r *enduring) knows(step *batch.StepExecution) bool {
	saved, known := r.known.Load(step.ID)
	return known && maps.EqualFunc(saved.(batch.Context), step.Context, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// SaveJob implements batch.Repository.
func (r *enduring) SaveJob(ctx context.Context, job *batch.JobExecution) error {
	return r.persist(ctx, func(ctx context.Context) error { return r.Repository.SaveJob(ctx, job) })
}

// StartStep implements batch.Repository.
func (r *enduring) StartStep(ctx context.Context, step *batch.StepExecution) error {
	return r.persist(ctx, func(ctx context.Context) error { return r.Repository.StartStep(ctx, step) })
}

// StepHistory implements batch.Repository.
func (r *enduring) StepHistory(ctx context.Context, instance int64) (history []*batch.StepExecution, err error) {
	err = r.persist(ctx, func(ctx context.Context) error {
		history, err = r.Repository.StepHistory(ctx, instance)
		return err
	})
	return history, err
}

// StopRequested implements batch.Repository.
func (r *enduring) StopRequested(ctx context.Context, execution int64) (asked bool, err error) {
	err = r.briefly(ctx, func(ctx context.Context) error {
		asked, err = r.Repository.StopRequested(ctx, execution)
		return err
	})
	return asked, err
}

// briefly does what can wait: a repository that does not answer must not hold a load up.
func (r *enduring) briefly(ctx context.Context, fn func(context.Context) error) error {
	if r.resting() {
		return nil
	}
	brief, cancel := context.WithTimeoutCause(ctx, min(time.Second, r.keeper.lease/beatEvery), errSilent)
	defer cancel()
	return r.excuse(fn(brief))
}

var errSilent = fault.New(fault.Transient, "it does not answer")

func (r *enduring) resting() bool {
	r.away.Lock()
	defer r.away.Unlock()
	return time.Now().Before(r.rests)
}

// excuse drops the error of a repository that is away for a while.
func (r *enduring) excuse(err error) error {
	r.away.Lock()
	defer r.away.Unlock()
	if fault.ClassOf(err) != fault.Transient || errors.Is(err, batch.ErrFenced) {
		r.told = r.told && err != nil
		r.keeper.fenced(err)
		return err
	}
	r.rests = time.Now().Add(r.keeper.lease / retryEvery)
	if !r.told {
		r.told = true
		r.notice(err)
	}
	return nil
}

// persist saves, again and again while the repository is away and the lease lasts.
func (r *enduring) persist(ctx context.Context, save func(context.Context) error) error {
	for {
		err := r.attempt(ctx, save)
		if err == nil || r.excuse(err) != nil {
			return err
		}
		select {
		case <-r.keeper.lost:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(r.keeper.lease / retryEvery):
		}
	}
}

func (r *enduring) attempt(ctx context.Context, save func(context.Context) error) error {
	select {
	case <-r.keeper.lost:
		brief, cancel := context.WithTimeoutCause(ctx, lastWord(r.keeper.lease), errSilent)
		defer cancel()
		return save(brief)
	default:
		return save(ctx)
	}
}

// confirmed is a ledger that is claimed by the owner of the execution only. A claim raises the epoch, so one by a process
// that was taken over would shut the new owner out.
type confirmed struct {
	batch.Ledger
	keeper *keeper
}

// guard returns a ledger whose claims are confirmed, where there is a lease.
func (k *keeper) guard(ledger batch.Ledger) batch.Ledger {
	if k == nil || ledger == nil {
		return ledger
	}
	return &confirmed{Ledger: ledger, keeper: k}
}

// Claim implements batch.Ledger. The second question is for a process that was suspended between the first and the claim.
func (c *confirmed) Claim(ctx context.Context, step batch.StepKey, lanes int) ([]batch.Checkpoint, error) {
	if err := c.keeper.confirm(ctx); err != nil {
		return nil, err
	}
	claimed, err := c.Ledger.Claim(ctx, step, lanes)
	if err != nil {
		return nil, err
	}
	return claimed, c.keeper.confirm(ctx)
}
