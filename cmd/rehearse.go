package cmd

import (
	"context"
	"fmt"
	"strings"

	"batchctl/pkg/batch"
	"batchctl/pkg/fault"
	"batchctl/pkg/plan"
)

// rehearsalDocument is what a dry run found, as JSON.
type rehearsalDocument struct {
	Job        string            `json:"job"`
	DryRun     bool              `json:"dry_run"`
	NextRun    string            `json:"next_run"`
	Parameters map[string]string `json:"parameters"`
	Seconds    float64           `json:"elapsed_seconds"`
	Steps      []rehearsedStep   `json:"steps"`
	Errors     []errorDocument   `json:"errors,omitempty"`
}

type rehearsedStep struct {
	Name     string           `json:"name"`
	Target   string           `json:"target,omitempty"`
	NotTried string           `json:"not_tried,omitempty"`
	Status   batch.Status     `json:"status,omitempty"`
	Counters map[string]int64 `json:"counters,omitempty"` // write_count is what would have been written
}

// rehearse does a dry run and tells what a run would have written.
func (a *app) rehearse(ctx context.Context, request plan.RunRequest, failOnSkip bool) error {
	engine, err := a.engine()
	if err != nil {
		return err
	}
	ctx, w := a.watch(ctx, rehearsalDisplay{a.newDisplay(a.metaShown())})
	defer w.end()
	found, err := engine.Rehearse(ctx, request, w.watcher())
	err = w.reason(err)
	if found == nil {
		return err
	}
	if err == nil && failOnSkip {
		err = refuseSkips(found.Tried())
	}
	a.rehearsed(found, err)
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: exitCode(err, false, false), said: true}
}

// rehearsalDisplay leaves out lines of a run that are not true of a dry run: its steps write nothing.
type rehearsalDisplay struct{ display }

func (r rehearsalDisplay) Observe(e batch.Event) {
	switch e.(type) {
	case batch.JobStarted, batch.StepEnded:
		if b, ok := r.display.(*bars); ok {
			b.end()
		}
		return
	}
	r.display.Observe(e)
}

func (a *app) rehearsed(r *plan.Rehearsal, err error) {
	if a.json() {
		a.document(newRehearsalDocument(r, err))
		return
	}
	if !a.global.quiet {
		a.printf("%s", rehearsalText(r, err))
	}
	if err == nil {
		return
	}
	if a.global.quiet {
		fmt.Fprint(a.stderr, rehearsalText(r, err))
	}
	fmt.Fprint(a.stderr, fault.Render(err))
	a.annotate(err)
}

func newRehearsalDocument(r *plan.Rehearsal, err error) rehearsalDocument {
	d := rehearsalDocument{Job: r.Execution.Instance.Name, DryRun: true, NextRun: r.NextRun, Parameters: plan.ShownParameters(r.Execution.Parameters),
		Seconds: seconds(r.Elapsed), Steps: []rehearsedStep{}}
	for _, s := range r.Steps {
		one := rehearsedStep{Name: s.Name, Target: s.Target, NotTried: s.NotTried}
		if s.Step != nil {
			one.Status, one.Counters = s.Step.Status, s.Step.Total.Named()
		}
		d.Steps = append(d.Steps, one)
	}
	if err != nil {
		d.Errors = plan.SummarizeErrors(err)
	}
	return d
}

func rehearsalText(r *plan.Rehearsal, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dry run of %s%s: nothing was written or recorded\n", r.Execution.Instance.Name, parameterSuffix(r.Execution.Parameters))
	fmt.Fprintf(&b, "  next run: %s\n", r.NextRun)
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %-*s ", nameWidth, s.Name)
		if s.Step == nil {
			fmt.Fprintf(&b, "not tried: %s\n", s.NotTried)
			continue
		}
		c := s.Step.Total
		fmt.Fprintf(&b, "%12s read %12s to write", grouped(c.Read), grouped(c.Write))
		if c.Filter > 0 {
			fmt.Fprintf(&b, " %9s filtered", grouped(c.Filter))
		}
		if c.Skip() > 0 {
			fmt.Fprintf(&b, " %9s skipped", grouped(c.Skip()))
		}
		if s.Target != "" {
			fmt.Fprintf(&b, "   into %s", s.Target)
		}
		if s.Step.Status != batch.Completed {
			fmt.Fprintf(&b, "   %s", s.Step.Status)
		}
		b.WriteByte('\n')
	}
	if err == nil {
		fmt.Fprintf(&b, "no error in %s\n", shortDuration(r.Elapsed))
	}
	return b.String()
}

func parameterSuffix(parameters []batch.Parameter) string {
	if len(parameters) == 0 {
		return ""
	}
	return "  " + parameterText(parameters)
}
