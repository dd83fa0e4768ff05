package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// ReplayRequest names the dead letters that are to be put through their step again.
type ReplayRequest struct {
	Which      string // id of an execution of the instance, or the name of a job for its last run
	Step       string // "" for the only one that has letters left
	Phase      batch.SkipPhase
	Class      fault.Class
	Again      bool              // also those that went through before
	Parameters map[string]string // secret ones
}

// ErrNothingToReplay means that no dead letter is left that was asked for.
var ErrNothingToReplay = errors.New("nothing to replay")

// replaying is what makes a prepared job a replay.
type replaying struct {
	what    *meta.Replay
	given   map[string]string // secret parameters
	marker  *batch.Parameter  // replay_of, nil where the job has a parameter of that name
	changed int64             // the execution since which the definition was changed, 0 where it was not
}

// replayOf is the parameter that says whose dead letters an execution replays.
const replayOf = "replay_of"

// Replay puts dead letters of an instance through the step that left them out, as an execution of an instance of its own:
// with the definition as it is now, and the parameters of the instance's last execution. The error wraps
// ErrNothingToReplay where none is left.
func (e *Engine) Replay(ctx context.Context, r ReplayRequest, w Watcher) (*Outcome, error) {
	store, err := e.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	p, err := e.prepareReplay(ctx, store, r)
	if err != nil {
		return nil, err
	}
	if err := e.checkLaunch(p); err != nil {
		return nil, err
	}
	return e.launch(ctx, store, p, meta.Request{New: true, Replay: p.replay.what}, Drift{}, w)
}

func (e *Engine) prepareReplay(ctx context.Context, store *meta.Store, r ReplayRequest) (*prepared, error) {
	source, err := e.findLetters(ctx, store, r.Which, r.Parameters)
	if err != nil {
		return nil, err
	}
	defer source.close()
	if last := source.execution; last.Status.Running() {
		return nil, fault.Wrap(fault.Definition, batch.ErrRunning, "execution %d is %s, and may leave more dead letters behind", last.ID, last.Status).
			WithCode("running").WithHint("wait for it, or stop it with: batchctl stop %d", last.ID)
	}
	what, err := source.choose(ctx, r)
	if err != nil {
		return nil, err
	}
	p, err := e.again(source.execution, RestartRequest{Parameters: r.Parameters})
	if err != nil {
		return nil, err
	}
	if err := p.mayReplay(source, what.Step); err != nil {
		return nil, err
	}
	p.replay = &replaying{what: what, given: r.Parameters, marker: markerOf(p.job, source.execution.ID)}
	p.overrides.Overlap.Do = job.OverlapFail // on_overlap is about two runs of one instance
	if p.definition().Hash != source.execution.Definition.Hash {
		p.replay.changed = source.execution.ID
	}
	return p, nil
}

func markerOf(j *job.Job, execution int64) *batch.Parameter {
	if _, taken := j.Params.Get(replayOf); taken {
		return nil
	}
	return &batch.Parameter{Name: replayOf, Type: job.TypeInt, Value: strconv.FormatInt(execution, 10)}
}

// choose finds the letters that are to be replayed.
func (s *letterSource) choose(ctx context.Context, r ReplayRequest) (*meta.Replay, error) {
	steps, err := s.prepared.stepsWithLetters(r.Step)
	if err != nil {
		return nil, err
	}
	fates, err := s.fates(ctx)
	if err != nil {
		return nil, err
	}
	var chosen *meta.Replay
	var counts []string
	seen := 0
	for _, step := range steps {
		found := &meta.Replay{Source: s.execution.Instance.ID, Step: step.Name, Again: r.Again}
		n, err := s.chooseOf(ctx, step, r, fates, found)
		if err != nil {
			return nil, err
		}
		seen += n
		if len(found.Letters) > 0 {
			chosen = found
			counts = append(counts, fmt.Sprintf("%s (%d)", step.Name, len(found.Letters)))
		}
	}
	switch {
	case len(counts) > 1:
		return nil, fault.New(fault.Definition, "%d steps have dead letters to be replayed: %s", len(counts), strings.Join(counts, ", ")).
			WithCode("ambiguous").WithHint("name one with --step")
	case chosen == nil:
		return nil, s.nothingLeft(seen)
	}
	return chosen, nil
}

// chooseOf adds the letters of a step that are to be replayed to a replay, and returns how many were asked for.
func (s *letterSource) chooseOf(ctx context.Context, step *job.Step, r ReplayRequest, fates map[meta.LetterKey]*meta.LetterReplay, to *meta.Replay) (asked int, _ error) {
	request := LettersRequest{Phase: r.Phase, Class: r.Class}
	for l, err := range s.letters(ctx, step) {
		if err != nil {
			return asked, err
		}
		if !request.fits(l) {
			continue
		}
		asked++
		fate := fates[l.root]
		if fate != nil && fate.Open() {
			return asked, meta.ReplayOpen(*fate)
		}
		if done := fate != nil && (fate.Through || fate.Status == batch.Abandoned); !done || r.Again {
			to.Letters = append(to.Letters, l.root)
		}
	}
	return asked, nil
}

