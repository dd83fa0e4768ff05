// Package job is what a definition says, as data, checked. It opens nothing: bodies of components stay YAML nodes that
// the catalogs decode.
package job

import (
	"cmp"

	"batchctl/pkg/config"
)

// Job is a checked definition. What ${...} stands for is filled in by Bind; until then such fields are empty.
type Job struct {
	Schema      string                 `yaml:"$schema,literal" help:"the JSON Schema of this file, for editors"`
	Name        string                 `yaml:"job,required,literal" help:"name; with the identifying parameters it makes the instance"`
	Description string                 `yaml:"description,literal" help:"shown by list and plan"`
	Params      config.Map[Param]      `yaml:"params" help:"parameters that a run may be given"`
	Instance    string                 `yaml:"instance,literal" enum:"params|each_run" help:"what makes an instance; params where a parameter is identifying, else each_run"`
	Timezone    string                 `yaml:"timezone,literal" help:"IANA name, as Asia/Seoul; the host's where absent"`
	Connections config.Map[Connection] `yaml:"connections" help:"databases"`
	Defaults    Defaults               `yaml:"defaults" help:"for every step that does not say otherwise"`
	Steps       []Step                 `yaml:"steps,required" help:"in order; the first is the start"`
	Timeout     config.Duration        `yaml:"timeout" help:"the job stops at a chunk boundary when it takes longer; it can be restarted"`
	Restartable bool                   `yaml:"restartable,literal" default:"true" help:"false: a failed instance is not continued"`
	OnOverlap   Overlap                `yaml:"on_overlap" help:"when another execution of this instance is running: fail where absent; wait for 10m at most where nothing says"`
	Listeners   Listeners              `yaml:"listeners" help:"what to do when something happens"`
	Workdir     string                 `yaml:"workdir,literal" help:"where relative paths start, itself relative to the folder of this file"`

	Path string // of the file, as the user named it
	Text []byte // of the file
	Hash string // SHA-256 of Text in hex

	document *config.Document
}

// The values of Instance.
const (
	InstanceParams  = "params"
	InstanceEachRun = "each_run"
)

// Defaults holds for every step that does not say otherwise.
type Defaults struct {
	Tuning
}

// Tuning is how a chunk step commits. Job-wide defaults have the same keys.
type Tuning struct {
	Chunk      *int            `yaml:"chunk" help:"records that are written, and committed, together; 1000 where nothing says"`
	Checkpoint string          `yaml:"checkpoint" enum:"target|intent|metadata" help:"where the checkpoint is kept: target (exactly once), intent (exactly once without a table in the target; PostgreSQL), or metadata (a repeated chunk is possible)"`
	Retry      *Retry          `yaml:"retry" help:"which errors are tried again"`
	Skip       *Skip           `yaml:"skip" help:"which errors leave their record out, and how many may be"`
	DeadLetter *Component      `yaml:"dead_letter" help:"a writer for the records that are left out, with the reason"`
	Timeout    config.Duration `yaml:"timeout" help:"the step stops at a chunk boundary when it takes longer; it can be restarted"`
	Rate       int             `yaml:"rate" help:"records a second at most, to spare others"`
	Durability string          `yaml:"durability" enum:"full|relaxed" help:"relaxed: commits need not reach the disk before the next chunk; the last one does"`
}

// DefaultChunk is the size of a chunk where the definition names none; MaxChunk is the largest.
const (
	DefaultChunk = 1000
	MaxChunk     = 1_000_000
)

// over returns t with what it leaves open taken from below.
func (t Tuning) over(below Tuning) Tuning {
	if t.Chunk == nil {
		t.Chunk = below.Chunk
	}
	if t.Checkpoint == "" {
		t.Checkpoint = below.Checkpoint
	}
	if t.Durability == "" {
		t.Durability = below.Durability
	}
	t.Timeout, t.Rate = cmp.Or(t.Timeout, below.Timeout), cmp.Or(t.Rate, below.Rate)
	t.Retry, t.Skip, t.DeadLetter = cmp.Or(t.Retry, below.Retry), cmp.Or(t.Skip, below.Skip), cmp.Or(t.DeadLetter, below.DeadLetter)
	return t
}
