package batch

import "context"

// A Listener does something when something has happened: it writes to a log, calls an address, sends a mail. One is made
// for each notification, so that it can depend on what happened.
//
// Nothing depends on it. An error is logged as a warning; ctx ends when there is no more time for it.
type Listener interface {
	Notify(ctx context.Context, n Notification) error
}

// Notification is what a listener is told.
type Notification struct {
	Event   string // job.failed
	Text    string // one line for people
	Summary []byte // the state of the job, as a JSON object
	ID      string // of this event of this execution, the same for all listeners, fit for headers
}