func (s *letterSource) nothingLeft(asked int) error {
	what := "it left no such dead letters behind"
	hint := fmt.Sprintf("batchctl dead-letters list %d shows what there is", s.execution.ID)
	if asked > 0 {
		what = fmt.Sprintf("its dead letters, %d, were replayed", asked)
		hint = "--again replays them once more, also what went through"
	}
	return fault.Wrap(fault.Definition, ErrNothingToReplay, "execution %d of job %s: %s", s.execution.ID, s.execution.Instance.Name, what).
		WithCode("nothing_to_replay").WithHint("%s", hint)
}

// mayReplay refuses what could not be replayed, or not without harm, with the definition as it is now.
func (p *prepared) mayReplay(source *letterSource, name string) error {
	s, err := p.stepNamed(name)
	if err != nil {
		return err
	}
	if err := tellApart(s.Name, s.DeadLetter.Node); err != nil {
		return err
	}
	names := shareScope(job.StepNames(s.Name, p.names), replayShare(s))
	b := newBuilder(names, p.checkEnv(s, names))
	files := false
	for _, c := range []struct {
		build   func(job.Component) (batch.Writer, error)
		of      job.Component
		letters bool
	}{{b.writer, s.Writer, false}, {b.letters, *s.DeadLetter, true}} {
		writer, err := c.build(c.of)
		if fault.CodeOf(err) == "no_value" {
			continue // it is known when the step starts
		}
		if err != nil {
			return err
		}
		defer writer.Close()
		if _, publishes := writer.(batch.Publisher); publishes {
			files = true
		}
		if _, err := rereader(s, writer); err != nil && c.letters {
			return err
		}
	}
	if last := source.last(name); files && last != nil && last.Status != batch.Completed {
		return notPublished(source, last)
	}
	return nil
}

// tellApart refuses dead letters that do not say which instance's they are, and which of them: a replay adds its own.
func tellApart(step string, n config.Node) error {
	for pair := range n.Nested() {
		if pair.Name != "columns" {
			continue
		}
		var kept []string
		for _, field := range pair.Value.Items() {
			kept = append(kept, field.Text())
		}
		for _, field := range pair.Value.Pairs() {
			kept = append(kept, field.Name)
		}
		for _, needed := range []string{"job_instance_id", "ordinal"} {
			if !slices.Contains(kept, needed) {
				return pair.Value.Errorf("the dead letters of step %s do not keep %s, by which those of a replay are told from the others", step, needed).
					WithCode("no_dead_letters").WithHint("add it to columns, or leave columns out")
			}
		}
	}
	return nil
}

// notPublished is the refusal to add to files that have not appeared yet, and would replace what is added when they do.
func notPublished(source *letterSource, last *batch.StepExecution) error {
	e := fault.Wrap(fault.Environment, batch.ErrNotRestartable, "step %s of execution %d is %s: its files appear when it has completed, and what is replayed before would be lost",
		last.Name, source.execution.ID, last.Status).WithCode("step_not_complete")
	if source.execution.Status.Restartable() {
		return e.WithHint("finish it first: batchctl restart %d", source.execution.ID)
	}
	return e.WithHint("batchctl dead-letters list %d -o json shows the records", source.execution.ID)
}

// replayAgain makes a prepared job the replay that an instance is, for its restart.
func (p *prepared) replayAgain(what *meta.Replay, previous *batch.JobExecution, given map[string]string) {
	if what == nil {
		return
	}
	p.replay = &replaying{what: what, given: given}
	for _, parameter := range previous.Parameters {
		if _, declared := p.job.Params.Get(replayOf); parameter.Name == replayOf && !declared {
			p.replay.marker = &parameter
		}
	}
}

// recordedParameters are the parameters of an execution, with the marker of a replay.
func (p *prepared) recordedParameters() []batch.Parameter {
	if p.replay == nil || p.replay.marker == nil {
		return p.parameters.List
	}
	return append(p.parameters.List[:len(p.parameters.List):len(p.parameters.List)], *p.replay.marker)
}

// leaveTo gives names what the steps of the job left behind in the run that left the letters behind.
func (s *letterSource) leaveTo(ctx context.Context, names *config.Names) error {
	history, err := s.store.StepHistory(ctx, s.root())
	for _, step := range history {
		leave(names, step)
	}
	return err
}
