package job

import (
	"slices"
	"strings"

	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Step is a stage of the job. What it has says which kind it is; see Kind. Its Tuning has the job's defaults in it.
type Step struct {
	Name string `yaml:"name,required,literal" help:"unique in the job"`
	Tuning
	Reader      Component                     `yaml:"reader" help:"where records come from"`
	Processors  Chain                         `yaml:"processors" help:"what happens to each record, in order"`
	Writer      Component                     `yaml:"writer" help:"where records go"`
	Partition   *Partition                    `yaml:"partition" help:"the input divided into shares that run side by side, each with its own reader and writer"`
	Workers     int                           `yaml:"workers" default:"1" help:"so many chunks are processed side by side; a database that takes several writers, as PostgreSQL, also gets them so, in any order"`
	Tasklet     Component                     `yaml:"tasklet" help:"instead of reader and writer: one thing to do"`
	Parallel    []Branch                      `yaml:"parallel" help:"lists of steps that run side by side; all end, the worst result counts"`
	Child       config.Node                   `yaml:"job" help:"another job, an instance of its own, as a step of this one"`
	Decide      Choices                       `yaml:"decide" help:"a choice where to go on, by conditions"`
	Next        Next                          `yaml:"next" help:"where the job goes on: a step, or by patterns on the exit status"`
	Export      config.Map[config.Expression] `yaml:"export" help:"name: expression, put into the job's context when the step has completed"`
	AllowRerun  bool                          `yaml:"allow_rerun" default:"false" help:"run it again in a restart although it completed"`
	StartLimit  int                           `yaml:"start_limit" default:"0" help:"how often an instance may start it; 0: as often as needed"`
	Check       Checks                        `yaml:"check" help:"what must hold when all is written: expressions, and queries"`
	ExitStatus  config.Expression             `yaml:"exit_status" help:"an expression for the exit status of the completed step"`
	Listeners   Listeners                     `yaml:"listeners" help:"what to do when something happens in this step"`
	FailOnEmpty bool                          `yaml:"fail_on_empty" default:"false" help:"fail the job, exit 9, when nothing was read"`

	Node config.Node // the step's mapping
}

// Branch is one of the lists of steps that run side by side.
type Branch []Step

// YAMLType implements config.Worded.
func (Branch) YAMLType() string { return "a list of steps" }

// Child is a job that runs as a step of another one: what a step's Child node holds. It is decoded when the step starts.
type Child struct {
	Path   config.Path        `yaml:"path,required" help:"its definition"`
	Params config.Map[string] `yaml:"params" help:"its parameters, as on the command line"`
}

// StepKind is what sort of thing a step does.
type StepKind string

// The kinds of steps, by the key that makes them.
const (
	ChunkStep    StepKind = "reader"
	TaskletStep  StepKind = "tasklet"
	ParallelStep StepKind = "parallel"
	ChildStep    StepKind = "job"
	DecideStep   StepKind = "decide"
)

// Kind returns what sort of thing the step does.
func (s *Step) Kind() StepKind {
	switch {
	case !s.Tasklet.Node.IsZero():
		return TaskletStep
	case s.Parallel != nil:
		return ParallelStep
	case !s.Child.IsZero():
		return ChildStep
	case s.Decide != nil:
		return DecideStep
	}
	return ChunkStep
}

// fits lists the keys that a kind of step has besides name and next. A chunk-oriented one has all that no other kind is
// made by.
var fits = map[StepKind][]string{
	TaskletStep:  {"tasklet", "retry", "timeout", "export", "allow_rerun", "start_limit", "check", "exit_status", "listeners"},
	ParallelStep: {"parallel"},
	ChildStep:    {"job", "timeout", "export", "allow_rerun", "start_limit", "exit_status", "listeners"},
	DecideStep:   {"decide"},
}

// kindKeys are the keys that make a step what it is.
var kindKeys = []StepKind{TaskletStep, ParallelStep, ChildStep, DecideStep}

// MaxWorkers is how many workers a step may have.
const MaxWorkers = 64

// ChunkSize returns the number of records in a chunk.
func (s *Step) ChunkSize() int {
	if s.Chunk == nil {
		return DefaultChunk
	}
	return *s.Chunk
}

// DecodeYAML fills the step from its mapping and notes where that is.
func (s *Step) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Step
	what := "the step"
	if name, ok := n.Get("name"); ok && name.Text() != "" {
		what = "step " + name.Text()
	}
	err := d.For(what).Decode(n, (*keys)(s))
	s.Node = n
	var wrong fault.List
	wrong.Add(err)
	wrong.Add(checkKind(what, n))
	wrong.Add(s.Tuning.check(n))
	if limit, ok := n.Get("start_limit"); ok && s.StartLimit < 0 {
		wrong.Add(limit.Errorf("start_limit: expected 0 or more, got %d", s.StartLimit).WithHint("0 is no limit"))
	}
	if at, ok := n.Get("workers"); ok && (s.Workers < 1 || s.Workers > MaxWorkers) {
		wrong.Add(at.Errorf("workers: expected 1 to %d, got %d", MaxWorkers, s.Workers).WithHint("as many as there are cores is a good number"))
	}
	if at, ok := n.Get("workers"); ok && s.Partition != nil && s.Workers > 1 {
		wrong.Add(at.Errorf("workers and partition both divide the work").WithCode("key_does_not_fit").WithHint("remove one of them"))
	}
	wrong.Add(s.Listeners.checkOfStep())
	for _, e := range s.Export {
		wrong.Add(checkName(e.Key, "an exported name", valueName))
	}
	return wrong.Err()
}

