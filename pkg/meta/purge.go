package meta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/sqldb"
)

// PurgeFilter chooses instances whose history is to be deleted. What is running is never chosen.
type PurgeFilter struct {
	Job        string    // "": all jobs
	Before     time.Time // the last execution ended before; zero: whenever
	Keep       int       // not one of the newest so many instances of its job
	Unfinished bool      // also where the last execution failed or stopped and could be restarted
	Forget     bool      // also that an instance with identifying parameters is complete, or was abandoned
}

// Purgeable is an instance whose history can be deleted.
type Purgeable struct {
	Instance   batch.JobInstance
	Last       int64 // its newest execution
	Status     batch.Status
	Ended      time.Time
	Executions int
	// Remembered is set where the instance and its last execution stay, without steps, so that a run of the same parameters
	// is refused as before.
	Remembered bool
	GivenUp    bool // for the caller: it was abandoned for this purge
	steps      int
}

// Purgeable lists the instances that a filter chooses, by job, the newest first.
func (s *Store) Purgeable(ctx context.Context, f PurgeFilter) (chosen []Purgeable, err error) {
	newest := map[string]int{}
	err = s.read(ctx, func(q sqldb.Querier) error {
		return each(ctx, q, func(rows *sqldb.Rows) error {
			p, err := scanPurgeable(rows)
			if err != nil {
				return err
			}
			newest[p.Instance.Name]++
			p.Remembered = !f.Forget && !drawn(p.Instance.Key)
			if newest[p.Instance.Name] > f.Keep && f.chooses(p) {
				chosen = append(chosen, p)
			}
			return nil
		}, `select i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, e.JOB_EXECUTION_ID, e.STATUS, e.END_TIME, e.LAST_UPDATED,
			(select count(*) from BATCH_JOB_EXECUTION a where a.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID),
			(select count(*) from BATCH_STEP_EXECUTION s where s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID)
			from BATCH_JOB_INSTANCE i join BATCH_JOB_EXECUTION e on e.JOB_EXECUTION_ID =
				(select max(l.JOB_EXECUTION_ID) from BATCH_JOB_EXECUTION l where l.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID)
			where ? = '' or i.JOB_NAME = ? order by i.JOB_NAME, e.JOB_EXECUTION_ID desc`, f.Job, f.Job)
	})
	return chosen, err
}

func scanPurgeable(rows *sqldb.Rows) (p Purgeable, err error) {
	var updated time.Time
	err = rows.Scan(&p.Instance.ID, &p.Instance.Name, &p.Instance.Key, &p.Last, &p.Status, stampInto{&p.Ended}, stampInto{&updated},
		&p.Executions, &p.steps)
	if p.Ended.IsZero() {
		p.Ended = updated
	}
	return p, err
}

// drawn reports whether a JOB_KEY was drawn for one run, and will never be asked for again; others are hashes of parameters.
func drawn(key string) bool { return len(key) != len(hashOf("")) }

func (f PurgeFilter) chooses(p Purgeable) bool {
	if !f.Before.IsZero() && !p.Ended.Before(f.Before) {
		return false
	}
	switch {
	case p.Status == batch.Completed, p.Status == batch.Abandoned:
		return !p.Remembered || p.Executions > 1 || p.steps > 0
	}
	return f.Unfinished && p.Status.Restartable()
}

// TakePurge makes the purges of a repository come one after the other, on whatever hosts. Two at once could choose the same
// instance: when one has forgotten it, it may be run anew, and the other would take that run's checkpoints away. It waits for
// the one before; the lock is nil where the repository is a file, whose instances are held by their own locks.
func (s *Store) TakePurge(ctx context.Context) (*sqldb.HeldLock, error) {
	if !s.leased() {
		return nil, nil
	}
	lock, err := s.db.HoldLock(ctx, "purge "+s.id)
	if fault.CodeOf(err) == "55P03" {
		return nil, fault.Wrap(fault.Transient, err, "another purge of this job repository is under way").WithCode("purging").
			WithHint("wait until it has ended, then purge again")
	}
	return lock, err
}

// Hold takes the lock of an instance, so that nobody on this host launches it until release is called. Where somebody is
// at it, the error wraps batch.ErrRunning.
func (s *Store) Hold(ctx context.Context, i batch.JobInstance) (release func() error, err error) {
	lock, err := take(s.locks, lockName(i.Name, i.Key))
	if errors.Is(err, files.ErrHeld) {
		return nil, justNow(Request{Job: i.Name})
	}
	if err != nil {
		return nil, err
	}
	return lock.Close, nil
}

// Purge deletes the history of instances in one short transaction: executions with parameters, contexts, steps and owners,
// and the checkpoints that this repository keeps. An instance whose newest execution is another one by now, or has another
// status, is left; those that were purged are returned.
func (s *Store) Purge(ctx context.Context, chosen []Purgeable) (purged []Purgeable, err error) {
	err = s.write(ctx, func(tx *sqldb.Tx) error {
		purged = nil
		for _, p := range chosen {
			if err := s.takeTurn(ctx, tx, p.Instance.Name); err != nil {
				return err
			}
			same, err := unchanged(ctx, tx, p)
			if err != nil {
				return err
			}
			if !same {
				continue
			}
			if err := s.purge(ctx, tx, p); err != nil {
				return err
			}
			purged = append(purged, p)
		}
		return nil
	})
	return purged, err
}

