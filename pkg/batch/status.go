package batch

import "slices"

// Status is what state a job or step execution is in, by the names of Spring Batch's BatchStatus.
type Status string

const (
	Starting  Status = "STARTING"
	Started   Status = "STARTED"
	Stopping  Status = "STOPPING"
	Stopped   Status = "STOPPED"
	Failed    Status = "FAILED"
	Completed Status = "COMPLETED"
	Abandoned Status = "ABANDONED"
	Unknown   Status = "UNKNOWN" // read from Spring Batch's tables, never written
)

// moves lists the statuses that may follow each one. Every change of a status goes through it.
var moves = map[Status][]Status{
	"":       {Starting},
	Starting: {Started, Stopping, Stopped, Failed},
	Started:  {Stopping, Stopped, Failed, Completed},
	Stopping: {Stopped, Failed, Completed},
	Stopped:  {Abandoned},
	Failed:   {Abandoned},
	Unknown:  {Abandoned, Failed},
}

// CanBecome reports whether next may follow s.
func (s Status) CanBecome(next Status) bool { return slices.Contains(moves[s], next) }

// Running reports whether an execution of this status has, or had, a process working on it.
func (s Status) Running() bool { return s == Starting || s == Started || s == Stopping }

// Restartable reports whether an execution of this status can be continued by a new one.
func (s Status) Restartable() bool { return s == Stopped || s == Failed }

// severity orders statuses for the result of several: the worst wins, as in Spring Batch.
var severity = map[Status]int{Completed: 0, Starting: 1, Started: 2, Stopping: 3, Stopped: 4, Failed: 5, Abandoned: 6, Unknown: 7}

// Worse returns the worse of two statuses.
func Worse(a, b Status) Status {
	if severity[b] > severity[a] {
		return b
	}
	return a
}

// ExitStatus is a free-form code that flow transitions match on, with a description for people. By default the code is
// the status.
type ExitStatus struct {
	Code        string
	Description string
}

// MaxDescription is how many characters of a description the job repository keeps (EXIT_MESSAGE).
const MaxDescription = 2500