// kindOf returns what sort of step a mapping describes.
func kindOf(n config.Node) StepKind {
	for _, kind := range kindKeys {
		if _, ok := n.Get(string(kind)); ok {
			return kind
		}
	}
	return ChunkStep
}

// checkKind refuses keys that a step of its kind does not have, and asks for those that it needs.
func checkKind(what string, n config.Node) error {
	var wrong fault.List
	if n.Kind() != config.Mapping {
		return nil
	}
	kind := kindOf(n)
	if kind == ChunkStep {
		return checkChunkStep(what, n)
	}
	for _, p := range n.Pairs() {
		if slices.Contains(keysOfKind(kind), p.Name) {
			continue
		}
		wrong.Add(p.Key.Errorf("key %q does not fit into %s, which has %q", p.Name, what, kind).WithCode("key_does_not_fit").
			WithHint("such a step has %s", strings.Join(keysOfKind(kind), ", ")))
	}
	if list, ok := n.Get(string(ParallelStep)); ok {
		for _, branch := range append(list.Items(), list) {
			if branch.Kind() == config.List && len(branch.Items()) == 0 {
				wrong.Add(branch.Errorf("parallel: an empty list").WithCode("no_value").WithHint("write lists of steps: - [{name: a, ...}, {name: b, ...}]"))
			}
		}
	}
	return wrong.Err()
}

func keysOfKind(kind StepKind) []string {
	keys := append([]string{"name"}, fits[kind]...)
	if kind != DecideStep {
		keys = append(keys, "next")
	}
	return keys
}

func checkChunkStep(what string, n config.Node) error {
	_, reader := n.Get("reader")
	_, writer := n.Get("writer")
	missing := func(key, help string) error {
		return n.Errorf("key %q is missing in %s", key, what).WithCode("missing_key").WithHint(`add "%s: ...", a mapping with a type: %s`, key, help)
	}
	switch {
	case !reader && !writer:
		return n.Errorf("%s has nothing to do", what).WithCode("missing_key").
			WithHint("add reader: and writer:; a step without records has tasklet:, parallel:, job: or decide:")
	case !reader:
		return missing("reader", "where records come from")
	case !writer:
		return missing("writer", "where records go")
	}
	return nil
}

// DecodeYAML fills the defaults and checks them.
func (f *Defaults) DecodeYAML(d *config.Decoder, n config.Node) error {
	type keys Defaults
	var wrong fault.List
	wrong.Add(d.Decode(n, (*keys)(f)))
	wrong.Add(f.Tuning.check(n))
	return wrong.Err()
}

func (t Tuning) check(n config.Node) error {
	if at, ok := n.Get("rate"); ok && t.Rate < 1 {
		return at.Errorf("rate: expected 1 or more records a second, got %d", t.Rate)
	}
	at, ok := n.Get("chunk")
	if !ok || t.Chunk == nil || *t.Chunk >= 1 && *t.Chunk <= MaxChunk {
		return nil
	}
	return at.Errorf("chunk: expected 1 to %d, got %d", MaxChunk, *t.Chunk).
		WithHint("a chunk is held in memory and committed at once; %d is a good size", DefaultChunk)
}