// unchanged reports whether an instance still is as it was when it was chosen.
func unchanged(ctx context.Context, q sqldb.Querier, p Purgeable) (bool, error) {
	var last int64
	var status batch.Status
	found, err := one(ctx, q, to(&last, &status), `select JOB_EXECUTION_ID, STATUS from BATCH_JOB_EXECUTION where JOB_INSTANCE_ID = ?
		order by JOB_EXECUTION_ID desc limit 1`+q.Dialect().LockRows(), p.Instance.ID)
	return found && last == p.Last && status == p.Status, err
}

const (
	ofInstance = " in (select JOB_EXECUTION_ID from BATCH_JOB_EXECUTION where JOB_INSTANCE_ID = ?)"
	ofItsSteps = ` in (select s.STEP_EXECUTION_ID from BATCH_STEP_EXECUTION s join BATCH_JOB_EXECUTION e
		on e.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID where e.JOB_INSTANCE_ID = ?)`
)

// historyTables hold what is deleted of an instance, in an order that foreign keys allow. Those of executions keep the
// rows of the execution that is remembered, if there is one.
var historyTables = []struct{ name, condition string }{
	{"BATCH_STEP_EXECUTION_CONTEXT", "STEP_EXECUTION_ID" + ofItsSteps},
	{"BATCHCTL_STEP_OWNER", "STEP_EXECUTION_ID" + ofItsSteps},
	{"BATCH_STEP_EXECUTION", "JOB_EXECUTION_ID" + ofInstance},
	{"BATCHCTL_OWNER", "JOB_EXECUTION_ID" + ofInstance},
	{"BATCH_JOB_EXECUTION_CONTEXT", "JOB_EXECUTION_ID" + ofInstance + " and JOB_EXECUTION_ID <> ?"},
	{"BATCH_JOB_EXECUTION_PARAMS", "JOB_EXECUTION_ID" + ofInstance + " and JOB_EXECUTION_ID <> ?"},
	{"BATCH_JOB_EXECUTION", "JOB_INSTANCE_ID = ? and JOB_EXECUTION_ID <> ?"},
}

func (s *Store) purge(ctx context.Context, tx *sqldb.Tx, p Purgeable) error {
	remembered := int64(0)
	if p.Remembered {
		remembered = p.Last
	}
	for _, table := range historyTables {
		args := []any{p.Instance.ID, remembered}
		if _, err := exec(ctx, tx, "delete from "+table.name+" where "+table.condition, args[:strings.Count(table.condition, "?")]...); err != nil {
			return fmt.Errorf("purge %s: %w", table.name, err)
		}
	}
	if _, err := exec(ctx, tx, "delete from "+targetTable+" where job = ? and instance = ?", p.Instance.Name, p.Instance.Key); err != nil {
		return err
	}
	if p.Remembered {
		return s.note(ctx, tx, p)
	}
	return forgetInstance(ctx, tx, p)
}

// forgetInstance deletes an instance of which nothing else is left. What it replayed stays for as long as the instance is
// there that the dead letters are of, or the other way round: a letter that went through is not to be replayed once more.
func forgetInstance(ctx context.Context, tx *sqldb.Tx, p Purgeable) error {
	id := p.Instance.ID
	if p.Status == batch.Completed {
		if _, err := exec(ctx, tx, "delete from BATCHCTL_REPLAYED where REPLAY_INSTANCE_ID = ? and REPLAYED_BY is null", id); err != nil {
			return err
		}
	}
	if _, err := exec(ctx, tx, "delete from BATCHCTL_REPLAY where REPLAY_INSTANCE_ID = ?", id); err != nil {
		return err
	}
	if _, err := exec(ctx, tx, "delete from BATCH_JOB_INSTANCE where JOB_INSTANCE_ID = ?", id); err != nil {
		return err
	}
	_, err := exec(ctx, tx, `delete from BATCHCTL_REPLAYED where (REPLAY_INSTANCE_ID = ? or JOB_INSTANCE_ID = ?) and not exists (
		select 1 from BATCH_JOB_INSTANCE i where i.JOB_INSTANCE_ID in (BATCHCTL_REPLAYED.REPLAY_INSTANCE_ID, BATCHCTL_REPLAYED.JOB_INSTANCE_ID))`, id, id)
	return err
}

// note says of a remembered execution why it has no steps and counters any more.
func (s *Store) note(ctx context.Context, tx *sqldb.Tx, p Purgeable) error {
	row, err := existing(ctx, tx, p.Last)
	if err != nil {
		return err
	}
	e := row.execution
	purged := "its history was purged at " + describeDate(s.now())
	if e.Exit.Description != "" {
		purged = cut(e.Exit.Description, batch.MaxDescription/2) + "; " + purged
	}
	e.Exit.Description = purged
	if err := saveJobRow(ctx, tx, e, row.version); err != nil {
		return err
	}
	return jobContext.save(ctx, tx, e.ID, nil)
}
