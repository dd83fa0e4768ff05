// Package plan assembles: a definition, the catalogs of components and the connections become something the runner can
// run. Run, Restart, Validate and Describe are functions with a result, so that other front ends can stand beside the
// command line. It is the one place that knows every package.
package plan

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/files"
	"batchctl/pkg/meta"
)

// Engine is what plan uses of the outside world. All fields are set by the front end.
type Engine struct {
	Meta     string                               // path of the job repository, or the postgres:// URL of one on a server
	Locks    string                               // folder of this host's locks, for repositories on servers; "": there is none
	Folder   string                               // the current folder, absolute
	Now      func() time.Time                     // the clock
	After    func(time.Duration) <-chan time.Time // time.After, for pauses
	Clock    func() time.Time                     // for how long parts of steps take, from any goroutine; nil: not measured
	Random   func() float64                       // from 0 to 1, for jitter
	Local    *time.Location                       // the host's zone
	Env      func(name string) (string, bool)     // the environment
	ReadFile func(path string) ([]byte, error)    // for definitions and secrets in files
	Secrets  *config.Secrets                      // grows with every secret that becomes known
	Stdin    *files.Stream                        // standard input, for readers of "-"; nil: there is none
	Stdout   io.Writer                            // standard output, for writers to "-"; nil: it is not theirs

	instruments instruments
}

// instruments wrap what a job is made of: tests put a fuse around it. The zero value wraps nothing.
type instruments struct {
	reader     func(batch.Reader) batch.Reader
	writer     func(batch.Writer) batch.Writer
	tasklet    func(batch.Tasklet) batch.Tasklet
	ledger     func(batch.Ledger) batch.Ledger
	repository func(batch.Repository) batch.Repository
	disk       files.Disk // zero: the operating system's
	order      meta.TestOrder
	between    func() error
	marks      func(point string) error // around the record of what a replay put through
	intent     func(point string) error // between the commits of checkpoint: intent
	answer     string                   // taken for what the target says became of a transaction
	everyChunk bool                     // file targets save their checkpoint after every chunk
}

func wrapped[T any](wrap func(T) T, inner T) T {
	if wrap == nil {
		return inner
	}
	return wrap(inner)
}

// Watcher is who follows a run.
type Watcher struct {
	Observer batch.Observer
	Stop     <-chan struct{} // closed to stop at the next chunk boundary
}

// Drift says what to do where things are not as an earlier execution left them.
type Drift struct {
	AcceptChanges bool // continue with the definition as it is now
	AsRecorded    bool // continue with the definition as it was recorded
	Adopt         bool // take over what another job repository loaded
	Fresh         bool // forget the checkpoints in the targets
}

func (d Drift) definition() meta.Drift {
	switch {
	case d.AcceptChanges:
		return meta.AcceptChanges
	case d.AsRecorded:
		return meta.AsRecorded
	}
	return meta.RefuseChanges
}

// Outcome is what a run that was started did.
type Outcome struct {
	Execution *batch.JobExecution
	Continues int64 // the execution it continued, 0 where it began
	Elapsed   time.Duration
	Letters   []LettersLeft
	Anew      bool // a restart has to begin anew: what the step read or wrote cannot be come back to
}

// Worked reports whether the execution committed anything: a failure before that left nothing behind. A nil Outcome did
// not.
func (o *Outcome) Worked() bool {
	if o == nil {
		return false
	}
	for _, s := range o.Execution.Steps {
		if s.JobID == o.Execution.ID && (s.Counters.Commit > 0 || s.Status == batch.Completed) {
			return true
		}
	}
	return false
}

// OpenStore opens the job repository and marks executions FAILED whose process has died.
func (e *Engine) OpenStore(ctx context.Context) (*meta.Store, error) {
	store, err := meta.Open(ctx, e.metaOptions())
	if err != nil {
		return nil, err
	}
	if _, err := store.Sweep(ctx); err != nil {
		store.Close()
		return nil, err
	}
	return store, nil
}

// OpenReadOnly opens the job repository as it is: nothing is marked, so an execution whose process has died may still
// look as if it were running.
func (e *Engine) OpenReadOnly(ctx context.Context) (*meta.Store, error) {
	options := e.metaOptions()
	options.ReadOnly = true
	return meta.Open(ctx, options)
}

func (e *Engine) metaOptions() meta.Options {
	switch {
	case meta.OnServer(e.Meta):
		return meta.Options{Path: e.Meta, LockFolder: e.Locks, Now: e.Now}
	case filepath.IsAbs(e.Meta):
		return meta.Options{Path: e.Meta, Now: e.Now}
	}
	return meta.Options{Path: filepath.Join(e.Folder, e.Meta), Now: e.Now}
}
