package plan

import (
	"context"
	"errors"
	"fmt"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/runner"
)

// replay is a launched replay on its way to the runner.
type replay struct {
	*replaying
	step   *job.Step
	source *letterSource
	name   string // for files of its own: replay- and the id of the execution that began it
}

// openReplay opens where the letters are that a launched job replays.
func (a *assembly) openReplay(ctx context.Context) error {
	if a.prepared.replay == nil {
		return nil
	}
	what := *a.prepared.replay
	step, err := a.prepared.stepNamed(what.what.Step)
	if err != nil {
		return err
	}
	source, err := a.engine.openLetters(ctx, a.store, what.what.Source, what.given)
	if err != nil {
		return err
	}
	if err := source.leaveTo(ctx, a.prepared.names); err != nil {
		return errors.Join(err, source.close())
	}
	all, err := a.store.Executions(ctx, meta.Filter{Instance: a.execution.Instance.ID})
	if err != nil || len(all) == 0 {
		return errors.Join(err, source.close())
	}
	a.replay = &replay{replaying: &what, step: step, source: source, name: fmt.Sprintf("replay-%d", all[len(all)-1].Execution.ID)}
	if what.changed != 0 {
		a.observer.Observe(batch.Notice{Message: fmt.Sprintf("the definition was changed since execution %d left the dead letters behind", what.changed)})
	}
	return nil
}

func (a *assembly) closeReplay() error {
	if a.replay == nil {
		return nil
	}
	return a.replay.source.close()
}

// replayName is what files of a replay's own have in their names, "" in a run.
func (a *assembly) replayName() string {
	if a.replay == nil {
		return ""
	}
	return a.replay.name
}

// replayStep is the one step of a replay: the letters' step, but for what speaks of its whole input.
func (a *assembly) replayStep(ctx context.Context, s *job.Step) *runner.Step {
	share := replayShare(s)
	step := a.chunkStep(s, share)
	step.Claim = a.claim(s, nil, func() (string, error) { return targetOf(s, a.idleBuilder(s, share)) })
	step.AllowRerun, step.StartLimit, step.FailOnEmpty = false, 0, false
	step.Check, step.ExitStatus = nil, nil
	step.Tolerance.Skip.Ratio = 0
	step.Build = func(ctx context.Context, step *batch.StepExecution, at batch.Checkpoint) (*runner.Components, error) {
		return a.buildReplay(ctx, s, step, at)
	}
	step.Export = func(step *batch.StepExecution) (batch.Context, error) {
		return nil, a.markReplayed(ctx, s, step)
	}
	return step
}

// replayShare stands for the share of a partitioned step, whose replay is not divided, in names such as ${partition.name}.
func replayShare(s *job.Step) *runner.Share {
	if s.Partition == nil {
		return nil
	}
	return &runner.Share{Name: "replay"}
}

func (a *assembly) buildReplay(ctx context.Context, s *job.Step, step *batch.StepExecution, at batch.Checkpoint) (*runner.Components, error) {
	components, err := a.build(s, replayShare(s), step, at)
	if err != nil {
		return nil, err
	}
	names, live := a.stepScope(s, step, replayShare(s))
	plain, err := newBuilder(names, a.env(s, live)).reader(s.Reader)
	if err != nil {
		return nil, err
	}
	kind, covers, err := a.replay.source.covers(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	if kind != s.Reader.Type {
		covers = nil // it was read in another way then
	}
	components.Reader = wrapped(a.engine.instruments.reader, newLetterReader(a.replay, plain, s.Reader.Type, covers, a.prepared.location))
	components.ReaderKind = lettersKind
	return components, nil
}

// covers returns the kind and the state of the reader that read the letters of a step first.
func (s *letterSource) covers(ctx context.Context, name string) (kind string, state batch.State, err error) {
	step, err := s.prepared.stepNamed(name)
	if err != nil {
		return "", nil, err
	}
	parts, err := s.parts(step)
	for _, part := range parts {
		at, err := s.checkpoint(ctx, part)
		if err == nil {
			kind, state, err = runner.ReaderState(at)
		}
		if err != nil {
			return "", nil, err
		}
		if state != nil {
			break
		}
	}
	if err == nil && kind == lettersKind {
		return lettersCover(state)
	}
	return kind, state, err
}

// markReplayed records which letters went through: all of the input but those that the replay's own dead letters are
// about. It is done before the step counts as completed, so that a restart does it where a crash came between.
func (a *assembly) markReplayed(ctx context.Context, s *job.Step, step *batch.StepExecution) error {
	refused := map[int64]bool{}
	if step.Total.Skip() > 0 {
		own, err := a.engine.ownLetters(ctx, a)
		if err != nil {
			return err
		}
		for l, err := range own.letters(ctx, s) {
			if err != nil {
				return err
			}
			refused[l.Ordinal] = true
		}
	}
	if int64(len(refused)) != step.Total.Skip() {
		return fault.New(fault.Environment, "%d records were left out again, and %d dead letters are there", step.Total.Skip(), len(refused)).
			WithCode("damaged_letter").WithHint("put the dead letters back that the replay wrote, then restart")
	}
	if between := a.engine.instruments.marks; between != nil {
		if err := between("marks.before"); err != nil {
			return err
		}
	}
	if err := a.store.MarkReplayed(ctx, a.execution.Instance.ID, a.execution.ID, refused); err != nil {
		return err
	}
	if between := a.engine.instruments.marks; between != nil {
		return between("marks.after")
	}
	return nil
}

// ownLetters are the letters of the replay that is running, by the definition that it runs with.
func (e *Engine) ownLetters(ctx context.Context, a *assembly) (*letterSource, error) {
	own := *a
	own.observer = silent{}
	s := &letterSource{assembly: &own, given: a.replay.given, replay: a.replay.what}
	var err error
	s.history, err = a.store.StepHistory(ctx, a.execution.Instance.ID)
	return s, err
}
