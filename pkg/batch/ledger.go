package batch

import (
	"context"
	"errors"
	"fmt"
)

// Tx is the open transaction of a step's target database. Writers for a database know its full type; the runner needs
// savepoints only, to find out which record of a chunk is bad. Savepoints nest.
type Tx interface {
	Savepoint(ctx context.Context) error
	RollbackTo(ctx context.Context) error // to the innermost savepoint, which stays
	Release(ctx context.Context) error    // the innermost savepoint
	// CheckDeferred has the constraints checked that would else be checked at COMMIT. Called first before anything is
	// written: what is violated by then is not the fault of what comes.
	CheckDeferred(ctx context.Context) error
}

// StepKey names a step of a job instance for the ledger. It holds no numeric id, so it stays true when the metadata
// file is lost or copied.
type StepKey struct {
	Repository string // id of the job repository, a UUID
	Job        string
	Instance   string // JOB_KEY: hash of the identifying parameters, or the UUID of a run
	Step       string // path of step names, joined by "/"
	Visit      int    // how often the step has been entered before, from 0
}

// LaneKey names one line of progress within a step.
type LaneKey struct {
	StepKey
	Lane int
}

// Phase is how far a lane has come.
type Phase string

const (
	Running    Phase = "running"    // chunks are being written
	Publishing Phase = "publishing" // all is written; the writer's state says what is to be made visible
	Done       Phase = "done"
)

// Checkpoint is what a restart needs of a lane. It is a value.
type Checkpoint struct {
	Epoch    int64    // which claim wrote it; set by the ledger
	Sequence int64    // counts the commits of the lane; set by the ledger
	Phase    Phase    // Running where empty
	Ordinal  int64    // inputs read so far, read skips included
	Reader   State    // covers every committed record
	Writer   State    // covers every committed row
	Counters Counters // of the instance's step: all attempts together
}

// A Ledger holds the one fact a restart depends on: how far each lane of a step has committed.
type Ledger interface {
	// Claim makes, or raises the epoch of, all lanes of a step in one transaction and returns where they stand. It is
	// called before anything is read; afterwards rows are only updated, never inserted. A lane of another repository
	// that has committed something is an ErrForeign.
	Claim(ctx context.Context, step StepKey, lanes int) ([]Checkpoint, error)
	// Commit runs fn and saves the checkpoint that fn returns, so that both hold or neither does. It returns the
	// checkpoint as saved. An error that wraps ErrFenced means that another process has claimed the step: stop. One that
	// wraps ErrRolledBack means that nothing of fn holds. Any other error left the outcome unknown even after asking.
	Commit(ctx context.Context, lane LaneKey, fn func(Tx) (Checkpoint, error)) (Checkpoint, error)
	// Load returns where a lane stands, for the epoch this ledger claimed: after a lost connection.
	Load(ctx context.Context, lane LaneKey) (Checkpoint, error)
	Close() error
}

// ErrFenced means that another process has claimed the step since: this one has lost it and must not go on.
var ErrFenced = errors.New("another process has taken this step over")

// ErrRolledBack means that nothing of an attempt holds in the target.
var ErrRolledBack = errors.New("rolled back")

// ForeignError says that the target was loaded for the same job instance by another job repository.
type ForeignError struct {
	Repository string // the id of the other
	Step       StepKey
	UpdatedAt  string // when it last committed, RFC 3339
}

func (f *ForeignError) Error() string {
	return fmt.Sprintf("step %s of this job instance was loaded into this target by another job repository, %s, last at %s",
		f.Step.Step, f.Repository, f.UpdatedAt)
}

// ErrOutputLost means that an unfinished output that a checkpoint speaks of is gone or shorter than recorded.
var ErrOutputLost = errors.New("the unfinished output is gone")

// ErrCheckFailed means that something does not hold that the definition says must: a check of a step, or the control
// totals of an input.
var ErrCheckFailed = errors.New("check failed")
