package plan

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
	"batchctl/pkg/record"
	"batchctl/pkg/runner"
)

// letterSource is an instance as the place where dead letters are: its definition, its parameters, its connections.
type letterSource struct {
	*assembly
	given   map[string]string // secret parameters
	replay  *meta.Replay      // what the instance replays itself, nil where it is no replay
	history []*batch.StepExecution
}

// foundLetter is a dead letter with the record that was left out first, before any replay.
type foundLetter struct {
	batch.KeptLetter
	root meta.LetterKey
}

// openLetters makes the letters of an instance accessible, by the definition and the parameters of its last execution.
// Databases are opened for reading only. The caller closes the source.
func (e *Engine) openLetters(ctx context.Context, store *meta.Store, instance int64, given map[string]string) (*letterSource, error) {
	last, err := store.LastExecution(ctx, instance)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, fault.New(fault.Environment, "instance %d, whose dead letters are meant, has no execution in this job repository", instance)
	}
	p, err := e.asItRan(last, given)
	if err != nil {
		return nil, err
	}
	p.names.SetInt("job.instance_id", last.Instance.ID).SetInt("job.execution_id", last.ID).SetText("job.repository_id", store.ID())
	a := &assembly{engine: e, prepared: p, store: store, execution: last, connections: p.readOnlyConnections(ctx), observer: silent{}}
	s := &letterSource{assembly: a, given: given}
	if s.replay, err = store.Replay(ctx, instance); err == nil {
		err = s.remember(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// remember gives the names of the definition the values that the steps of the instance left behind.
func (s *letterSource) remember(ctx context.Context) (err error) {
	if s.history, err = s.store.StepHistory(ctx, s.root()); err != nil {
		return err
	}
	for _, step := range s.history {
		leave(s.prepared.names, step)
	}
	if s.replay != nil {
		s.history, err = s.store.StepHistory(ctx, s.execution.Instance.ID)
	}
	return err
}

func (s *letterSource) close() error { return s.connections.close() }

// root is the instance whose input the letters come from, however often they were replayed.
func (s *letterSource) root() int64 {
	if s.replay != nil {
		return s.replay.Letters[0].Instance
	}
	return s.execution.Instance.ID
}

// asItRan prepares the definition that an execution ran, with its parameters. Passwords are not recorded: where the file
// is as it was, they are those in it.
func (e *Engine) asItRan(last *batch.JobExecution, given map[string]string) (*prepared, error) {
	recorded := last.Definition
	j, err := e.load(e.shown(recorded.Path))
	if err != nil || hashOf(j.StoredText()) != recorded.Hash {
		if j, err = job.Load(recorded.Path, []byte(recorded.Text)); err != nil {
			return nil, err
		}
	}
	return e.prepareAgain(j, last, RestartRequest{Parameters: given}, recorded.Base)
}

// silent hears nothing.
type silent struct{}

func (silent) Observe(batch.Event) {}

// lettered are the steps that keep dead letters.
func (p *prepared) lettered() (found []*job.Step) {
	for _, s := range p.job.All() {
		if s.Kind() == job.ChunkStep && s.DeadLetter != nil {
			found = append(found, s)
		}
	}
	return found
}

// stepNamed returns the step that --step names: one that keeps dead letters.
func (p *prepared) stepNamed(name string) (*job.Step, error) {
	var names []string
	for _, s := range p.lettered() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	for _, s := range p.job.All() {
		if s.Name == name {
			return nil, fault.New(fault.Definition, "step %s of job %s keeps no dead letters", name, p.job.Name).WithCode("no_dead_letters").
				WithHint("give it a dead_letter, a writer for the records that it skips")
		}
	}
	return nil, fault.New(fault.Definition, "job %s has no step %q", p.job.Name, name).WithCode("unknown_step").WithHint("%s", fault.DidYouMean(name, names))
}

// last returns the newest execution of a step, nil where it was never started.
func (s *letterSource) last(step string) *batch.StepExecution {
	for i := len(s.history) - 1; i >= 0; i-- {
		if s.history[i].Name == step {
			return s.history[i]
		}
	}
	return nil
}

// lettersPart is a step, or a share of one, as it was run last: where it keeps its dead letters is a place of its own.
type lettersPart struct {
	step      *job.Step
	execution *batch.StepExecution
	share     *runner.Share // nil where the step was not divided
	names     *runner.Share // what ${partition.name} and its like mean, nil: nothing
}

// parts are what a step of the instance was divided into; none where it was never started.
func (s *letterSource) parts(step *job.Step) ([]lettersPart, error) {
	last := s.last(step.Name)
	if last == nil {
		return nil, nil
	}
	if s.replay != nil {
		return []lettersPart{{step: step, execution: last, names: replayShare(step)}}, nil
	}
	shares, err := runner.SharesOf(last)
	if err != nil || len(shares) == 0 {
		return []lettersPart{{step: step, execution: last}}, err
	}
	parts := make([]lettersPart, len(shares))
	for i := range shares {
		parts[i] = lettersPart{step, last, &shares[i], &shares[i]}
	}
	return parts, nil
}

// checkpoint returns where a part of a step stands, by its ledger; the zero Checkpoint where it has none.
func (s *letterSource) checkpoint(ctx context.Context, part lettersPart) (at batch.Checkpoint, err error) {
	step := part.step
	key := s.key(step, part.share, part.execution.Visit)
	names, live := s.stepScope(step, part.execution, part.names)
	target, err := targetOf(step, newBuilder(names, s.env(step, live)))
	if err != nil {
		return at, err
	}
	if target != "" && step.Checkpoint != "metadata" {
		db, err := s.connections.connect(target)
		if err != nil {
			return at, err
		}
		found, err := meta.TargetCheckpoints(ctx, db, key)
		if err != nil || len(found) > 0 {
			return furthest(found), err
		}
	}
	kept, err := s.store.Checkpoints(ctx, s.execution.Instance)
	for _, c := range kept {
		if c.Lane.StepKey == key {
			return c.Checkpoint, err
		}
	}
	return at, err
}

// furthest returns the lane whose reader's state covers most, with the counters of all: the states of the others hold less
// of what stands once for all records.
func furthest(lanes []batch.Checkpoint) (at batch.Checkpoint) {
	var counters batch.Counters
	defer func() { at.Counters = counters }()
	for i, lane := range lanes {
		counters = counters.Add(lane.Counters)
		if i == 0 || lane.Ordinal > at.Ordinal {
			at = lane
		}
	}
	return at
}

// letters yields the dead letters that a step of the instance has left behind, in the order of its input.
func (s *letterSource) letters(ctx context.Context, step *job.Step) iter.Seq2[foundLetter, error] {
	return func(yield func(foundLetter, error) bool) {
		parts, err := s.parts(step)
		for i := 0; i < len(parts) && err == nil; i++ {
			var at batch.Checkpoint
			if at, err = s.checkpoint(ctx, parts[i]); err != nil || at.Counters.Skip() == 0 {
				continue
			}
			for row, rowErr := range s.rows(ctx, parts[i], at) {
				letter, mine, err := s.letter(row, rowErr, parts[i])
				if (mine || err != nil) && !yield(letter, err) || err != nil {
					return
				}
			}
		}
		if err != nil {
			yield(foundLetter{}, err)
		}
	}
}

// rows yields the rows of the place where a part of a step keeps its dead letters; some may be those of others.
func (s *letterSource) rows(ctx context.Context, part lettersPart, at batch.Checkpoint) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		step := part.step
		names, live := s.stepScope(step, part.execution, part.names)
		writer, err := newBuilder(names, s.env(step, live)).letters(*step.DeadLetter)
		if err != nil {
			yield(record.Record{}, err)
			return
		}
		defer writer.Close()
		kept, err := rereader(step, writer)
		var state batch.State
		if err == nil {
			state, err = runner.LettersState(at)
		}
		if err != nil {
			yield(record.Record{}, err)
			return
		}
		of := map[string]record.Value{
			"repository_id": record.OfText(s.store.ID()), "job_instance_id": record.OfInt(s.execution.Instance.ID),
		}
		if part.share != nil {
			of["lane"] = record.OfInt(int64(part.share.Index))
		}
		for row, err := range kept.Reread(ctx, state, of) {
			if !yield(row, s.missing(err, step)) || err != nil {
				return
			}
		}
	}
}

