package job

import (
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

// Step is a stage of the job that streams records from a reader through processors into a writer, in chunks. Its Tuning
// has the job's defaults in it.
type Step struct {
	Name string `yaml:"name,required,literal" help:"unique in the job"`
	Tuning
	Reader      Component                     `yaml:"reader,required" help:"where records come from"`
	Processors  Chain                         `yaml:"processors" help:"what happens to each record, in order"`
	Writer      Component                     `yaml:"writer,required" help:"where records go"`
	Export      config.Map[config.Expression] `yaml:"export" help:"name: expression, put into the job's context when the step has completed"`
	AllowRerun  bool                          `yaml:"allow_rerun" default:"false" help:"run it again in a restart although it completed"`
	StartLimit  int                           `yaml:"start_limit" default:"0" help:"how often an instance may start it; 0: as often as needed"`
	Check       Checks                        `yaml:"check" help:"what must hold when all is written: expressions, and queries"`
	ExitStatus  config.Expression             `yaml:"exit_status" help:"an expression for the exit status of the completed step"`
	FailOnEmpty bool                          `yaml:"fail_on_empty" default:"false" help:"fail the job, exit 9, when nothing was read"`

	Node config.Node // the step's mapping
}

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
	wrong.Add(s.Tuning.check(n))
	if limit, ok := n.Get("start_limit"); ok && s.StartLimit < 0 {
		wrong.Add(limit.Errorf("start_limit: expected 0 or more, got %d", s.StartLimit).WithHint("0 is no limit"))
	}
	for _, e := range s.Export {
		wrong.Add(checkName(e.Key, "an exported name", valueName))
	}
	return wrong.Err()
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
