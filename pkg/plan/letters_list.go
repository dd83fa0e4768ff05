package plan

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/job"
	"batchctl/pkg/meta"
)

// LettersRequest says which dead letters are meant. Empty fields choose all.
type LettersRequest struct {
	Which      string // id of an execution, name of a job for its last run, or "" for the only instance with letters
	Step       string
	Phase      batch.SkipPhase
	Class      fault.Class
	Ordinal    int64
	Limit      int               // 0: no limit
	Parameters map[string]string // secret ones
}

func (r *LettersRequest) fits(l foundLetter) bool {
	return (r.Phase == "" || l.Phase == r.Phase) && (r.Class == "" || l.Class == r.Class) && (r.Ordinal == 0 || l.Ordinal == r.Ordinal)
}

// Letters are dead letters of an instance.
type Letters struct {
	Execution *batch.JobExecution // the last one of the instance
	Found     []Letter            // up to the limit
	Total     int                 // all that fit
	Left      int                 // of them, those that no replay has put through
}

// Letter is a dead letter, and what became of it.
type Letter struct {
	batch.KeptLetter
	Of       *meta.LetterKey    // of a replay's letter, the one that was replayed: of the instance that is no replay
	Replayed *meta.LetterReplay // nil where no replay had it; the one that it went through in, else the newest
}

// Letters finds the dead letters of an instance by the definition and the parameters that its last execution ran with.
func (e *Engine) Letters(ctx context.Context, r LettersRequest) (*Letters, error) {
	store, err := e.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	source, err := e.findLetters(ctx, store, r.Which, r.Parameters)
	if err != nil {
		return nil, err
	}
	defer source.close()
	steps, err := source.prepared.stepsWithLetters(r.Step)
	if err != nil {
		return nil, err
	}
	fates, err := source.fates(ctx)
	if err != nil {
		return nil, err
	}
	found := &Letters{Execution: source.execution}
	for _, step := range steps {
		for l, err := range source.letters(ctx, step) {
			if err != nil {
				return nil, err
			}
			found.add(&r, l, source.replay != nil, fates[l.root])
		}
	}
	return found, nil
}

func (f *Letters) add(r *LettersRequest, l foundLetter, ofReplay bool, fate *meta.LetterReplay) {
	if !r.fits(l) {
		return
	}
	f.Total++
	if fate == nil || !fate.Through {
		f.Left++
	}
	if r.Limit > 0 && len(f.Found) == r.Limit {
		return
	}
	letter := Letter{KeptLetter: l.KeptLetter, Replayed: fate}
	if ofReplay {
		letter.Of = &l.root
		if fate != nil && fate.Instance == l.Instance {
			letter.Replayed = nil // that is the replay in which it became this letter
		}
	}
	f.Found = append(f.Found, letter)
}

func noLetters(j *job.Job) error {
	return fault.New(fault.Definition, "job %s keeps no dead letters", j.Name).WithCode("no_dead_letters").
		WithHint("give the step that skips a dead_letter, a writer for the records that are left out")
}

// fates returns what became of the instance's letters in replays: of several the one that a letter went through in, else
// the newest.
func (s *letterSource) fates(ctx context.Context) (map[meta.LetterKey]*meta.LetterReplay, error) {
	all, err := s.store.LetterReplays(ctx, s.root())
	fates := map[meta.LetterKey]*meta.LetterReplay{}
	for i := range all {
		if before := fates[all[i].Letter]; before == nil || !before.Through || all[i].Through {
			fates[all[i].Letter] = &all[i]
		}
	}
	return fates, err
}

// findLetters opens the letters of the instance that is meant. The caller closes the source.
func (e *Engine) findLetters(ctx context.Context, store *meta.Store, which string, given map[string]string) (*letterSource, error) {
	instance, err := withLetters(ctx, store, which)
	if err != nil {
		return nil, err
	}
	return e.openLetters(ctx, store, instance, given)
}

// stepsWithLetters returns the steps that keep dead letters, or the one of them that is named.
func (p *prepared) stepsWithLetters(named string) ([]*job.Step, error) {
	if named != "" {
		one, err := p.stepNamed(named)
		return []*job.Step{one}, err
	}
	steps := p.lettered()
	if len(steps) == 0 {
		return nil, noLetters(p.job)
	}
	return steps, nil
}

// withLetters returns the instance whose letters are meant.
func withLetters(ctx context.Context, store *meta.Store, which string) (int64, error) {
	if id, err := strconv.ParseInt(which, 10, 64); err == nil {
		details, err := store.Execution(ctx, id)
		if err != nil {
			return 0, err
		}
		return details.Execution.Instance.ID, nil
	}
	if which == "" {
		return onlyWithLetters(ctx, store)
	}
	found, err := store.Executions(ctx, meta.Filter{Job: which, Limit: 1, Runs: true})
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, unknownJob(ctx, store, which)
	}
	return found[0].Execution.Instance.ID, nil
}

// onlyWithLetters returns the one instance that has skipped records.
func onlyWithLetters(ctx context.Context, store *meta.Store) (int64, error) {
	found, err := store.Executions(ctx, meta.Filter{Runs: true})
	if err != nil {
		return 0, err
	}
	var lines []string
	var only int64
	seen := map[int64]bool{}
	for _, s := range found {
		e := s.Execution
		if s.Counters.Skip() == 0 || seen[e.Instance.ID] {
			continue
		}
		seen[e.Instance.ID] = true
		only = e.Instance.ID
		lines = append(lines, fmt.Sprintf("%d (%s)", e.ID, strings.TrimSpace(e.Instance.Name+" "+identifyingText(e.Parameters))))
	}
	const most = 8
	switch {
	case len(lines) == 0:
		return 0, fault.New(fault.Definition, "no execution in %s has skipped a record", store.Location()).WithCode("no_dead_letters")
	case len(lines) == 1:
		return only, nil
	case len(lines) > most:
		lines = append(lines[:most], fmt.Sprintf("and %d more", len(lines)-most))
	}
	return 0, fault.New(fault.Definition, "%d executions have skipped records: %s", len(seen), strings.Join(lines, ", ")).
		WithCode("ambiguous").WithHint("name one of them, or a job for its last run")
}
