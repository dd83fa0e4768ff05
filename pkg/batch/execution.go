package batch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// JobInstance is a job name with its identifying parameters. It completes at most once.
type JobInstance struct {
	ID   int64
	Name string
	Key  string // JOB_KEY: SHA-256 of the identifying parameters in hex, or for instance: each_run a UUID
}

// Parameter is a value that a job was started with. The value of a secret one is never stored: it is empty here when it
// comes from the job repository.
type Parameter struct {
	Name        string
	Type        string
	Value       string
	Identifying bool
	Secret      bool
}

// Definition is the job file that an execution ran, as recorded.
type Definition struct {
	Path string // absolute
	Base string // absolute folder that its relative paths start at
	Hash string // SHA-256 of Text in hex
	Text string
}

// JobExecution is one attempt to complete an instance.
type JobExecution struct {
	ID         int64
	Instance   JobInstance
	Status     Status
	Exit       ExitStatus
	Parameters []Parameter
	Definition Definition
	Context    Context
	Created    time.Time
	Started    time.Time // zero until then
	Ended      time.Time // zero until then
	Updated    time.Time
	Steps      []*StepExecution
}

// StepExecution is one attempt at a step. Counters counts this attempt; what the instance has done is in the checkpoint.
type StepExecution struct {
	ID       int64
	JobID    int64 // JOB_EXECUTION_ID
	Name     string
	Visit    int
	Status   Status
	Exit     ExitStatus
	Counters Counters
	Total    Counters // of the instance: all attempts together, as of the last checkpoint
	Times    Times    // of this attempt
	Context  Context
	Created  time.Time
	Started  time.Time
	Ended    time.Time
	Updated  time.Time
}

// typeKey is where a step execution's context says that it streams no records.
const typeKey = "type"

// MarkTasklet notes that the step does one thing instead of streaming records.
func (s *StepExecution) MarkTasklet() {
	if s.Context == nil {
		s.Context = Context{}
	}
	s.Context.Keep(Context{typeKey: json.RawMessage(`"tasklet"`)})
}

// IsTasklet reports whether the step does one thing instead of streaming records.
func (s *StepExecution) IsTasklet() bool { return s.Context[EngineKey+typeKey] != nil }

// Context is the small values kept per job or step execution and handed to later steps and to restarts: JSON scalars.
type Context map[string]json.RawMessage

// EngineKey begins the names of what the engine keeps in execution contexts for itself.
const EngineKey = "batchctl."

// Exported returns the values that are for later steps: those that the engine does not keep for itself.
func (c Context) Exported() Context {
	exported := Context{}
	for name, value := range c {
		if !strings.HasPrefix(name, EngineKey) {
			exported[name] = value
		}
	}
	return exported
}

// Kept returns what the engine keeps for itself, without EngineKey before the names.
func (c Context) Kept() Context {
	kept := Context{}
	for name, value := range c {
		if own, ok := strings.CutPrefix(name, EngineKey); ok {
			kept[own] = value
		}
	}
	return kept
}

// Keep adds what the engine keeps for itself.
func (c Context) Keep(kept Context) {
	for name, value := range kept {
		c[EngineKey+name] = value
	}
}

// A Repository is what the runner needs of the job repository while a job runs. Every method is one short transaction.
// The runner calls it from the goroutines of all branches of a job's flow.
type Repository interface {
	// StartStep inserts a step execution with status STARTING and fills in its ID and Created.
	StartStep(ctx context.Context, step *StepExecution) error
	// SaveStep updates status, exit status, counters, context and times.
	SaveStep(ctx context.Context, step *StepExecution) error
	// SaveJob updates status, exit status, context and times.
	SaveJob(ctx context.Context, job *JobExecution) error
	// StepHistory returns all executions of steps that an instance has had, of all its job executions, oldest first.
	StepHistory(ctx context.Context, instance int64) ([]*StepExecution, error)
	// StopRequested reports whether somebody asked the execution to stop.
	StopRequested(ctx context.Context, execution int64) (bool, error)
}

// The answers to a launch that are decisions rather than accidents. The command line gives each an exit code.
var (
	ErrRunning        = errors.New("this instance is running already")
	ErrComplete       = errors.New("this instance is complete already")
	ErrNotRestartable = errors.New("not restartable")
	ErrStopped        = errors.New("stopped by request")
)