// rereader returns a writer of dead letters as one that can read them back.
func rereader(step *job.Step, writer batch.Writer) (batch.Rereader, error) {
	r, ok := writer.(batch.Rereader)
	if !ok {
		return nil, step.DeadLetter.Node.Errorf("the dead letters of step %s cannot be read back: %s does not say where they are", step.Name, step.DeadLetter.Type).
			WithCode("no_dead_letters").WithHint("keep them in a table or a file: dead_letter: {type: jsonl, path: rejected.jsonl}")
	}
	return r, nil
}

// missing is the error for letters that have been written and are not there any more.
func (s *letterSource) missing(err error, step *job.Step) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fault.Wrap(fault.Environment, err, "the dead letters of step %s are gone", step.Name).WithCode("letters_missing").
		WithHint("put the file back where the step has written it")
}

// letter takes a row over, where it is one of the part.
func (s *letterSource) letter(row record.Record, err error, part lettersPart) (found foundLetter, mine bool, _ error) {
	if err != nil {
		return found, false, err
	}
	if found.KeptLetter, err = batch.ReadLetter(row); err != nil {
		return found, false, err
	}
	l, step := &found.KeptLetter, part.step
	if part.share != nil {
		if _, kept := row.Schema.Index("lane"); !kept {
			l.Lane = part.share.Index
		}
		if l.Lane != part.share.Index {
			return found, false, nil
		}
	}
	if l.Repository != "" && l.Repository != s.store.ID() || l.Instance != 0 && l.Instance != s.execution.Instance.ID || !ofStep(l.Step, step.Name) {
		return found, false, nil
	}
	found.root = meta.LetterKey{Instance: s.execution.Instance.ID, Step: step.Name, Lane: l.Lane, Ordinal: l.Ordinal, Execution: l.Execution}
	if l.Step != "" {
		found.root.Step = l.Step
	}
	if s.replay == nil {
		return found, true, nil
	}
	if l.Ordinal < 1 || l.Ordinal > int64(len(s.replay.Letters)) {
		return found, false, fault.New(fault.Environment, "dead letter %d of execution %d is of no record that it replayed", l.Ordinal, l.Execution).WithCode("damaged_letter")
	}
	found.root = s.replay.Letters[l.Ordinal-1]
	return found, true, nil
}

// ofStep reports whether a letter is a step's, or one of its partitions', whose names are step:partition.
func ofStep(letter, step string) bool {
	return letter == "" || batch.WholeOf(letter) == step
}
