package batch

import "time"

// An Observer hears what happens while a job runs, for progress and logs. Observe is called from the runner's
// goroutines, one call at a time, and must return soon.
type Observer interface {
	Observe(Event)
}

// Event is one of the types below.
type Event interface{ event() }

// JobStarted is said once the execution is recorded.
type JobStarted struct{ Job *JobExecution }

// StepStarted is said when a step begins; Resumed where it goes on behind a checkpoint.
type StepStarted struct {
	Step    *StepExecution
	Resumed bool
}

// StepProgress is said at most a few times a second. Done and Total are the reader's estimate, Total 0 where unknown.
type StepProgress struct {
	Step        *StepExecution
	Counters    Counters // of the instance
	Done, Total int64
}

// StepRepeated is said for a step that was completed by an earlier execution and is not run again.
type StepRepeated struct{ Step *StepExecution }

// StepEnded is said when a step has ended; Err is nil where it completed.
type StepEnded struct {
	Step    *StepExecution
	Elapsed time.Duration
	Err     error
}

// JobEnded is said when the execution has ended.
type JobEnded struct {
	Job     *JobExecution
	Elapsed time.Duration
	Err     error
}

// ChunkRetried is said before an attempt at a chunk is repeated.
type ChunkRetried struct {
	Step    *StepExecution
	Attempt int // the one to come, from 2
	Of      int // attempts in all
	Err     error
}

// ChunkFailed is said when a chunk could not be read, processed or written, and its transaction, if there was one, was
// undone. What comes next is a retry, a search for the records that are to blame, or the end of the step.
type ChunkFailed struct {
	Step *StepExecution
	Err  error
}

// RecordSkipped is said of a record that was left out, once the chunk without it is committed: where it comes from, and
// why.
type RecordSkipped struct {
	Step    *StepExecution
	Ordinal int64 // its position in the input
	Phase   SkipPhase
	Source  string // the file, or what the reader calls its source; "" where it does not say
	Line    int64  // 0 where the source has no lines
	Err     error
}

// FlowMoved is said when a flow has chosen a way, by a decision or by an exit status: To is a state, "end", "fail" or
// "stop".
type FlowMoved struct {
	From     string
	Exit     string // the exit status that was matched
	To       string
	Decision bool // From is a decision and no step
}

// ChildMoved is said when a job within a job has started, and when it has ended: see its status.
type ChildMoved struct {
	Step *StepExecution // of the parent
	Job  *JobExecution  // the child
}

// Output is a line that a step's child process has written.
type Output struct {
	Step   *StepExecution
	Stream string // stdout or stderr
	Line   string
}

// Waiting is said before the job has started, where it waits until another execution of its instance has ended.
type Waiting struct {
	Execution int64 // the other one
	Message   string
}

// Logged is a line that a definition asks for.
type Logged struct {
	Level   string // info, warn or error
	Message string
}

// Notice is something a person should know that changes nothing, such as a partial file that was missing.
type Notice struct {
	Step    *StepExecution // nil where it is about the job
	Message string
}

func (JobStarted) event()    {}
func (StepStarted) event()   {}
func (StepProgress) event()  {}
func (StepRepeated) event()  {}
func (StepEnded) event()     {}
func (JobEnded) event()      {}
func (ChunkRetried) event()  {}
func (ChunkFailed) event()   {}
func (RecordSkipped) event() {}
func (FlowMoved) event()     {}
func (ChildMoved) event()    {}
func (Output) event()        {}
func (Waiting) event()       {}
func (Logged) event()        {}
func (Notice) event()        {}
