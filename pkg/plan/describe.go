package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/sqldb"
)

// Description is what would run. Secrets are hidden in it.
type Description struct {
	Job         string                  `json:"job"`
	Description string                  `json:"description,omitempty"`
	Instance    string                  `json:"instance"`
	NextRun     string                  `json:"next_run"`
	TimeZone    string                  `json:"time_zone"`
	Base        string                  `json:"base_folder"`
	OnOverlap   string                  `json:"on_overlap"`
	Timeout     string                  `json:"timeout,omitempty"`
	Parameters  []ParameterDescription  `json:"parameters"`
	Connections []ConnectionDescription `json:"connections"`
	Steps       []StepDescription       `json:"steps"`
}

// ParameterDescription is a parameter's resolved value.
type ParameterDescription struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Value       string `json:"value"`
	Identifying bool   `json:"identifying"`
}

// ConnectionDescription says where a connection leads.
type ConnectionDescription struct {
	Name     string `json:"name"`
	Driver   string `json:"driver"`
	Location string `json:"location"`
}

// StepDescription is a step with its guarantee and its definition, ${...} filled in as far as it is known.
type StepDescription struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // chunk, tasklet, parallel, job or decide
	Chunk     int    `json:"chunk,omitempty"`
	Partition string `json:"partition,omitempty"` // how the input is divided, for people
	Guarantee string `json:"guarantee"`
	Resolved  string `json:"definition"`
}

// Describe says what a run with these parameters would do. It opens the job repository, where there is one, and nothing
// else.
func (e *Engine) Describe(ctx context.Context, path string, given map[string]string) (*Description, error) {
	p, err := e.prepareAt(path, given)
	if err != nil {
		return nil, err
	}
	if err := p.check(e.Secrets); err != nil {
		return nil, err
	}
	d := &Description{Job: p.job.Name, Description: p.job.Description, TimeZone: p.location.String(), Base: p.place.Base,
		OnOverlap:  overlapText(p.job.OnOverlap.Over(job.Overlap{})),
		Parameters: []ParameterDescription{}, Connections: []ConnectionDescription{}}
	d.Instance = instanceText(p)
	if bound := p.bound(); bound > 0 {
		d.Timeout = shortest(bound)
	}
	for _, parameter := range p.parameters.List {
		value := parameter.Value
		if parameter.Secret {
			value = config.Hidden
		}
		d.Parameters = append(d.Parameters, ParameterDescription{parameter.Name, parameter.Type, value, parameter.Identifying})
	}
	for _, c := range p.job.Connections {
		d.Connections = append(d.Connections, ConnectionDescription{c.Name, c.Value.Driver, sqldb.Redact(c.Value.DSN)})
	}
	for _, s := range p.job.All() {
		d.Steps = append(d.Steps, p.describeStep(s))
	}
	d.NextRun, err = e.nextRun(ctx, p)
	return d, err
}

func instanceText(p *prepared) string {
	if p.job.Instance == job.InstanceEachRun {
		return "a new one with every run"
	}
	return "identified by its parameters, key " + p.parameters.Key()
}

func overlapText(o job.Overlap) string {
	if o.Do == job.OverlapWait {
		return o.Do + " for " + shortest(time.Duration(o.Wait)) + " at most"
	}
	return o.Do
}

func (p *prepared) describeStep(s *job.Step) StepDescription {
	names := p.stepNames(s)
	resolved := (&config.Decoder{Scope: names, Base: p.place.Base}).Resolved(s.Node.Without(string(job.ParallelStep)))
	if s.Kind() != job.ChunkStep {
		return StepDescription{Name: s.Name, Kind: string(s.Kind()), Guarantee: describeFlow(s) + taskletGuarantee(s), Resolved: resolved}
	}
	return StepDescription{
		Name: s.Name, Kind: "chunk", Chunk: s.ChunkSize(), Partition: describePartition(s.Partition), Guarantee: p.guarantee(s, shareScope(names, sampleShare(s))),
		Resolved: resolved,
	}
}

// describePartition says how many shares a step has and by what, "" where it has none.
func describePartition(d *job.Partition) string {
	if d == nil {
		return ""
	}
	shares := fmt.Sprintf("%d", d.Count)
	switch {
	case d.By == "files":
		shares = "one for each file"
	case d.By == "values" && d.Query.Text != "":
		shares = "one for each value of " + d.Column + " that the query finds, and one for the rest"
	case d.By == "values":
		shares = fmt.Sprintf("%d, one for each value of %s and one for the rest", len(d.Values)+1, d.Column)
	case d.Column != "":
		shares += " by " + d.By + " of " + d.Column
	default:
		shares += " by places in the file"
	}
	return fmt.Sprintf("%s; %d at a time", shares, d.MaxParallel)
}

