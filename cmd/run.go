package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"batchctl/pkg/plan"
)

type runOptions struct {
	parameters    []string
	ifComplete    string
	isNew         bool
	acceptChanges bool
	asRecorded    bool
	adopt         bool
	fresh         bool
	onOverlap     string
}

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run JOB.yaml [-p name=value]...",
		Short: "Start the job instance that the parameters name, or continue it where it failed or stopped",
		Example: "  batchctl run jobs/settlement.yaml -p date=yesterday\n" +
			"  batchctl run jobs/quickstart.yaml --quiet",
		Args: oneArgument("the path of a job definition"),
		RunE: func(c *cobra.Command, args []string) error { return runRun(a, c, o, args[0]) },
	}
	flags := c.Flags()
	flags.StringArrayVarP(&o.parameters, "param", "p", nil, "a parameter of the job, `name=value`; may be given many times")
	flags.StringVar(&o.ifComplete, "if-complete", "fail", "what to do where the instance is complete: fail (exit 7) or skip (exit 0)")
	flags.StringVar(&o.onOverlap, "on-overlap", "", "what to do where the instance is running: fail (exit 6) or skip (exit 0); the definition's where not given")
	flags.BoolVar(&o.isNew, "new", false, "a new instance of an each_run job, also where an unfinished one is there")
	addDriftFlags(c, &o)
	return c
}

// addDriftFlags adds the flags that say what to do where things are not as an earlier execution left them.
func addDriftFlags(c *cobra.Command, o *runOptions) {
	flags := c.Flags()
	flags.BoolVar(&o.acceptChanges, "accept-changes", false, "continue with the definition as it is now, although it was changed")
	flags.BoolVar(&o.asRecorded, "as-recorded", false, "continue with the definition as it was recorded, although the file was changed")
	flags.BoolVar(&o.adopt, "adopt", false, "take over what another job repository loaded of this instance, and go on behind it")
	flags.BoolVar(&o.fresh, "fresh", false, "forget how far the steps of this instance came in their targets, and begin again")
	c.MarkFlagsMutuallyExclusive("accept-changes", "as-recorded")
	c.MarkFlagsMutuallyExclusive("adopt", "fresh")
}

func (o runOptions) drift() plan.Drift {
	return plan.Drift{AcceptChanges: o.acceptChanges, AsRecorded: o.asRecorded, Adopt: o.adopt, Fresh: o.fresh}
}

func runRun(a *app, c *cobra.Command, o runOptions, path string) error {
	parameters, err := splitParameters(c, o.parameters)
	if err != nil {
		return err
	}
	if o.ifComplete != "fail" && o.ifComplete != "skip" {
		return usageError(c, "--if-complete: unknown value %q", o.ifComplete).WithHint("known: fail, skip")
	}
	if o.onOverlap != "" && o.onOverlap != "fail" && o.onOverlap != "skip" {
		return usageError(c, "--on-overlap: unknown value %q", o.onOverlap).WithHint("known: fail, skip")
	}
	request := plan.RunRequest{Path: path, Parameters: parameters, New: o.isNew, OnOverlap: o.onOverlap, Drift: o.drift()}
	return a.execute(c.Context(), o.ifComplete == "skip", func(ctx context.Context, e *plan.Engine, w plan.Watcher) (*plan.Outcome, error) {
		return e.Run(ctx, request, w)
	})
}

// splitParameters takes name=value apart at the first "=". A value may hold commas, blanks and further "=".
func splitParameters(c *cobra.Command, given []string) (map[string]string, error) {
	parameters := map[string]string{}
	for _, p := range given {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usageError(c, "-p: a parameter is given as name=value")
		}
		if _, twice := parameters[name]; twice {
			return nil, usageError(c, "-p: parameter %s is given twice", name)
		}
		parameters[name] = value
	}
	return parameters, nil
}

// execute runs a job under the signals and tells how it went. skipComplete makes a complete instance no failure.
func (a *app) execute(ctx context.Context, skipComplete bool, run func(context.Context, *plan.Engine, plan.Watcher) (*plan.Outcome, error)) error {
	engine, err := a.engine()
	if err != nil {
		return err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, signals, end := watchSignals(ctx)
	defer end()
	observer := newTeller(a.newObserver(engine.Meta))
	defer a.tellProgress(signals, observer)()
	outcome, err := run(ctx, engine, plan.Watcher{Observer: observer, Stop: signals.stop})
	err = signals.reason(err)
	code := exitCode(err, outcome != nil, outcome.Worked())
	if code == exitComplete && skipComplete || errors.Is(err, plan.ErrOverlapSkipped) {
		a.note("%s: nothing to do\n", err)
		return nil
	}
	if outcome == nil {
		if err == nil {
			return nil
		}
		return &codedError{err: err, code: code}
	}
	a.conclude(outcome, err)
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: code, said: true}
}

// tellProgress answers SIGUSR1 until the returned function is called.
func (a *app) tellProgress(s *signals, t *teller) func() {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-s.progress:
				t.tell(a.stderr)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// conclude prints the summary of a run that was started, and what a person can do where it did not complete.
func (a *app) conclude(o *plan.Outcome, err error) {
	if a.json() {
		a.document(newRunDocument(o, err))
	}
	if a.global.quiet && err == nil {
		return
	}
	var b strings.Builder
	if a.global.quiet || !a.tty || a.global.noProgress {
		fmt.Fprintf(&b, "%s\n", headline(o.Execution))
	}
	if err != nil && !a.json() {
		b.WriteString(renderFailure(o, err))
	}
	writeSummary(&b, o, err)
	fmt.Fprint(a.stderr, b.String())
}

// note tells a person something that is no error; quiet keeps it back.
func (a *app) note(format string, args ...any) {
	if !a.global.quiet {
		fmt.Fprintf(a.stderr, format, args...)
	}
}
