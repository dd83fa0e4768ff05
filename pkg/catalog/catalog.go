// Package catalog is the one table type for sorts of components. An entry decodes a component's YAML, documents it and
// builds it, so that the three cannot differ.
package catalog

import (
	"io"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/files"
	"batchctl/pkg/sqldb"
)

// Env is what a component may use of the world outside its own YAML. It is handed to it when its step starts.
type Env struct {
	Job      string // name of the job
	Step     string // name of the step
	Instance string // a short text that is the instance's alone, fit for file names
	Epoch    int64  // which claim of the step this is
	Adopt    bool   // the lock proves that earlier owners are dead, so their partial files may be taken over
	// Replay is set where dead letters are put through the step again, into what it wrote: files are added to, and those
	// that cannot be are written beside, with this in their name.
	Replay   string
	Base     string // absolute folder that relative paths start at
	Location *time.Location
	Now      func() time.Time
	After    func(time.Duration) <-chan time.Time // time.After, for pauses; nil where nothing is run
	// Output takes a line that a child process has written to stdout or stderr.
	Output func(stream, line string)
	// Log writes a line of its level, info, warn or error, to the log.
	Log func(level, message string)
	// Getenv returns a variable of the environment, false where it is not set.
	Getenv func(name string) (string, bool)
	Scope  config.Scope
	// Stdin is standard input, nil where nothing is run; Stop is closed when the job is to stop, so that nobody waits for it.
	Stdin *files.Stream
	Stop  <-chan struct{}
	// Stdout takes records that are written to standard output; nil where that is taken.
	Stdout io.Writer
	Disk   files.Disk // what output files are written to; the zero Disk is the operating system's
	// Dialect returns the dialect of the named connection, false where there is none of that name; nil while something is run.
	Dialect func(connection string) (sqldb.Dialect, bool)
	// Connect returns the named connection's database.
	Connect func(name string) (*sqldb.DB, error)
	// Reader, Writer build a component nested in another one.
	Reader func(config.Node) (batch.Reader, error)
	Writer func(config.Node) (batch.Writer, error)
	// Hide makes a value a secret, that no output shows; nil where nothing is run.
	Hide func(secret string)
	// Notice tells a person something that changes nothing.
	Notice func(message string)
}

// Entry is one kind of component. Conf is a pointer to its configuration struct.
type Entry[T any] struct {
	Name    string
	Summary string
	// New returns a configuration with its defaults, to be filled from YAML.
	New func() any
	// Build makes the component of a configuration that New returned and that has been filled and resolved.
	Build func(conf any, env *Env) (T, error)
}

// Define returns the entry of a kind. C is its configuration struct; defaults stand in its field tags.
func Define[C, T any](name, summary string, build func(conf *C, env *Env) (T, error)) Entry[T] {
	return Entry[T]{
		Name:    name,
		Summary: summary,
		New:     func() any { return new(C) },
		Build:   func(conf any, env *Env) (T, error) { return build(conf.(*C), env) },
	}
}

// Table lists the kinds of one sort of component, in the order they are explained.
type Table[T any] []Entry[T]

// Lookup returns the named kind.
func (t Table[T]) Lookup(name string) (Entry[T], bool) {
	for _, e := range t {
		if e.Name == name {
			return e, true
		}
	}
	return Entry[T]{}, false
}

// Names returns the names of the kinds.
func (t Table[T]) Names() []string {
	names := make([]string, len(t))
	for i, e := range t {
		names[i] = e.Name
	}
	return names
}