// guarantee says what a crash can do to a step's output.
func (p *prepared) guarantee(s *job.Step, names config.Scope) string {
	env := p.checkEnv(s, names)
	writer, err := newBuilder(names, env).writer(s.Writer)
	if err != nil {
		return "known when the step starts"
	}
	defer writer.Close()
	if p.streams(s, s.Writer) {
		return "once: standard output cannot be gone on with, a restart has to begin anew"
	}
	if p.streams(s, s.Reader) {
		return "once: standard input cannot be read again, a restart has to begin anew"
	}
	_, publishes := writer.(batch.Publisher)
	return guaranteeOf(connectionOf(writer), s.Checkpoint, publishes)
}

func guaranteeOf(target, checkpoint string, publishes bool) string {
	files := "files are cut back to the checkpoint, and appear when the step is complete"
	switch {
	case target != "" && checkpoint == "intent" && publishes:
		return intentGuarantee(target) + "; " + files
	case target != "" && checkpoint == "intent":
		return intentGuarantee(target)
	case target != "" && checkpoint == "metadata":
		return "at least once: the checkpoint is saved in the job repository after " + target + " has committed; a crash between the two repeats a chunk"
	case target != "" && publishes:
		return "exactly once: rows and checkpoint commit in one transaction of " + target + "; " + files
	case target != "":
		return "exactly once: rows and checkpoint commit in one transaction of " + target
	case publishes:
		return "exactly once: " + files
	}
	return "nothing is kept of the output"
}

func intentGuarantee(target string) string {
	return "exactly once (intent): the job repository records the transaction before " + target +
		" commits it, and " + target + " is asked for it after a crash; not across a failover"
}

// nextRun says what batchctl run would do with these parameters now.
func (e *Engine) nextRun(ctx context.Context, p *prepared) (string, error) {
	store, err := e.OpenReadOnly(ctx)
	if errors.Is(err, fs.ErrNotExist) || fault.CodeOf(err) == "no_repository" {
		return "starts a new instance", nil
	}
	if err != nil {
		return "", err
	}
	defer store.Close()
	if p.job.Instance == job.InstanceEachRun {
		return nextOfEachRun(ctx, store, p)
	}
	instance, err := store.Instance(ctx, p.job.Name, p.parameters.Key())
	if err != nil || instance == nil {
		return "starts a new instance", err
	}
	last, err := store.LastExecution(ctx, instance.ID)
	if err != nil || last == nil {
		return "starts a new instance", err
	}
	return nextAfter(last, p), nil
}

func nextAfter(last *batch.JobExecution, p *prepared) string {
	switch {
	case last.Status == batch.Completed:
		return fmt.Sprintf("refused: execution %d completed this instance", last.ID)
	case last.Status == batch.Abandoned:
		return fmt.Sprintf("refused: execution %d was abandoned", last.ID)
	case last.Status.Running():
		return nextBeside(last, p.overrides.Overlap.Over(p.job.OnOverlap))
	case !p.job.Restartable:
		return fmt.Sprintf("refused: execution %d is %s, and the job is not restartable", last.ID, last.Status)
	case last.Definition.Hash != p.definition().Hash:
		return fmt.Sprintf("continues execution %d, which is %s; the definition was changed since: needs --accept-changes or --as-recorded", last.ID, last.Status)
	}
	return fmt.Sprintf("continues execution %d, which is %s%s", last.ID, last.Status, whereFrom(last))
}

// nextBeside says what a run would do while another execution is running.
func nextBeside(last *batch.JobExecution, o job.Overlap) string {
	switch o.Do {
	case job.OverlapSkip:
		return fmt.Sprintf("does nothing while execution %d is running; continues it where its process has died", last.ID)
	case job.OverlapWait:
		return fmt.Sprintf("waits while execution %d is running, for %s at most, and decides anew when it has ended", last.ID, shortest(time.Duration(o.Wait)))
	}
	return fmt.Sprintf("refused while execution %d is running; continues it where its process has died", last.ID)
}

// whereFrom says in which step an execution would be continued.
func whereFrom(last *batch.JobExecution) string {
	if len(last.Steps) == 0 {
		return ""
	}
	step := last.Steps[len(last.Steps)-1]
	if step.Status == batch.Completed {
		return ", behind step " + step.Name
	}
	return ", in step " + step.Name + " behind what it has committed; steps before it are not repeated"
}

func nextOfEachRun(ctx context.Context, store *meta.Store, p *prepared) (string, error) {
	found, err := store.Executions(ctx, meta.Filter{Job: p.job.Name, Limit: 1, Runs: true})
	if err != nil || len(found) == 0 || found[0].Execution.Status == batch.Completed {
		return "starts a new instance", err
	}
	return nextAfter(found[0].Execution, p), nil
}
