package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb"
)

// PurgeRequest says which history is to be deleted.
type PurgeRequest struct {
	Job          string        // "": of all jobs
	OlderThan    time.Duration // instances that ended longer ago; 0: whenever
	Keep         int           // the newest so many instances of each job stay
	Unfinished   bool          // failed and stopped instances too: they are abandoned first
	Forget       bool          // also that an instance with identifying parameters is complete
	LeaveTargets bool          // checkpoints in target databases stay
	DryRun       bool
}

// Purged is what was deleted, or would be.
type Purged struct {
	Jobs        []PurgedJob
	Files       []string // unfinished ones
	Checkpoints int64    // in target databases
	Definitions int64    // that nothing refers to any more
	Freed       int64    // bytes of the metadata file
	Left        []LeftInstance
}

// PurgedJob is what was deleted of one job.
type PurgedJob struct {
	Job        string
	Instances  int
	Executions int
	Remembered int // of the instances: still known to be complete or abandoned
	Abandoned  int // of the instances: could have been restarted
}

// LeftInstance is an instance that was left in place, and why.
type LeftInstance struct {
	Job       string
	Execution int64 // the newest
	Err       error
}

// purgeBatch is how many instances are deleted in one transaction: some milliseconds, for which runs beside it wait.
const purgeBatch = 50

// Purge deletes the history of ended instances. An instance whose checkpoints cannot be deleted in its targets is left in
// place and listed.
func (e *Engine) Purge(ctx context.Context, r PurgeRequest) (purged *Purged, err error) {
	store, err := e.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	filter := meta.PurgeFilter{Job: r.Job, Keep: r.Keep, Unfinished: r.Unfinished, Forget: r.Forget}
	if r.OlderThan > 0 {
		filter.Before = e.Now().Add(-r.OlderThan)
	}
	if err := knownJob(ctx, store, r.Job); err != nil {
		return nil, err
	}
	p := &purge{engine: e, store: store, request: r, result: &Purged{}, targets: newTargets(ctx)}
	if r.DryRun {
		chosen, err := store.Purgeable(ctx, filter)
		p.count(chosen)
		return p.result, err
	}
	if p.turn, err = store.TakePurge(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.targets.close(), p.turn.Release()) }()
	chosen, err := store.Purgeable(ctx, filter)
	if err != nil {
		return nil, err
	}
	return p.result, p.all(ctx, chosen)
}

func knownJob(ctx context.Context, store *meta.Store, name string) error {
	if name == "" {
		return nil
	}
	found, err := store.Executions(ctx, meta.Filter{Job: name, Limit: 1})
	if err == nil && len(found) == 0 {
		err = unknownJob(ctx, store, name)
	}
	return err
}

// purge is a purge under way.
type purge struct {
	engine  *Engine
	store   *meta.Store
	request PurgeRequest
	result  *Purged
	targets *targets
	turn    *sqldb.HeldLock // of the repository's purges
}

func (p *purge) all(ctx context.Context, chosen []meta.Purgeable) error {
	for len(chosen) > 0 {
		n := min(purgeBatch, len(chosen))
		if err := p.some(ctx, chosen[:n]); err != nil {
			return err
		}
		chosen = chosen[n:]
	}
	var err error
	if p.result.Definitions, err = p.store.PurgeDefinitions(ctx); err != nil {
		return err
	}
	p.result.Freed, err = p.store.Shrink(ctx)
	return err
}

// some deletes instances together, each held so that nobody launches it meanwhile.
func (p *purge) some(ctx context.Context, chosen []meta.Purgeable) (err error) {
	ready, held := make([]meta.Purgeable, 0, len(chosen)), make([]func() error, 0, len(chosen))
	defer func() {
		for _, release := range held {
			err = errors.Join(err, release())
		}
	}()
	for _, one := range chosen {
		if err := ctx.Err(); err != nil {
			return err
		}
		release, err := p.store.Hold(ctx, one.Instance)
		if err != nil {
			p.leave(one, err)
			continue
		}
		held = append(held, release)
		if err := p.outside(ctx, &one); err != nil {
			p.leave(one, err)
			continue
		}
		ready = append(ready, one)
	}
	purged, err := p.store.Purge(ctx, ready)
	if err != nil && ctx.Err() == nil {
		purged, err = p.oneByOne(ctx, ready), nil
	}
	p.count(purged)
	return err
}

// oneByOne purges instances of which some cannot be: a damaged record must not keep the others from it.
func (p *purge) oneByOne(ctx context.Context, ready []meta.Purgeable) (purged []meta.Purgeable) {
	for _, one := range ready {
		done, err := p.store.Purge(ctx, []meta.Purgeable{one})
		if err != nil {
			p.leave(one, err)
		}
		purged = append(purged, done...)
	}
	return purged
}

// outside deletes what an instance left outside of the job repository. Before that, nobody may be able to continue it: it
// would begin again where it has loaded something already.
func (p *purge) outside(ctx context.Context, one *meta.Purgeable) error {
	if one.Status == batch.Completed && one.Remembered {
		return nil
	}
	last, err := p.store.LastExecution(ctx, one.Instance.ID)
	if err != nil {
		return err
	}
	if last == nil || last.ID != one.Last || last.Status != one.Status {
		return fault.New(fault.Environment, "it has changed meanwhile")
	}
	if one.Status != batch.Completed {
		if one.Status != batch.Abandoned {
			if err := p.store.Abandon(ctx, last.ID); err != nil {
				return err
			}
			one.Status = batch.Abandoned
			one.GivenUp = true
		}
		removed, err := p.engine.removePartials(ctx, p.store, last)
		p.result.Files = append(p.result.Files, removed...)
		if err != nil {
			return err
		}
	}
	if one.Remembered || p.request.LeaveTargets {
		return nil
	}
	if err := p.turn.Still(ctx); err != nil {
		return err
	}
	rows, err := p.targets.forget(ctx, p.engine, p.store.ID(), last)
	p.result.Checkpoints += rows
	return err
}

func (p *purge) leave(one meta.Purgeable, err error) {
	p.result.Left = append(p.result.Left, LeftInstance{one.Instance.Name, one.Last, err})
}

// count adds instances to the sums of their jobs; those of one job come together.
func (p *purge) count(purged []meta.Purgeable) {
	for _, one := range purged {
		jobs := p.result.Jobs
		if len(jobs) == 0 || jobs[len(jobs)-1].Job != one.Instance.Name {
			jobs = append(jobs, PurgedJob{Job: one.Instance.Name})
		}
		sum := &jobs[len(jobs)-1]
		sum.Instances++
		sum.Executions += one.Executions
		if one.Remembered {
			sum.Remembered++
			sum.Executions-- // the last one stays
		}
		if one.GivenUp || one.Status.Restartable() {
			sum.Abandoned++
		}
		p.result.Jobs = jobs
	}
}

// Err says that instances were left in place; nil where none was.
func (r *Purged) Err() error {
	if len(r.Left) == 0 {
		return nil
	}
	first := r.Left[0]
	e := fault.Wrap(fault.Environment, first.Err, "%s left in place; execution %d of job %s", instances(len(r.Left)), first.Execution, first.Job).
		WithCode("left_in_place")
	return e.WithHint("run purge again when it can be reached; --targets=false leaves checkpoints in target databases where they are")
}

func instances(n int) string {
	if n == 1 {
		return "1 instance was"
	}
	return fmt.Sprintf("%d instances were", n)
}
