package batch

import (
	"context"
	"time"
)

// A Tasklet is a step that does one thing instead of streaming records.
type Tasklet interface {
	// Run does it, and says in c what came of it. It is called once for an attempt; where the step's retry allows it, again
	// with an empty contribution. ctx is cancelled when the step is asked to stop, with a cause that wraps ErrStopped: Run
	// undoes or leaves what it is about so that it can be begun anew, and returns that cause.
	Run(ctx context.Context, c *Contribution) error
}

// A TransactionalTasklet does its work in one transaction of a database, together with the checkpoint that says so. It is
// never done twice, also where the process dies right behind the commit.
type TransactionalTasklet interface {
	Tasklet
	// Connection names the database.
	Connection() string
	// RunIn is Run within a transaction that the caller commits.
	RunIn(ctx context.Context, tx Tx, c *Contribution) error
}

// BusyError is an error of the other side that says how long it wants to be left alone. Where it is tried again, that is
// not before.
type BusyError struct {
	After time.Duration // 0: it did not say
	Err   error
}

func (b *BusyError) Error() string { return b.Err.Error() }

// Unwrap returns the reason.
func (b *BusyError) Unwrap() error { return b.Err }

// Contribution is what came of a tasklet.
type Contribution struct {
	Counters Counters // as far as it makes sense to speak of records: rows that a statement changed are write_count
	Exit     string   // exit status; "" for that of the status
	Context  Context  // values for the job's context
	// Earlier is what earlier attempts that did not complete have kept. Kept is saved with this one, whether it completes
	// or not.
	Earlier, Kept Context
	// Save keeps values now, durably: what a restart has to know even where the process dies. Values under other names
	// stay. In a transaction it is nil.
	Save func(ctx context.Context, kept Context) error
}
